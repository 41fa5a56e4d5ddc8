"""The words for a run that depend on its kind. Every kind has its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bot.model import RunKind


@dataclass(frozen=True, slots=True)
class KindWords:
    """The words for runs of one kind."""

    doing: str  # the heading of the run's comment until the run ends
    asked: str  # stands for the request's text if that is empty


def of(kind: RunKind) -> KindWords:
    match kind:
        case RunKind.WORK:
            return KindWords("Working on it", "Resolve this issue.")
        case RunKind.REVIEW:
            return KindWords("Reviewing", "Review this pull request.")
        case _:
            assert_never(kind)
