"""Parses GitHub's webhook payloads into our own events. No other module knows their shape.

URLs in payloads are only shown, never requested. GitHub describes the shapes at
https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from pydantic import ValidationError

from bot.events.payload_parts import (
    Account,
    Changes,
    Issue,
    Label,
    LineComment,
    Numbered,
    Piece,
    Pull,
    Repository,
    ReviewBody,
    Team,
    Thread,
    Written,
    decode,
    where,
)
from bot.model import (
    Actor,
    ActorKind,
    AssignEvent,
    CloseEvent,
    CommentEvent,
    CommentKind,
    Event,
    ForeignEdit,
    Ignored,
    IssueRef,
    LabelEvent,
    Problem,
    Repo,
    ReviewRequestEvent,
)

_ACTION = re.compile(r"[a-z_]{1,64}")


def parse(event: str, body: bytes) -> Event | Ignored | Problem:
    """The event in the delivery with this `body`; `event` is GitHub's name for its kind. Never raises."""
    payload = decode(body)
    if isinstance(payload, Problem):
        return payload
    action = payload.get("action")
    name = f"{event}.{action}" if isinstance(action, str) and _ACTION.fullmatch(action) else event
    model = _PAYLOADS.get(event)
    if model is None or (isinstance(action, str) and action not in model.actions):
        return Ignored(name)
    if payload.get("installation") is None:
        return Ignored("not sent to an App installation")
    try:
        return model.model_validate(payload).to_event()
    except ValidationError as error:
        return Problem("The delivery does not have the shape of its event.", f"{name}: {where(error)}")


def can_ask(event: str, action: str | None) -> bool:
    """Whether a delivery of this kind can contain a request."""
    model = _PAYLOADS.get(event)
    return model is not None and action in model.actions


# --- payloads --------------------------------------------------------------------------------------


class _Payload(Piece):
    """The fields of every payload. `to_event` is called only for an action in `actions`."""

    actions: ClassVar[frozenset[str]]

    action: str
    repository: Repository
    sender: Account
    installation: Numbered
    changes: Changes = Changes()

    def to_event(self) -> Event | Ignored:
        raise NotImplementedError

    @property
    def actor(self) -> Actor:
        # An unknown kind of account counts as a bot.
        kind = next((kind for kind in ActorKind if kind == self.sender.type), ActorKind.BOT)
        return Actor(self.sender.id, self.sender.login, kind)

    def issue_ref(self, thread: Thread, *, is_pull: bool) -> IssueRef:
        repo = Repo(
            id=self.repository.id,
            owner=self.repository.owner.login,
            name=self.repository.name,
            private=self.repository.private,
            default_branch=self.repository.default_branch,
            archived=self.repository.archived,
            installation=self.installation.id,
        )
        author = thread.user.login if thread.user else ""
        return IssueRef(repo, thread.number, is_pull, thread.title, thread.body, author, thread.html_url)

    def text_event(self, issue: IssueRef, written: Written, kind: CommentKind) -> CommentEvent | ForeignEdit | Ignored:
        """What the sender wrote. A command has the rights of whoever wrote it, so the sender must be the author.

        They differ on an issue that somebody transferred, on a pull request that somebody made of another's issue,
        and when a maintainer edits somebody's text.
        """
        author, app = written.user, written.performed_via_github_app
        if author is None or author.is_ghost:
            return Ignored("the account of its author is deleted")
        before = None
        if self.action == "edited":
            if self.changes.body is None:
                return Ignored("edited, but not its text")
            before = self.changes.body.text
        if author.id != self.sender.id:
            if before is None:
                return Ignored("sent by someone else than its author")
            return ForeignEdit(issue, self.actor, written.body, before, kind, written.id, written.updated_at)
        event = CommentEvent(
            issue=issue,
            actor=self.actor,
            text=written.body,
            kind=kind,
            comment=written.id,
            at=written.created_at if before is None else written.updated_at,
            before=before,
            via_app=app.id if app else None,
        )
        return replace(event, path=written.path, line=written.line) if isinstance(written, LineComment) else event


class _IssueComment(_Payload):
    actions = frozenset({"created", "edited"})

    issue: Issue
    comment: Written

    def to_event(self) -> Event | Ignored:
        issue = self.issue_ref(self.issue, is_pull=self.issue.pull_request is not None)
        return self.text_event(issue, self.comment, CommentKind.ISSUE)


class _ReviewComment(_Payload):
    actions = frozenset({"created", "edited"})

    pull_request: Pull
    comment: LineComment

    def to_event(self) -> Event | Ignored:
        return self.text_event(self.issue_ref(self.pull_request, is_pull=True), self.comment, CommentKind.LINE)


class _Review(_Payload):
    actions = frozenset({"submitted", "edited"})

    pull_request: Pull
    review: ReviewBody

    def to_event(self) -> Event | Ignored:
        if not self.review.body.strip():
            return Ignored("a review without text")
        return self.text_event(self.issue_ref(self.pull_request, is_pull=True), self.review, CommentKind.REVIEW)


class _ThreadPayload(_Payload):
    """Something done to an issue or a pull request itself.

    GitHub signs only the body, not the event's name in the header, and the payload of a comment also contains the
    issue. Sent again as an event of the issue, it must not pass for an edit of the issue. So the fields of what is
    said or done inside must be absent.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    comment: None = None
    review: None = None
    thread: None = None
    label: Label | None = None
    assignee: Account | None = None

    def thread_event(self, thread: Thread, *, is_pull: bool, merged: bool) -> Event | Ignored:
        issue = self.issue_ref(thread, is_pull=is_pull)
        match self.action:
            case "opened" | "edited":
                if self.changes.are_of_a_transfer:
                    return Ignored("opened by a transfer: its text was said elsewhere")
                return self.text_event(issue, thread, CommentKind.BODY)
            case "labeled" if self.label:
                return LabelEvent(issue, self.actor, self.label.name, thread.updated_at)
            case "assigned" if self.assignee:
                return AssignEvent(issue, self.actor, self.assignee.login, thread.updated_at)
            case "closed":
                return CloseEvent(issue, self.actor, merged, thread.updated_at)
        return Ignored(f"{self.action}, but the payload does not name what")


class _Issues(_ThreadPayload):
    actions = frozenset({"opened", "edited", "labeled", "assigned", "closed"})

    issue: Issue

    def to_event(self) -> Event | Ignored:
        return self.thread_event(self.issue, is_pull=False, merged=False)


class _PullRequest(_ThreadPayload):
    actions = frozenset({*_Issues.actions, "review_requested"})

    pull_request: Pull
    requested_reviewer: Account | None = None
    requested_team: Team | None = None

    def to_event(self) -> Event | Ignored:
        if self.action == "review_requested" and (self.requested_reviewer or self.requested_team):
            user = self.requested_reviewer.login if self.requested_reviewer else None
            team = self.requested_team.slug if self.requested_team else None
            issue = self.issue_ref(self.pull_request, is_pull=True)
            return ReviewRequestEvent(issue, self.actor, user, team, self.pull_request.updated_at)
        return self.thread_event(self.pull_request, is_pull=True, merged=self.pull_request.merged)


_PAYLOADS: dict[str, type[_Payload]] = {
    "issue_comment": _IssueComment,
    "issues": _Issues,
    "pull_request": _PullRequest,
    "pull_request_review": _Review,
    "pull_request_review_comment": _ReviewComment,
}
