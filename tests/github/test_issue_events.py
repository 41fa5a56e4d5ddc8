"""Which issue events of GitHub's list an event without text may be: its webhook does not name its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.events import triggers
from bot.github.issue_events import IssueEvent, candidates
from bot.model import AssignEvent, Event, LabelEvent, ReviewRequestEvent
from tests.events.deliveries import ACTOR, PLACE, PULL_PLACE

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONA = {"id": ACTOR.id, "login": ACTOR.login}
PUT_ON = LabelEvent(PLACE, ACTOR, "amp", AT.isoformat())
REQUESTED = ReviewRequestEvent(PULL_PLACE, ACTOR, None, None, AT.isoformat())


def event(number: int, seconds: float = 0, **changed: Any) -> IssueEvent:
    at = (AT + timedelta(seconds=seconds)).isoformat()
    told = {"id": number, "event": "labeled", "created_at": at, "actor": MONA}
    return IssueEvent.model_validate({**told, "label": {"name": "AMP"}, **changed})


def found(listed: list[IssueEvent], told: Event) -> tuple[int, ...]:
    trigger = triggers.of(told)
    assert trigger is not None
    return candidates(listed, trigger, told)


def test_github_keeps_the_case_of_the_name_it_saw_first() -> None:
    assert found([event(1)], PUT_ON) == (1,)
    assert found([event(1)], replace(PUT_ON, label="Amp")) == (1,)


@pytest.mark.parametrize(
    "other",
    [
        event(2, event="unlabeled"),
        event(2, label={"name": "amp:review"}),
        event(2, actor={"id": ACTOR.id + 1, "login": "hubot"}),
        event(2, actor=None),
        event(2, seconds=-2),
    ],
    ids=["another kind", "another label", "another person", "a deleted person", "an earlier one"],
)
def test_another_event_is_none_of_them(other: IssueEvent) -> None:
    assert found([other, event(3)], PUT_ON) == (3,)


def test_those_within_githubs_whole_seconds_cannot_be_told_apart() -> None:
    assert found([event(1, -1), event(2, 0), event(3, 1)], PUT_ON) == (1, 2, 3)


def test_a_later_one_is_an_event_of_its_own() -> None:
    """Else a delivery that comes late would take it, and what it stands for would be run twice."""
    assert found([event(1), event(2, 60)], PUT_ON) == (1,)


def test_a_list_that_lags_shows_none() -> None:
    assert found([], PUT_ON) == ()


def test_a_review_is_asked_of_a_person_or_of_a_team() -> None:
    of_person = event(1, event="review_requested", label=None, requested_reviewer={"login": "Bot", "id": 1})
    of_team = event(2, event="review_requested", label=None, requested_team={"slug": "bot"})
    assert found([of_person, of_team], replace(REQUESTED, user="bot")) == (1,)
    assert found([of_person, of_team], replace(REQUESTED, team="bot")) == (2,)
    assert found([of_person, of_team], replace(REQUESTED, user="amp")) == ()


def test_an_assignment_is_by_its_assigner() -> None:
    """GitHub names the assignee as the actor."""
    bot = {"id": 99, "login": "bot"}
    assigned = event(1, event="assigned", label=None, actor=bot, assigner=MONA, assignee=bot)
    told = AssignEvent(PLACE, ACTOR, "bot", AT.isoformat())
    assert found([assigned], told) == (1,)
    assert found([assigned], replace(told, actor=replace(ACTOR, id=99))) == ()
