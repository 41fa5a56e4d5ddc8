"""What somebody did to an issue without words, as GitHub lists it: a label put on, a review asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.github.client import Answer

# An issue's `updated_at`, by which a gesture is known, may be a moment before or after its event's own time.
SLACK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Gesture:
    """A gesture as its delivery tells of it, which does not name the event."""

    event: str  # labeled, review_requested
    actor: int
    at: str  # RFC 3339
    names: str  # the label; the login or team slug of whom is asked


class _User(Answer):
    login: str
    id: int = 0


class _Label(Answer):
    name: str


class _Team(Answer):
    slug: str


class IssueEvent(Answer):
    """An entry of the list of an issue's events."""

    id: int
    event: str
    created_at: datetime
    actor: _User | None = None
    label: _Label | None = None
    requested_reviewer: _User | None = None
    requested_team: _Team | None = None

    def may_be(self, gesture: Gesture) -> bool:
        """Whether it is of this kind, by this actor, at that time or later."""
        by_them = self.event == gesture.event and self.actor is not None and self.actor.id == gesture.actor
        since = datetime.fromisoformat(gesture.at) - SLACK
        return by_them and self._names().lower() == gesture.names.lower() and self.created_at >= since

    def _names(self) -> str:
        if self.label is not None:
            return self.label.name
        if self.requested_team is not None:
            return self.requested_team.slug
        return self.requested_reviewer.login if self.requested_reviewer is not None else ""


def candidates(listed: Iterable[IssueEvent], gesture: Gesture) -> tuple[int, ...]:
    """Ids of those that cannot be told from this gesture, of a list that is oldest first: the first that it may be,
    and those so soon after it that their times do not tell. Later ones are gestures of their own."""
    found = [event for event in listed if event.may_be(gesture)]
    return tuple(event.id for event in found if event.created_at <= found[0].created_at + 2 * SLACK)
