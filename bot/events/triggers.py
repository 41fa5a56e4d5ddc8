"""The triggers, each declared once: its event, its event key, how GitHub lists it, and what the sweep recovers.

Handlers say which triggers they answer (bot/events/handler.py). Dispatch derives event keys from the declarations. The
sweep derives from them what to search for when GitHub delivered nothing. To add a trigger, add a declaration here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.model import AssignEvent, CommentEvent, CommentKind, Event, ForeignEdit, LabelEvent, ReviewRequestEvent

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class TextTrigger:
    """A text that may contain commands.

    The sweep recovers it if it still exists and its issue or pull request is open.
    """

    name: str  # part of the GUID under which the sweep stores the text: never change it
    kind: CommentKind
    # The webhook for a new text.
    event: str
    action: str
    conversation: str  # the payload's field for the issue or pull request
    # GitHub's list.
    link: str  # the field with the URL of the issue or pull request
    written: str  # the field with the time at which it was written
    # Comments and reviews only: a description is part of its issue or pull request.
    field: str = ""  # the payload's field for the text
    path: str = ""  # of the list, below the repository's URL; `{number}` is the pull request's


@dataclass(frozen=True, slots=True)
class Subject(Generic[E]):
    """What an issue event is about: a label, a reviewer, a team, an assignee."""

    of: Callable[[E], str | None]  # its name in our event
    field: str  # in GitHub's issue event, and in the webhook's payload
    key: str  # the key of the name in that field's object
    current: str  # the field of the issue or pull request that lists its current subjects


@dataclass(frozen=True, slots=True)
class IssueEventTrigger(Generic[E]):
    """Something done to an issue or pull request without text.

    The sweep recovers the latest event of each current subject: of a label that is still set, for example.
    https://docs.github.com/en/rest/using-the-rest-api/issue-event-types
    """

    name: str  # GitHub's: in the list of issue events, and as the webhook's action
    event: type[E]
    subjects: tuple[Subject[E], ...]
    by: str = "actor"  # the field of GitHub's issue event with the account that did it

    def named(self, event: E) -> tuple[tuple[Subject[E], str], ...]:
        """The subjects of `event` with their names in lower case: GitHub ignores the case of names."""
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
# `actor` is the assignee here: https://github.com/google/go-github/pull/615
ASSIGNED = IssueEventTrigger(
    "assigned",
    AssignEvent,
    (Subject(lambda event: event.assignee, "assignee", "login", "assignees"),),
    by="assigner",
)

# Part of the GUID under which the sweep stores an issue event, and of its event key: never change it.
ISSUE_EVENT = "event"

TEXTS = (ISSUE_COMMENT, ISSUE_BODY, PULL_BODY, REVIEW_COMMENT, REVIEW)
ISSUE_EVENTS: tuple[IssueEventTrigger[Any], ...] = (LABELED, REVIEW_REQUESTED, ASSIGNED)


def of(event: Event) -> IssueEventTrigger[Any] | None:
    """The trigger of an event without text; None if the event triggers nothing."""
    return next((trigger for trigger in ISSUE_EVENTS if isinstance(event, trigger.event)), None)


# Event keys. A redelivery has the same key, and so has an event found by the sweep. They are stored: never change them.


def text_key(kind: CommentKind, number: int) -> str:
    """The key of a text. `number` is the id of the comment or review, or of the issue or pull request described."""
    return f"{kind.value}:{number}"


def issue_event_key(number: int) -> str:
    """The key of an issue event. `number` is GitHub's id of it, which is in no webhook."""
    return f"{ISSUE_EVENT}:{number}"


def delivery_key(guid: str) -> str:
    """The key if no issue event in GitHub's list matches the delivery."""
    return f"delivery:{guid}"


def owner_key(event: Event, event_key: str) -> str:
    """The name under which the event's owner is stored: the GUID of the delivery that handles it."""
    return f"gesture:{event.issue.repo.id}:{event_key}"


def key(event: Event) -> str | None:
    """The key, if the event itself contains it; None if it must be looked up in GitHub's list of issue events."""
    match event:
        case CommentEvent():
            return text_key(event.kind, event.comment)
        case ForeignEdit():
            # Not the text's own key: whoever owns that has answered the author.
            return f"edit:{text_key(event.kind, event.comment)}"
    return None
