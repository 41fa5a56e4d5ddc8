"""Parses GitHub's webhook payloads into our own events. No other module knows their shape.

URLs in payloads are only shown, never requested. GitHub describes the shapes at
https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from bot.model import (
    Actor,
    ActorKind,
    AssignEvent,
    CloseEvent,
    CommentEvent,
    CommentKind,
    Event,
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
    payload = _decode(body)
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
        return Problem("The delivery does not have the shape of its event.", f"{name}: {_where(error)}")


def can_ask(event: str, action: str | None) -> bool:
    """Whether a delivery of this kind can contain a request."""
    model = _PAYLOADS.get(event)
    return model is not None and action in model.actions


# --- JSON ------------------------------------------------------------------------------------------


def _decode(body: bytes) -> dict[str, object] | Problem:
    try:
        payload = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        return Problem("The delivery's JSON is nested too deeply.")
    except ValueError as error:
        return Problem("The delivery is not valid JSON.", str(error))
    if not isinstance(payload, dict):
        return Problem("The delivery is not a JSON object.", type(payload).__name__)
    return payload


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Parsers differ on which of two equal keys wins. GitHub never sends two.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _where(error: ValidationError) -> str:
    """The invalid fields and why, without their values, which may be private."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults)


# --- the parts of a payload ------------------------------------------------------------------------

_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
# A lone surrogate cannot be encoded in UTF-8, and PostgreSQL stores no NUL.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _storable(value: object) -> object:
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _null_is_empty(value: object) -> object:
    return "" if value is None else value


def _moment(value: str) -> str:
    if not _RFC3339.fullmatch(value):
        raise ValueError("not RFC 3339")
    datetime.fromisoformat(value)  # checks the ranges of month, day, hour ...
    return value


_Id = Annotated[int, Field(gt=0, lt=2**63)]
_Text = Annotated[str, BeforeValidator(_storable)]
_Body = Annotated[_Text, BeforeValidator(_null_is_empty)]
_Time = Annotated[str, AfterValidator(_moment)]


