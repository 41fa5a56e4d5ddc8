"""Entries of GitHub's list of issue events. A webhook does not contain the id of its issue event.

https://docs.github.com/en/rest/issues/events
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict

from bot.events.triggers import IssueEventTrigger, Subject
from bot.github.client import Answer
from bot.model import Event

# A webhook contains the issue's `updated_at`, which can be a second before or after the time of the issue event.
SLACK = timedelta(seconds=1)


class Item(Answer):
    """An object from GitHub with all its fields; those that are not read here stay unchanged."""

    model_config = ConfigDict(extra="allow")

    id: int

    def value(self, field: str) -> object:
        """The field as received; None if it is missing."""
        return (self.model_extra or {}).get(field)

    def objects(self, field: str) -> tuple[Mapping[str, Any], ...]:
        """The objects in a field: all of a list, a single one, or none."""
        found = self.value(field)
        return tuple(entry for entry in (found if isinstance(found, list) else [found]) if isinstance(entry, dict))

    def names(self, field: str, key: str) -> frozenset[str]:
        """The names of the objects in a field, in lower case. `key` is the key of the name."""
        return frozenset(str(entry[key]).lower() for entry in self.objects(field) if key in entry)


class IssueEvent(Item):
    """An entry of the list of issue events."""

    event: str
    created_at: datetime

    def by(self, trigger: IssueEventTrigger[Any]) -> Mapping[str, Any] | None:
        """The account that did it; None if it was deleted."""
        return next(iter(self.objects(trigger.by)), None)

    def is_of(self, trigger: IssueEventTrigger[Any]) -> bool:
        return self.event == trigger.name

    def is_about(self, subject: Subject[Any], name: str) -> bool:
        """`name` must be in lower case."""
        return name in self.names(subject.field, subject.key)

    def may_be(self, trigger: IssueEventTrigger[Any], event: Event) -> bool:
        """Whether it can be `event`: the same kind, actor and subject, at the same time or later."""
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
    """The ids of the entries that can be this event. `listed` must have the oldest first.

    They are the first entry that matches, and those up to two seconds later: their times cannot tell them apart.
    """
    found = [entry for entry in listed if entry.may_be(trigger, event)]
    return tuple(entry.id for entry in found if entry.created_at <= found[0].created_at + 2 * SLACK)
