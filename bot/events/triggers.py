"""The ways to ask, each declared once: the event, what names it for ever, how GitHub lists it, what must still stand.

Handlers say which of these they answer (bot/events/handler.py). From the declarations dispatch derives the key of an
event, and the sweep what it looks for when GitHub delivered nothing. A new way to ask is a new declaration here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.model import AssignEvent, CommentEvent, CommentKind, Event, LabelEvent, ReviewRequestEvent

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class TextTrigger:
    """Text that may hold commands. It is recovered while it is there, and its issue or pull request is open."""

    name: str  # part of the GUID under which the sweep stores it, so it never changes
    kind: CommentKind
    # The webhook that says it is new.
    event: str
    action: str
    conversation: str  # the payload's field for the issue or pull request
    # How it is listed.
    link: str  # the field with the address of the issue or pull request
    written: str  # the field with the time of writing
    # Of a comment or review; a description comes with its issue or pull request.
    field: str = ""  # the payload's field for the text
    path: str = ""  # of the list, below the repository's address; `{number}` is the pull request's


@dataclass(frozen=True, slots=True)
class Subject(Generic[E]):
    """What an issue event is about: a label, a reviewer, a team, an assignee."""

    of: Callable[[E], str | None]  # its name in our event
    field: str  # in GitHub's event, and in the payload of the webhook
    key: str  # of that field's object: the name
    standing: str  # the field of the issue or pull request that holds it as long as it stands


@dataclass(frozen=True, slots=True)
class IssueEventTrigger(Generic[E]):
    """Something done to an issue or pull request without text.

    It is recovered while its subject stands, by the latest event that put it there.
    https://docs.github.com/en/rest/using-the-rest-api/issue-event-types
    """

    name: str  # GitHub's, in the list of an issue's events and as the action of the webhook
    event: type[E]
    subjects: tuple[Subject[E], ...]
    by: str = "actor"  # the field of GitHub's event with whoever did it

    def named(self, event: E) -> tuple[tuple[Subject[E], str], ...]:
        """The subjects of `event` and their names, in small letters: GitHub's names do not differ by case."""
        found = ((subject, subject.of(event)) for subject in self.subjects)
        return tuple((subject, name.lower()) for subject, name in found if name)


ISSUE_COMMENT = TextTrigger(
    name="issue",
    kind=CommentKind.ISSUE,
    event="issue_comment",
    action="created",
    conversation="issue",
    field="comment",
    path="/issues/comments",
    link="issue_url",
    written="created_at",
)
REVIEW_COMMENT = TextTrigger(
    name="line",
    kind=CommentKind.LINE,
    event="pull_request_review_comment",
    action="created",
    conversation="pull_request",
    field="comment",
    path="/pulls/comments",
    link="pull_request_url",
    written="created_at",
)
REVIEW = TextTrigger(
    name="review",
    kind=CommentKind.REVIEW,
    event="pull_request_review",
    action="submitted",
    conversation="pull_request",
    field="review",
    path="/pulls/{number}/reviews",
    link="pull_request_url",
    written="submitted_at",
)
ISSUE_BODY = TextTrigger(
    name="body",
    kind=CommentKind.BODY,
    event="issues",
    action="opened",
    conversation="issue",
    link="url",
    written="created_at",
)
PULL_BODY = TextTrigger(
    name="pull",
    kind=CommentKind.BODY,
    event="pull_request",
    action="opened",
    conversation="pull_request",
    link="url",
    written="created_at",
)

LABELED = IssueEventTrigger("labeled", LabelEvent, (Subject(lambda event: event.label, "label", "name", "labels"),))
REVIEW_REQUESTED = IssueEventTrigger(
    "review_requested",
    ReviewRequestEvent,
    (
        Subject(lambda event: event.user, "requested_reviewer", "login", "requested_reviewers"),
        Subject(lambda event: event.team, "requested_team", "slug", "requested_teams"),
    ),
)
# Its `actor` is the assignee: https://github.com/google/go-github/pull/615
ASSIGNED = IssueEventTrigger(
    "assigned",
    AssignEvent,
    (Subject(lambda event: event.assignee, "assignee", "login", "assignees"),),
    by="assigner",
)

# Part of the GUID under which the sweep stores an issue event, and of its key: stored, so it never changes.
ISSUE_EVENT = "event"

TEXTS = (ISSUE_COMMENT, ISSUE_BODY, PULL_BODY, REVIEW_COMMENT, REVIEW)
ISSUE_EVENTS: tuple[IssueEventTrigger[Any], ...] = (LABELED, REVIEW_REQUESTED, ASSIGNED)


def of(event: Event) -> IssueEventTrigger[Any] | None:
    """The trigger of an event without text; None if nothing can be asked by it."""
    return next((each for each in ISSUE_EVENTS if isinstance(event, each.event)), None)


# What names an event for ever, whoever tells of it. These names are stored.


def text_key(kind: CommentKind, number: int) -> str:
    """Of a text: `number` is the id of the comment or review, or of the issue or pull request it describes."""
    return f"{kind.value}:{number}"


def issue_event_key(number: int) -> str:
    """`number`: the id of GitHub's issue event, which no webhook names."""
    return f"{ISSUE_EVENT}:{number}"


def delivery_key(guid: str) -> str:
    """Where GitHub lists no event that can be the delivery's."""
    return f"delivery:{guid}"


def key(event: Event) -> str | None:
    """The key that an event itself gives; None where GitHub's list of issue events has to be asked."""
    return text_key(event.kind, event.comment) if isinstance(event, CommentEvent) else None
