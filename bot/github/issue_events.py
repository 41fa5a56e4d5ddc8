"""What somebody did to an issue without text, as GitHub lists it. A webhook does not name its issue event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict

from bot.events.triggers import IssueEventTrigger, Subject
from bot.github.client import Answer
from bot.model import Event

# The webhook tells the issue's `updated_at`, which may be a moment before or after the time of the issue event.
SLACK = timedelta(seconds=1)


class Item(Answer):
    """An object of GitHub's, whole: what is not read here is handed on as it came."""

    model_config = ConfigDict(extra="allow")

    id: int

    def value(self, field: str) -> object:
        """A field as it came; None where there is none."""
        return (self.model_extra or {}).get(field)

    def objects(self, field: str) -> tuple[Mapping[str, Any], ...]:
        """The objects in a field: those of a list, the only one, or none."""
        found = self.value(field)
        return tuple(each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict))

    def names(self, field: str, key: str) -> frozenset[str]:
        """What the objects in a field are called, in small letters."""
        return frozenset(str(each[key]).lower() for each in self.objects(field) if key in each)


class IssueEvent(Item):
    """An entry of the list of an issue's events."""

    event: str
    created_at: datetime

    def by(self, trigger: IssueEventTrigger[Any]) -> Mapping[str, Any] | None:
        """The account that did it; None if it was deleted."""
        return next(iter(self.objects(trigger.by)), None)

    def is_of(self, trigger: IssueEventTrigger[Any]) -> bool:
        return self.event == trigger.name

    def is_about(self, subject: Subject[Any], name: str) -> bool:
        """`name` in small letters."""
        return name in self.names(subject.field, subject.key)

    def may_be(self, trigger: IssueEventTrigger[Any], event: Event) -> bool:
        """Whether it is of this kind, by this actor, about the same subject, at that time or later."""
        by = self.by(trigger)
        since = datetime.fromisoformat(event.at) - SLACK
        return (
            self.is_of(trigger)
            and by is not None
            and by.get("id") == event.actor.id
            and any(self.is_about(subject, name) for subject, name in trigger.named(event))
            and self.created_at >= since
        )


def candidates(listed: Iterable[IssueEvent], trigger: IssueEventTrigger[Any], event: Event) -> tuple[int, ...]:
    """Ids of those that cannot be told from this event, of a list that is oldest first: the first that it may be,
    and those so soon after it that their times do not tell. Later ones are events of their own."""
    found = [each for each in listed if each.may_be(trigger, event)]
    return tuple(each.id for each in found if each.created_at <= found[0].created_at + 2 * SLACK)
