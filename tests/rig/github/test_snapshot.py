"""The comparable snapshot of the state."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.server import GitHub


def _story(folder: Path, clock: float, change: Callable[[GitHub], object] | None = None) -> dict[str, Any]:
    """A small story on a new server with another clock."""
    folder.mkdir()
    with GitHub(root=folder, clock=lambda: clock) as hub:
        for login in ("ann", "bob"):
            hub.create_user(login)
        repo = hub.create_repository("acme/widgets", private=True, files={"a": "one\ntwo\n"})
        hub.set_permission(repo, "ann", "write")
        app = hub.create_app("ampbot", 1, permissions={"contents": "write"}, events=[])
        hub.install(app, [repo])
        issue = hub.open_issue(repo, "ann", "Broken", "text", ["amp"])
        hub.react(hub.comment(repo, issue.number, "ann", "/amp fix"), "bob", "eyes")
        hub.push_commit(repo, "topic", {"a": "one\nTWO\n"}, "ann")
        hub.open_pull(repo, "ann", "topic", "Topic")
        hub.submit_review(repo, 2, "bob", "Hm", comments=[DraftComment("a", "why", 2)])
        if change is not None:
            change(hub)
        state = hub.snapshot()
        assert json.loads(json.dumps(state)) == state
        return state


def test_the_same_story_ends_in_the_same_state_at_any_time(tmp_path: Path) -> None:
    assert _story(tmp_path / "one", 1_800_000_000.0) == _story(tmp_path / "two", 1_900_000_000.0)


CHANGES: dict[str, Callable[[GitHub], object]] = {
    "a comment": lambda hub: hub.comment("acme/widgets", 1, "ann", "more"),
    "a reaction": lambda hub: hub.react(hub.state.repositories[41_000_014].issues[1], "ann", "eyes"),
    "a label": lambda hub: hub.unlabel("acme/widgets", 1, "ann", "amp"),
    "a commit": lambda hub: hub.push_commit("acme/widgets", "topic", {"b": "x"}, "ann"),
    "a commit's message": lambda hub: hub.push_commit("acme/widgets", "new", {}, "ann", "other words"),
    "a closed issue": lambda hub: hub.close("acme/widgets", 1, "ann"),
    "an archive": lambda hub: hub.archive("acme/widgets"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_difference_shows(tmp_path: Path, name: str) -> None:
    plain = _story(tmp_path / "one", 1_800_000_000.0)
    assert _story(tmp_path / "two", 1_800_000_000.0, CHANGES[name]) != plain


def test_the_state_is_served_beside_the_request_log(hub: GitHub) -> None:
    import httpx

    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{hub.url}/_rig/state").json() == hub.snapshot()
