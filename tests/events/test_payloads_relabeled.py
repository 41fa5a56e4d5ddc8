"""GitHub signs the body and not the event's name: sent again under another name, a payload starts nothing.

Every recorded payload under every other event's name; and those of the events that can ask, with every action and
every kind of change that GitHub sends, also those of which nothing is recorded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.events.payloads import can_ask, parse
from bot.model import CloseEvent, CommentEvent, ForeignEdit, Ignored, Problem
from bot.rig.contract.fixtures import webhook_examples
from tests.events.deliveries import ALICE, BOB, Json

ASKING = ("issue_comment", "issues", "pull_request", "pull_request_review", "pull_request_review_comment")
ACTIONS = (
    "opened",
    "edited",
    "created",
    "submitted",
    "labeled",
    "assigned",
    "closed",
    "review_requested",
    "resolved",
    "deleted",
)
CHANGES: tuple[Json, ...] = ({}, {"changes": {"body": {"from": "before"}}}, {"changes": {"old_issue": None}})
# What makes each action complete.
ABOUT: Json = {"label": {"id": 1, "name": "amp"}, "assignee": BOB, "requested_reviewer": BOB}


def recorded() -> list[tuple[str, Json]]:
    index = json.loads(webhook_examples().read_text())
    return [(entry["name"], {"installation": {"id": 7}} | body) for entry in index for body in entry["examples"]]


RECORDED = recorded()
NAMES = sorted({event for event, _ in RECORDED})


def changed(event: str, body: Json) -> Iterator[Json]:
    """The payload with each action, each kind of change, and all that an action can be about."""
    for action in ACTIONS:
        for changes in CHANGES:
            yield body | ABOUT | {"action": action} | changes


def starts_nothing(name: str, body: Json) -> bool:
    return isinstance(parse(name, json.dumps(body).encode()), Ignored | Problem)


def test_the_names_are_those_that_can_ask() -> None:
    assert [name for name in NAMES if any(can_ask(name, action) for action in ACTIONS)] == sorted(ASKING)


def test_every_recorded_payload_under_every_other_name_starts_nothing() -> None:
    tried: Counter[bool] = Counter()
    for event, body in RECORDED:
        for name in NAMES:
            if name != event:
                found = parse(name, json.dumps(body).encode()) if name in ASKING else Ignored(name)
                assert isinstance(found, Ignored | Problem), (event, body.get("action"), "as", name, found)
                tried[name in ASKING] += 1
    assert tried[True] > 1_500


@pytest.mark.parametrize("event", [*ASKING, "pull_request_review_thread", "discussion", "discussion_comment"])
def test_no_action_of_an_event_passes_for_one_of_another(event: str) -> None:
    bodies = [body for name, body in RECORDED if name == event]
    assert bodies
    for body in bodies:
        for variant in changed(event, body):
            for name in ASKING:
                assert name == event or starts_nothing(name, variant), (event, variant["action"], "as", name)


@pytest.mark.parametrize("event", ASKING)
def test_under_its_own_name_it_asks_only_for_its_sender(event: str) -> None:
    """Whatever it is about: a text of another is at most an edit of another's text, which starts nothing."""
    texts = {"issues": "issue", "pull_request": "pull_request", "pull_request_review": "review"}
    field, found = texts.get(event, "comment"), Counter[str]()
    for body in (body for name, body in RECORDED if name == event):
        for variant in changed(event, body):
            for author in (ALICE, BOB, None):
                whole = variant | {"sender": ALICE, field: body[field] | {"user": author, "body": "/amp fix it"}}
                meant = parse(event, json.dumps(whole).encode())
                assert isinstance(meant, Ignored | Problem) or meant.actor.id == ALICE["id"]
                if isinstance(meant, CommentEvent):
                    assert author is ALICE
                elif isinstance(meant, ForeignEdit):
                    assert author is BOB
                elif not isinstance(meant, Ignored | Problem | CloseEvent):
                    assert variant["action"] in ("labeled", "assigned", "review_requested")
                found[type(meant).__name__] += 1
    assert found["CommentEvent"]
    assert found["ForeignEdit"]