class _Piece(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Account(_Piece):
    id: _Id
    login: _Text
    type: _Text = ""


class _Repository(_Piece):
    id: _Id
    owner: _Account
    name: _Text
    private: bool
    default_branch: _Text
    archived: bool


class _Numbered(_Piece):
    """An object of which we need only the id: an installation, an App."""

    id: _Id


class _Written(_Piece):
    """The fields that issues, pull requests, comments and reviews share."""

    id: _Id
    body: _Body = ""
    user: _Account | None = None  # null once the account is deleted
    created_at: _Time
    updated_at: _Time
    performed_via_github_app: _Numbered | None = None


class _Thread(_Written):
    number: _Id
    title: _Text
    html_url: _Text


class _Issue(_Thread):
    pull_request: _Piece | None = None  # set if the issue is a pull request


class _Pull(_Thread):
    merged: bool = False


class _LineComment(_Written):
    path: _Text
    line: _Id | None = None  # null for a whole file, and for a line that is no longer in the diff


class _ReviewBody(_Written):
    created_at: _Time = Field(validation_alias="submitted_at")
    updated_at: _Time = Field(validation_alias=AliasChoices("updated_at", "submitted_at"))


class _Label(_Piece):
    name: _Text


class _Team(_Piece):
    slug: _Text


class _Before(_Piece):
    text: _Body = Field(validation_alias="from")


class _Changes(_Piece):
    body: _Before | None = None
    old_issue: _Numbered | None = None  # set on an issue that a transfer opened


# --- payloads --------------------------------------------------------------------------------------


class _Payload(_Piece):
    """The fields of every payload. `to_event` is called only for an action in `actions`."""

    actions: ClassVar[frozenset[str]]

    action: str
    repository: _Repository
    sender: _Account
    installation: _Numbered
    changes: _Changes = _Changes()

    def to_event(self) -> Event | Ignored:
        raise NotImplementedError

    @property
    def actor(self) -> Actor:
        # An unknown kind of account counts as a bot.
        kind = next((kind for kind in ActorKind if kind == self.sender.type), ActorKind.BOT)
        return Actor(self.sender.id, self.sender.login, kind)

    def issue_ref(self, thread: _Thread, *, is_pull: bool) -> IssueRef:
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

    def comment_event(self, issue: IssueRef, written: _Written, kind: CommentKind) -> CommentEvent | Ignored:
        app = written.performed_via_github_app
        event = CommentEvent(
            issue=issue,
            actor=self.actor,
            text=written.body,
            kind=kind,
            comment=written.id,
            at=written.created_at,
            via_app=app.id if app else None,
        )
        if isinstance(written, _LineComment):
            event = replace(event, path=written.path, line=written.line)
        if self.action != "edited":
            return event
        if self.changes.body is None:
            return Ignored("edited, but not its text")
        if written.user is None or written.user.id != self.sender.id:
            # A maintainer who corrects somebody's comment must not run the commands in it with their own permission.
            return Ignored("edited by someone else than its author")
        return replace(event, at=written.updated_at, before=self.changes.body.text)


class _IssueComment(_Payload):
    actions = frozenset({"created", "edited"})

    issue: _Issue
    comment: _Written

    def to_event(self) -> Event | Ignored:
        issue = self.issue_ref(self.issue, is_pull=self.issue.pull_request is not None)
        return self.comment_event(issue, self.comment, CommentKind.ISSUE)


class _ReviewComment(_Payload):
    actions = frozenset({"created", "edited"})

    pull_request: _Pull
    comment: _LineComment

    def to_event(self) -> Event | Ignored:
        return self.comment_event(self.issue_ref(self.pull_request, is_pull=True), self.comment, CommentKind.LINE)


class _Review(_Payload):
    actions = frozenset({"submitted", "edited"})

    pull_request: _Pull
    review: _ReviewBody

    def to_event(self) -> Event | Ignored:
        if not self.review.body.strip():
            return Ignored("a review without text")
        return self.comment_event(self.issue_ref(self.pull_request, is_pull=True), self.review, CommentKind.REVIEW)


class _ThreadPayload(_Payload):
    """Something done to an issue or a pull request itself.

    GitHub signs only the body, not the event's name in the header, and the payload of a comment also contains the
    issue. Sent again as an event of the issue, it must not pass for an edit of the issue. So `comment` and `review`
    must be absent. https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    comment: None = None
    review: None = None
    label: _Label | None = None
    assignee: _Account | None = None

    def thread_event(self, thread: _Thread, *, is_pull: bool, merged: bool) -> Event | Ignored:
        issue = self.issue_ref(thread, is_pull=is_pull)
        match self.action:
            case "opened" | "edited":
                if self.changes.old_issue is not None:
                    return Ignored("opened by a transfer: its text was said elsewhere")
                return self.comment_event(issue, thread, CommentKind.BODY)
            case "labeled" if self.label:
                return LabelEvent(issue, self.actor, self.label.name, thread.updated_at)
            case "assigned" if self.assignee:
                return AssignEvent(issue, self.actor, self.assignee.login, thread.updated_at)
            case "closed":
                return CloseEvent(issue, self.actor, merged, thread.updated_at)
        return Ignored(f"{self.action}, but the payload does not name what")


class _Issues(_ThreadPayload):
    actions = frozenset({"opened", "edited", "labeled", "assigned", "closed"})

    issue: _Issue

    def to_event(self) -> Event | Ignored:
        return self.thread_event(self.issue, is_pull=False, merged=False)


class _PullRequest(_ThreadPayload):
    actions = frozenset({*_Issues.actions, "review_requested"})

    pull_request: _Pull
    requested_reviewer: _Account | None = None
    requested_team: _Team | None = None

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
