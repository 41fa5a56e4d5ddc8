"""The nouns of the program: frozen values, the only things that travel between its packages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import Field


@dataclass(frozen=True, slots=True)
class Problem:
    """Wrong input as a value: a sentence its author can act on, and detail for the operator's log."""

    message: str
    detail: str = ""


# --- who and where -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository as a signed payload names it. The id is the key: names move, ids do not."""

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
    """Which of GitHub's comment collections holds the triggering text."""

    ISSUE = "issue"  # the conversation of an issue or a pull request
    LINE = "line"  # an inline review comment on a pull request's diff
    REVIEW = "review"  # the body of a submitted review
    BODY = "body"  # the issue's or pull request's own description


@dataclass(frozen=True, slots=True)
class IssueRef:
    """The conversation something happened in: an issue or a pull request, as of the delivery."""

    repo: Repo
    number: int
    is_pull: bool
    title: str
    body: str
    author: str  # login of whoever opened it; "" when the account was deleted
    url: str  # html address; shown, never fetched


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery whose signature held. GUID and event name come from headers, which GitHub does not sign."""

    guid: str
    event: str
    digest: str  # sha256 hex of event, NUL, raw body: the same body sent again under a new GUID is recognised
    body: bytes  # the JSON text, not parsed yet


# --- what happened --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommentEvent:
    """Somebody wrote or edited text that may hold commands."""

    issue: IssueRef
    actor: Actor
    text: str
    kind: CommentKind
    comment: int  # id of the comment or review; for BODY the issue's id
    at: str  # RFC 3339 time of writing (of the edit, when edited)
    before: str | None = None  # the text before the edit; None when newly written
    path: str | None = None  # of the diff line, LINE only
    line: int | None = None  # of the diff line, LINE only
    via_app: int | None = None  # id of the GitHub App that wrote it, on its own or for a user


@dataclass(frozen=True, slots=True)
class LabelEvent:
    issue: IssueRef
    actor: Actor
    label: str
    at: str


@dataclass(frozen=True, slots=True)
class ReviewRequestEvent:
    """A review was asked of `user` (a login) or of `team` (a slug): one of them is set."""

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
    """A delivery that asks nothing of us; the reason is for the log and the delivery's row."""

    reason: str


Event = CommentEvent | LabelEvent | ReviewRequestEvent | AssignEvent | CloseEvent


@dataclass(frozen=True, slots=True)
class Comment:
    """An earlier comment of a conversation. `bot` marks authors that are not people."""

    id: int
    author: str
    bot: bool
    at: str
    body: str


# --- what was asked -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """One command in a text. `verb` is a verb of the grammar, or "run" for a free request.

    `text` is the request verbatim (without the `/amp`), empty for verbs without arguments.
    `index` tells equal commands of one text apart, from 0; it is part of the run's id, so it must not change when
    another command is written above.
    """

    verb: str
    text: str
    index: int = 0


# --- a run ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRules:
    """What a run of some kind may do. What is not said it may not: such a run reads, and answers in a comment."""

    publishes: bool = False  # what it changes is collected, checked, and becomes a pull request or a commit
    reviews: bool = False  # its answer becomes a review of the pull request
    needs_pull: bool = False  # it is of a pull request only


class RunKind(StrEnum):
    """A kind of run. What its comment says is in bot/text/kind_words.py, what Amp is told in bot/agent/prompt.py."""

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
    # The ends: each has exactly one visible sentence.
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
    """What to react to: a comment of some kind, or the issue itself (BODY)."""

    kind: CommentKind
    comment: int


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What somebody asked for, as it stood in the signed delivery."""

    id: str  # uuid5 of repository, cause, command and attempt
    kind: RunKind
    issue: Annotated[IssueRef, Field(alias="place")]  # stored under its older name
    actor: Actor
    trigger: CommentRef
    text: str
    at: str  # RFC 3339; nothing written later may reach the prompt
    path: str | None = None  # the diff line the request was written on
    line: int | None = None


@dataclass(frozen=True, slots=True)
class PinnedBase:
    """What the run is measured against, read as it leaves the queue."""

    repo_name: str  # owner/name at that moment: repositories are renamed
    base_sha: str  # the commit the agent starts from
    base_tree: str
    base_branch: str  # where a pull request goes
    head_branch: str | None = None  # pull requests of the same repository: where a commit goes
    merge_base: str | None = None  # pull requests

    @property
    def from_fork(self) -> bool:
        """A pull request whose branch is not ours to push to."""
        return self.merge_base is not None and self.head_branch is None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its state, and the sentence its progress comment closes with (Markdown)."""

    state: RunState
    message: Annotated[str, Field(alias="say")]  # stored under its older name
