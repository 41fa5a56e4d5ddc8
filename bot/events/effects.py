"""What ampbot does in answer to a delivery, as data. Only `perform` in bot/dispatch/delivery.py executes effects.

A handler returns actions. Most of them are effects already. The effects of a stop, a retry or a status depend on our
database: bot/dispatch/resolve.py determines them once, in the transaction that stores the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bot.model import Actor, CommentRef, IssueRef, RunRequest

# In stored plans the field has its older name.
StoredIssue = Annotated[IssueRef, Field(alias="place")]


@dataclass(frozen=True, slots=True)
class React:
    """Add a reaction to the triggering text. GitHub keeps one of each kind per user, so repeating it is safe."""

    issue: StoredIssue
    trigger: CommentRef
    content: str
    type: Literal["react"] = "react"


@dataclass(frozen=True, slots=True)
class Reply:
    """Post a comment, once per `key`."""

    issue: StoredIssue
    key: str
    text: str
    at: str  # RFC 3339; the search for this comment ignores older ones
    type: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class StartRun:
    """Store the run, queue it, and post its progress comment."""

    request: RunRequest
    type: Literal["start_run"] = "start_run"


@dataclass(frozen=True, slots=True)
class RemoveLabel:
    """Remove the triggering label, so that it can be added again."""

    issue: StoredIssue
    label: str
    type: Literal["unlabel"] = "unlabel"


@dataclass(frozen=True, slots=True)
class FinalizeStopped:
    """Finish the stopping of these runs: end their work, update their comments, and add a reaction to the command."""

    issue: StoredIssue
    trigger: CommentRef
    dropped: tuple[str, ...]  # run ids: these have their ending, and nothing is published
    kept: tuple[str, ...]  # run ids: only the agent stops; what it has changed is published as a draft
    type: Literal["show_stopped"] = "show_stopped"


Effect = React | Reply | StartRun | RemoveLabel | FinalizeStopped


@dataclass(frozen=True, slots=True)
class StopRuns:
    """Stop every run of the issue that was requested before this; `keep` publishes the changes so far as a draft."""

    issue: IssueRef
    event_key: str
    trigger: CommentRef
    actor: Actor
    at: str  # RFC 3339
    keep: bool


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Repeat the issue's latest ended run. `request` still lacks what it has of that run: kind, text, path and line,
    and the change set to publish."""

    request: RunRequest
    event_key: str


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Post which runs of the issue are active and queued, and how the last one ended."""

    issue: IssueRef
    event_key: str
    at: str  # RFC 3339


Action = Effect | StopRuns | RetryRun | ShowStatus

_PLAN: TypeAdapter[tuple[Effect, ...]] = TypeAdapter(tuple[Annotated[Effect, Field(discriminator="type")], ...])


def dump(plan: tuple[Effect, ...]) -> str:
    return _PLAN.dump_json(plan, by_alias=True).decode()


def load(text: str) -> tuple[Effect, ...]:
    return _PLAN.validate_json(text)
