"""Which events of GitHub's list a gesture without words may be: its delivery does not name its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.github.issue_events import Gesture, IssueEvent, candidates

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
PUT_ON = Gesture("labeled", 7, AT.isoformat(), "amp")


def event(number: int, seconds: float = 0, **changed: Any) -> IssueEvent:
    at = (AT + timedelta(seconds=seconds)).isoformat()
    told = {"id": number, "event": "labeled", "created_at": at, "actor": {"id": 7, "login": "mona"}}
    return IssueEvent.model_validate({**told, "label": {"name": "AMP"}, **changed})


def test_github_keeps_the_case_of_the_name_it_saw_first() -> None:
    assert candidates([event(1)], PUT_ON) == (1,)


@pytest.mark.parametrize(
    "other",
    [
        event(2, event="unlabeled"),
        event(2, label={"name": "amp:review"}),
        event(2, actor={"id": 8, "login": "hubot"}),
        event(2, actor=None),
        event(2, seconds=-2),
    ],
    ids=["another kind", "another label", "another person", "a deleted person", "an earlier one"],
)
def test_another_gesture_is_none_of_them(other: IssueEvent) -> None:
    assert candidates([other, event(3)], PUT_ON) == (3,)


def test_those_within_githubs_whole_seconds_cannot_be_told_apart() -> None:
    assert candidates([event(1, -1), event(2, 0), event(3, 1)], PUT_ON) == (1, 2, 3)


def test_a_later_one_is_a_gesture_of_its_own() -> None:
    """Else a delivery that comes late would take it, and what it stands for would be run twice."""
    assert candidates([event(1), event(2, 60)], PUT_ON) == (1,)


def test_a_list_that_lags_shows_none() -> None:
    assert candidates([], PUT_ON) == ()


def test_a_review_is_asked_of_a_person_or_of_a_team() -> None:
    of_person = event(1, event="review_requested", label=None, requested_reviewer={"login": "Bot", "id": 1})
    of_team = event(2, event="review_requested", label=None, requested_team={"slug": "bots"})
    for asked, found in (("bot", (1,)), ("bots", (2,)), ("amp", ())):
        assert candidates([of_person, of_team], Gesture("review_requested", 7, AT.isoformat(), asked)) == found
