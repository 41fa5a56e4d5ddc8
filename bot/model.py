"""The values that the packages exchange. All are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import Field


@dataclass(frozen=True, slots=True)
class Problem:
    """Wrong input: a sentence for its author, and detail for the operator's log."""

    message: str
    detail: str = ""


# --- who and where -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository as a delivery describes it. The id is the key: names can change, ids cannot."""

    id: int
    owner: str
    name: str
    private: bool
    default_branch: str
    archived: bool
    installation: int

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class ActorKind(StrEnum):
    USER = "User"
    BOT = "Bot"
    ORGANIZATION = "Organization"


@dataclass(frozen=True, slots=True)
class Actor:
    id: int
    login: str
    kind: ActorKind


class CommentKind(StrEnum):
    """The kind of text that triggered a run; each kind has its own endpoints."""

    ISSUE = "issue"  # the conversation of an issue or a pull request
    LINE = "line"  # an inline review comment on a pull request's diff
    REVIEW = "review"  # the body of a submitted review
    BODY = "body"  # the issue's or pull request's own description


@dataclass(frozen=True, slots=True)
class IssueRef:
    """An issue or a pull request, as it was at the time of the delivery."""

    repo: Repo
    number: int
    is_pull: bool
    title: str
    body: str
    author: str  # login; "" if the account was deleted
    url: str  # of the web page; shown, never fetched


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery with a valid signature. GitHub does not sign the headers with GUID and event name."""

    guid: str
    event: str
    digest: str  # sha256, hex, of event, NUL, body: recognises the same body under a new GUID
    body: bytes  # JSON, not parsed yet


# --- what happened --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommentEvent:
    """Somebody wrote or edited text that may contain commands."""

    issue: IssueRef
    actor: Actor
    text: str
    kind: CommentKind
    comment: int  # id of the comment or review; for BODY of the issue
    at: str  # RFC 3339; if edited, the time of the edit
    before: str | None = None  # the text before the edit; None if new
    path: str | None = None  # for LINE: the file of the commented line
    line: int | None = None  # for LINE: its number
    via_app: int | None = None  # id of the GitHub App that wrote it, for itself or for a user


@dataclass(frozen=True, slots=True)
class ForeignEdit:
    """Somebody edited a text of which another is the author. Commands that the edit adds are nobody's: none is run."""

    issue: IssueRef
    actor: Actor  # who edited it
    text: str
    before: str
    kind: CommentKind
    comment: int  # as in CommentEvent
    at: str  # RFC 3339: the time of the edit


@dataclass(frozen=True, slots=True)
class LabelEvent:
    issue: IssueRef
    actor: Actor
    label: str
    at: str


@dataclass(frozen=True, slots=True)
class ReviewRequestEvent:
    """A review was requested from `user` (a login) or from `team` (a slug). One of them is set."""

    issue: IssueRef
    actor: Actor
    user: str | None
    team: str | None
    at: str


@dataclass(frozen=True, slots=True)
class AssignEvent:
    issue: IssueRef
    actor: Actor
    assignee: str
    at: str


@dataclass(frozen=True, slots=True)
class CloseEvent:
    issue: IssueRef
    actor: Actor
    merged: bool
    at: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A delivery that we ignore; the reason is for the log and the database."""

    reason: str


Event = CommentEvent | ForeignEdit | LabelEvent | ReviewRequestEvent | AssignEvent | CloseEvent


# --- what was asked -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """One command in a text. `verb` is a known verb, or "run" for a request.

    `text` is the request without the `/amp`, what a review is to look at, an option as in `stop keep`, or empty.
    `index` counts equal commands of one text from 0. It is part of the run's id, so it must not change if another
    command is inserted above.
    """

    verb: str
    text: str
    index: int = 0


# --- a run ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRules:
    """What runs of one kind may do. By default a run only reads, and answers in a comment."""

    publishes: bool = False  # its changes are collected, validated, and become a pull request or a commit
    reviews: bool = False  # its answer becomes a review of the pull request
    needs_pull: bool = False  # it can be requested on pull requests only


class RunKind(StrEnum):
    """A kind of run. Its words are in bot/text/kind_words.py, its prompt for Amp in bot/agent/prompt.py."""

    WORK = "work"
    REVIEW = "review"

    @property
    def rules(self) -> RunRules:
        match self:
            case RunKind.WORK:
                return RunRules(publishes=True)
            case RunKind.REVIEW:
                return RunRules(reviews=True, needs_pull=True)
            case _:
                assert_never(self)


class RunState(StrEnum):
    QUEUED = "queued"
    PREPARING = "preparing"
    WORKING = "working"
    COLLECTING = "collecting"
    PUBLISHING = "publishing"
    # The endings.
    PUBLISHED = "published"
    ANSWERED = "answered"
    REVIEWED = "reviewed"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        return self in _ENDS


_ENDS = frozenset(
    {
        RunState.PUBLISHED,
        RunState.ANSWERED,
        RunState.REVIEWED,
        RunState.REFUSED,
        RunState.FAILED,
        RunState.STOPPED,
    }
)


@dataclass(frozen=True, slots=True)
class CommentRef:
    """The text to react to: a comment, or the issue itself (BODY)."""

    kind: CommentKind
    comment: int


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request for a run, as it was in the delivery."""

    id: str  # uuid5 of repository, event key, command and attempt
    kind: RunKind
    issue: Annotated[IssueRef, Field(alias="place")]  # stored under its older name
    actor: Actor
    trigger: CommentRef
    text: str
    at: str  # RFC 3339; the prompt contains nothing written later
    path: str | None = None  # for a request in a review comment: the file and line it is on
    line: int | None = None
    kept_from: str | None = None  # for a retry: the run whose kept change set is published, if it still applies


@dataclass(frozen=True, slots=True)
class PinnedBase:
    """The commit that a run starts from and is compared with, read when it leaves the queue."""

    repo_name: str  # owner/name at that time: repositories can be renamed
    base_sha: str  # the commit the agent starts from
    base_tree: str
    base_branch: str  # the base of the pull request we open
    head_branch: str | None = None  # for a pull request that is not from a fork: we push to it
    merge_base: str | None = None  # for a pull request
    base_tip: str | None = None  # the base branch's newest commit; None: deleted, or merged with already
    history: int = 1  # commits that are fetched of each branch
    closed: bool = False  # a pull request that was closed, or had no branch any more: there is nothing to push to
    measured: str | None = None  # the tree that a kept change set was measured against, if it is not base_tree

    @property
    def from_fork(self) -> bool:
        """Whether it is a pull request from a fork: we cannot push to it."""
        return self.merge_base is not None and self.head_branch is None


class Kept(StrEnum):
    """What is kept of a run that published nothing."""

    NOTHING = ""
    TO_SEE = "to see"  # its change set, to be looked at
    TO_PUBLISH = "to publish"  # its change set, which `/amp retry` publishes


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its state, and the sentence for its comment (Markdown)."""

    state: RunState
    message: Annotated[str, Field(alias="say")]  # stored under its older name
    kept: Kept = Kept.NOTHING
