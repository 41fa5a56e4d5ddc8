"""What ampbot does in answer to a delivery, as data. `dispatch.perform` is the one door that does it.

A handler answers with wishes. Most are effects already; what a stop, a retry or a look at the state comes to depends
on our own rows, and is settled (bot/dispatch/resolve.py) as the plan is written down: once, whatever is repeated later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bot.model import Actor, CommentRef, IssueRef, RunRequest

# Plans are stored; there it has its older name.
StoredIssue = Annotated[IssueRef, Field(alias="place")]


@dataclass(frozen=True, slots=True)
class React:
    """Show that the triggering text was taken. GitHub keeps one reaction of a kind."""

    issue: StoredIssue
    trigger: CommentRef
    content: str
    type: Literal["react"] = "react"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer with a comment, once for each `key`."""

    issue: StoredIssue
    key: str
    text: str
    at: str  # RFC 3339: no earlier comment can be this one
    type: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class StartRun:
    """Store the run, let it in line, and post its progress comment."""

    request: RunRequest
    type: Literal["start_run"] = "start_run"


@dataclass(frozen=True, slots=True)
class RemoveLabel:
    """Take the triggering label off, so that it can be put on again."""

    issue: StoredIssue
    label: str
    type: Literal["unlabel"] = "unlabel"


@dataclass(frozen=True, slots=True)
class FinalizeStopped:
    """These runs were stopped: end what is left of them, say so in their comments, and show that it was done."""

    issue: StoredIssue
    trigger: CommentRef
    dropped: tuple[str, ...]  # run ids: their end is decided, nothing is published
    kept: tuple[str, ...]  # run ids: only the agent ends, what exists is published as a draft
    type: Literal["show_stopped"] = "show_stopped"


Effect = React | Reply | StartRun | RemoveLabel | FinalizeStopped


@dataclass(frozen=True, slots=True)
class StopRuns:
    """Stop every run of the conversation that was asked for before this; `keep` publishes what exists as a draft."""

    issue: IssueRef
    event_key: str
    trigger: CommentRef
    actor: Actor
    at: str  # RFC 3339
    keep: bool


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Start the latest ended run of the conversation again. `request` lacks what that one asked for."""

    request: RunRequest
    event_key: str


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Tell what runs and waits in the conversation, and how the last run ended."""

    issue: IssueRef
    event_key: str
    at: str  # RFC 3339


Action = Effect | StopRuns | RetryRun | ShowStatus

_PLAN: TypeAdapter[tuple[Effect, ...]] = TypeAdapter(tuple[Annotated[Effect, Field(discriminator="type")], ...])


def dump(plan: tuple[Effect, ...]) -> str:
    return _PLAN.dump_json(plan, by_alias=True).decode()


def load(text: str) -> tuple[Effect, ...]:
    return _PLAN.validate_json(text)
