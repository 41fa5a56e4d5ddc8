"""What people and bots said before a request, as data for the prompt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Writer(StrEnum):
    PERSON = "person"
    BOT = "bot"
    AMPBOT = "ampbot"  # ampbot itself, in an earlier run


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an issue or pull request, or in a review thread."""

    author: str  # login; "" if the account was deleted
    at: str  # RFC 3339: when others could first read it
    body: str
    by: Writer = Writer.PERSON


@dataclass(frozen=True, slots=True)
class Review:
    """The summary of a review. `state`: approved, changes requested, commented or dismissed."""

    author: str
    at: str
    body: str
    state: str
    by: Writer = Writer.PERSON


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of comments on lines of the diff, or on a file."""

    path: str
    line: int | None  # None: on the whole file, or outdated
    original_line: int | None  # when it was begun
    old_side: bool  # on the old file
    outdated: bool
    resolved_by: str | None  # login; None: not resolved; "": the account was deleted
    hunk: str  # of the diff, up to the line
    comments: tuple[Comment, ...]  # oldest first
    first_line: int | None = None  # where it is on a range; as of `line`, or of `original_line`
    more: bool = False  # some of its comments were not read
    asked_here: bool = False  # the request stands in it

    @property
    def at(self) -> str:
        """The time of its newest comment; "" if there is none."""
        return self.comments[-1].at if self.comments else ""


@dataclass(frozen=True, slots=True)
class Referenced:
    """Another issue or pull request of the repository, which the text refers to. `kind`: issue or pull request."""

    number: int
    kind: str
    state: str
    title: str
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class Discussion:
    comments: tuple[Comment, ...] = ()
    reviews: tuple[Review, ...] = ()
    threads: tuple[Thread, ...] = ()
    referenced: tuple[Referenced, ...] = ()
    more: bool = False  # older ones were not read
