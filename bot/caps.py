"""What a run, and the runs of a day, may cost. The operator sets the caps; a layer below can only lower them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

# A day is any 24 hours: after midnight nobody has a second day's runs at once.
DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Caps:
    """Of one run: minutes and turns of Amp, and tokens that it reads, but for the cache, and writes. The others
    are runs in 24 hours."""

    minutes: float
    tokens: int
    turns: int
    person: int
    repository: int
    installation: int

    def narrowed(self, **lower: float) -> Caps:
        """The caps with these lowered. What is higher than here stays as it is."""
        values: dict[str, Any] = {}
        for field in fields(self):
            own = getattr(self, field.name)
            values[field.name] = min(own, lower.pop(field.name, own))
        if lower:
            raise TypeError(f"no such caps: {', '.join(lower)}")
        return Caps(**values)


class By(StrEnum):
    """What costs are summed by."""

    PERSON = "person"
    REPOSITORY = "repository"
    DAY = "day"


class Day(StrEnum):
    """Whose runs of a day are counted."""

    PERSON = "person"
    REPOSITORY = "repository"
    INSTALLATION = "installation"

    def of(self, caps: Caps) -> int:
        """The cap, in runs."""
        return {Day.PERSON: caps.person, Day.REPOSITORY: caps.repository, Day.INSTALLATION: caps.installation}[self]


@dataclass(frozen=True, slots=True)
class DayReached:
    """A day's cap that leaves no run. `free_at`: when it does again, in epoch seconds."""

    day: Day
    cap: int
    free_at: float
