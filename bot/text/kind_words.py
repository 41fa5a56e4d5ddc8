"""What is said of a run by its kind. Every kind has its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bot.model import RunKind


@dataclass(frozen=True, slots=True)
class KindWords:
    """What is said of a run of some kind."""

    doing: str  # the heading of its comment while it goes on
    asked: str  # what was asked for, where the request has no text


def of(kind: RunKind) -> KindWords:
    match kind:
        case RunKind.WORK:
            return KindWords("Working on it", "Resolve this issue.")
        case RunKind.REVIEW:
            return KindWords("Reviewing", "Review this pull request.")
        case _:
            assert_never(kind)
