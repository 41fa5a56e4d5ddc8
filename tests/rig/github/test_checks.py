"""Check runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Scene

BUTTON = {"label": "Stop", "description": "Stop the run", "identifier": "stop"}


def _create(scene: Scene, **body: Any) -> Any:
    whole = {"name": "amp", "head_sha": scene.repo.bare.branch("main"), **body}
    return scene.ask("POST", "{repo}/check-runs", scene.token(), whole)


def test_a_check_run_begins_and_ends(scene: Scene) -> None:
    repo = scene.client().get_repo(scene.repo.full_name)
    head = scene.repo.bare.branch("main") or ""
    run = repo.create_check_run("amp", head, status="in_progress", output={"title": "Working", "summary": "…"})
    assert (run.status, run.app.slug, run.raw_data["conclusion"]) == ("in_progress", "ampbot", None)
    run.edit(conclusion="success", output={"title": "Done", "summary": "All good"})
    found = repo.get_check_run(run.id)
    assert (found.status, found.conclusion, found.output.title) == ("completed", "success", "Done")
    assert found.completed_at is not None
    repo.create_check_run("amp", head)
    assert [each.id > run.id for each in repo.get_commit(head).get_check_runs()] == [True], "the latest of a name"
    assert repo.get_commit(head).get_check_runs(filter="all").totalCount == 2


REFUSED: list[dict[str, Any]] = [
    {"head_sha": "f" * 40},
    {"status": "completed"},
    {"conclusion": "fine"},
    {"output": {"title": "t"}},
    {"output": {"title": "t", "summary": "x" * 65_536}},
    {"output": {"title": "t", "summary": "s", "annotations": [{}] * 51}},
    {"actions": [BUTTON] * 4},
    {"actions": [{**BUTTON, "label": "x" * 21}]},
    {"actions": [{**BUTTON, "identifier": "x" * 21}]},
]


@pytest.mark.parametrize("body", REFUSED)
def test_what_a_check_run_cannot_be(scene: Scene, body: dict[str, Any]) -> None:
    assert _create(scene, **body).status_code == 422
    assert scene.repo.check_runs == {}


def test_its_buttons_call_the_app(scene: Scene) -> None:
    number = _create(scene, actions=[BUTTON]).json()["id"]
    run = scene.repo.check_runs[number]
    scene.github.press_check_button(run, "ann", "stop")
    scene.github.wait_deliveries()
    headers, body = scene.hook.received[-1]
    payload = json.loads(body)
    assert (headers["x-github-event"], payload["action"]) == ("check_run", "requested_action")
    assert (payload["requested_action"], payload["sender"]["login"]) == ({"identifier": "stop"}, "ann")
    with pytest.raises(KeyError):
        scene.github.press_check_button(run, "ann", "nothing")
