"""What the bot asks of GitHub, counted: every request of a run, and that `app.yml` declares that much and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.events import payloads
from bot.github import manifest
from bot.model import Ignored, Problem
from bot.rig.contract.contract import Contract, used_endpoints
from bot.rig.contract.fixtures import webhook_examples
from bot.rig.contract.permissions import permissions_needed
from bot.rig.http.request_log import Entry
from bot.rig.rig import Rig
from tests.stories.story import FILES, MAINTAINER, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
REPO = "/repos/{owner}/{repo}"

PLAIN = [
    # who may?
    ("POST", "/app/installations/{installation_id}/access_tokens"),
    ("GET", f"{REPO}/collaborators/{{username}}/permission"),
    # acknowledge
    ("POST", f"{REPO}/issues/comments/{{comment_id}}/reactions"),
    ("POST", f"{REPO}/issues/{{issue_number}}/comments"),
    # the conversation and the commit to start from; the sandbox's token, until the fetch is done
    ("POST", "/graphql"),
    ("POST", "/app/installations/{installation_id}/access_tokens"),
    ("DELETE", "/installation/token"),
    # still? and where? then publish
    ("POST", "/graphql"),
    ("GET", f"{REPO}/collaborators/{{username}}/permission"),
    ("POST", "/app/installations/{installation_id}/access_tokens"),
    ("POST", f"{REPO}/git/trees"),
    ("POST", f"{REPO}/git/commits"),
    ("POST", f"{REPO}/git/refs"),
    ("POST", f"{REPO}/pulls"),
    ("DELETE", "/installation/token"),
    # the last word
    ("PATCH", f"{REPO}/issues/comments/{{comment_id}}"),
]


@dataclass(frozen=True, slots=True)
class Told:
    """What GitHub was asked in each kind of story, by a bot that was just started."""

    start: tuple[Entry, ...]
    plain: tuple[Entry, ...]
    again: tuple[Entry, ...]
    everything: tuple[Entry, ...]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with Rig(tmp_path_factory.mktemp("contract"), {"AMPBOT_SWEEP_MINUTES": "0"}) as rig:  # it asks on its own account
        rig.github.settings.lag_every = 0
        rig.serve()
        request_log = rig.github.server.request_log
        first = Story.begin(rig)
        number = first.issue()
        first.say(number, "No command.")
        first.settle()
        start = request_log.entries
        first.say(number, FIX)
        first.settle()
        plain = request_log.entries[len(start) :]
        first.say(number, FIX)
        first.settle()
        again = request_log.entries[len(start) + len(plain) :]
        assert first.states() == ["published", "published"]

        second = Story.begin(rig, {**FILES, "AMP-SCRIPT.md": "- review app.py:2: Why?\n"})
        pull = second.pull({"app.py": "def answer():\n    return 40\n"})
        second.say(pull.number, '/amp go on\n\n- replace app.py: "40" -> "42"\n')
        second.settle()
        second.say(pull.number, "/amp review")
        second.settle()
        for label in ("amp:review", "amp"):
            second.rig.github.label(second.repo, pull.number, MAINTAINER, label)
        second.settle()
        assert second.states() == ["published", "reviewed", "reviewed"]

        large = Story.begin(rig)
        drawings = "\n".join(f"- binary art/{index}.bin 1000" for index in range(45))
        large.say(large.issue(), f"/amp draw\n\n{drawings}\n")
        few = large.issue()
        large.say(few, "/amp draw\n\n- binary logo.bin 1000\n")
        large.settle()
        assert large.states() == ["published", "published"]
        yield Told(start, plain, again, request_log.entries)


def endpoints(entries: tuple[Entry, ...]) -> list[tuple[str, str]]:
    return sorted(used_endpoints(entries).elements())


def test_a_start_asks_nothing_and_an_event_without_a_command_asks_who_we_are(told: Told) -> None:
    assert endpoints(told.start) == [("GET", "/app")]


def test_a_plain_run_takes_sixteen_requests(told: Told) -> None:
    assert endpoints(told.plain) == sorted(PLAIN)
    assert len(PLAIN) == 16
    git = [
        (entry.method, entry.path.rsplit(".git", 1)[1]) for entry in told.plain if not entry.path.startswith("/api/")
    ]
    assert git == [("GET", "/info/refs"), ("POST", "/git-upload-pack")], "the sandbox's, listed apart"


def test_the_next_run_in_the_same_repository_takes_one_less(told: Told) -> None:
    assert endpoints(told.again) == sorted(PLAIN[1:]), "the conversation's token is kept while it lives"


def test_each_token_is_for_one_repository_and_for_what_one_step_needs(told: Told) -> None:
    minted = [json.loads(entry.body) for entry in told.plain if entry.path.endswith("/access_tokens")]
    assert [len(body["repository_ids"]) for body in minted] == [1, 1, 1]
    assert sorted(body["permissions"].items() for body in minted) == sorted(
        each.items()
        for each in (
            {"issues": "write", "pull_requests": "write", "contents": "read", "metadata": "read"},
            {"contents": "read", "metadata": "read"},
            {"contents": "write", "pull_requests": "write", "metadata": "read"},
        )
    )


def test_every_request_is_one_that_github_describes(told: Told) -> None:
    contract = Contract.load()
    assert [found for entry in told.everything for found in contract.check(entry)] == []


def test_what_is_used_is_declared_and_what_is_declared_is_used_or_has_its_reason(told: Told) -> None:
    declared = manifest.load()
    needed = permissions_needed(told.everything)
    assert manifest.lacking(needed, declared.default_permissions) == ()
    idle = {name for name in declared.default_permissions if name not in needed}
    too_much = {
        name for name, level in needed.items() if manifest.lacking({name: declared.default_permissions[name]}, needed)
    }
    assert too_much == set(), "no level is declared above what is used"
    assert {f"permission {name}" for name in idle} | {
        f"event {name}" for name in set(declared.default_events) - understood()
    } == set(manifest.NOT_USED_YET)
    assert all(manifest.NOT_USED_YET.values()), "each with its reason"
    assert understood() <= set(declared.default_events)


def understood() -> set[str]:
    """The events of which some recorded payload means something to the bot. The recorded reviews have no text."""
    index = json.loads(webhook_examples().read_text())
    found = set()
    for event, example in ((entry["name"], example) for entry in index for example in entry["examples"]):
        review = {"review": example["review"] | {"body": "Well."}} if "review" in example else {}
        body = json.dumps({"installation": {"id": 7}} | example | review).encode()
        if not isinstance(payloads.parse(event, body), Ignored | Problem):
            found.add(event)
    return found
