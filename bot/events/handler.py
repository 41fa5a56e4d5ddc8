"""What a handler is: one thing people can ask for, with its help, and the wishes it answers with."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from bot.events.effects import Action, Reply
from bot.model import Command, CommentEvent, CommentKind, CommentRef, Event, IssueRef, RunKind, RunRequest

# Fixed for ever: run ids are made from it.
_NAMESPACE = uuid.UUID("6f0c1d1e-52c7-4f0e-9d3c-6a1f6f1d7c11")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One thing asked for in one event. `names` are the logins and team slugs that mean us."""

    event: Event
    command: Command | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """All that a handler may know; nothing is fetched later. `cause` names the gesture, for ever."""

    invocation: Invocation
    event_key: str

    @property
    def issue(self) -> IssueRef:
        return self.invocation.event.issue

    @property
    def trigger(self) -> CommentRef:
        event = self.invocation.event
        return (
            CommentRef(event.kind, event.comment)
            if isinstance(event, CommentEvent)
            else CommentRef(CommentKind.BODY, 0)
        )

    def request(self, kind: RunKind, text: str) -> RunRequest:
        """The run that these facts ask for; the same facts make the same id."""
        event, command = self.invocation.event, self.invocation.command
        named = f"{command.verb}:{command.index}:{command.text}" if command else kind.value
        return RunRequest(
            id=str(uuid.uuid5(_NAMESPACE, f"{event.issue.repo.id}/{self.event_key}/{named}/0")),
            kind=kind,
            issue=event.issue,
            actor=event.actor,
            trigger=self.trigger,
            text=text,
            at=event.at,
            path=event.path if isinstance(event, CommentEvent) else None,
            line=event.line if isinstance(event, CommentEvent) else None,
        )


def reply(event: Event, event_key: str, text: str) -> Reply:
    """An answer to a gesture: the same is given once, but an edited comment may ask for another."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Reply(event.issue, f"reply:{event_key}:{digest}", text, event.at)


@dataclass(frozen=True, slots=True)
class Handler:
    """One command or trigger. Help is not optional: `/amp help` and the README are made from it."""

    name: str
    usage: str
    summary: str
    examples: tuple[str, ...]
    matches: Callable[[Invocation], bool]
    plan: Callable[[HandlerContext], tuple[Action, ...]]
