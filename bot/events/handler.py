"""The handler interface: one thing that people can ask for, its help, and the actions it returns."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bot.events.commands import Verb
from bot.events.effects import Action, Reply
from bot.events.triggers import IssueEventTrigger
from bot.model import Command, CommentEvent, CommentKind, CommentRef, Event, ForeignEdit, IssueRef, RunKind, RunRequest

# Never change it: run ids are derived from it.
_NAMESPACE = uuid.UUID("6f0c1d1e-52c7-4f0e-9d3c-6a1f6f1d7c11")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One thing asked for in one event. `names` are our logins and team slugs, in lower case."""

    event: Event
    command: Command | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """All that a handler knows; it fetches nothing. `event_key` identifies the event and never changes."""

    invocation: Invocation
    event_key: str

    @property
    def issue(self) -> IssueRef:
        return self.invocation.event.issue

    @property
    def trigger(self) -> CommentRef:
        return trigger_of(self.invocation.event)

    def request(self, kind: RunKind, text: str) -> RunRequest:
        """The run to start. The same event and command always give the same id."""
        event, command = self.invocation.event, self.invocation.command
        command_key = f"{command.verb}:{command.index}:{command.text}" if command else kind.value
        return RunRequest(
            id=str(uuid.uuid5(_NAMESPACE, f"{event.issue.repo.id}/{self.event_key}/{command_key}/0")),
            kind=kind,
            issue=event.issue,
            actor=event.actor,
            trigger=self.trigger,
            text=text,
            at=event.at,
            path=event.path if isinstance(event, CommentEvent) else None,
            line=event.line if isinstance(event, CommentEvent) else None,
        )


def trigger_of(event: Event) -> CommentRef:
    """The text to react to."""
    if isinstance(event, CommentEvent | ForeignEdit):
        return CommentRef(event.kind, event.comment)
    return CommentRef(CommentKind.BODY, 0)


def reply(event: Event, event_key: str, text: str) -> Reply:
    """A reply to an event. The same text is posted once; an edited comment may get another one."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Reply(event.issue, f"reply:{event_key}:{digest}", text, event.at)


@dataclass(frozen=True, slots=True)
class On:
    """An issue event that a handler answers, on issues, pull requests or both."""

    trigger: IssueEventTrigger[Any]
    subject: str | None = None  # the name of the label, reviewer or assignee; None: any of our names
    issues: bool = True
    pulls: bool = True

    def subjects(self, names: frozenset[str]) -> frozenset[str]:
        """The subjects that it answers, in lower case; `names` are our own."""
        return names if self.subject is None else frozenset({self.subject.lower()})

    def matches(self, invocation: Invocation) -> bool:
        event, subjects = invocation.event, self.subjects(invocation.names)
        return (
            isinstance(event, self.trigger.event)
            and (self.pulls if invocation.event.issue.is_pull else self.issues)
            and any(name in subjects for _, name in self.trigger.named(event))
        )


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers one command, issue events, or both. `/amp help` and the README are generated from its texts."""

    name: str
    usage: str
    summary: str
    examples: tuple[str, ...]
    plan: Callable[[HandlerContext], tuple[Action, ...]]
    verb: Verb | None = None
    on: tuple[On, ...] = ()

    def matches(self, invocation: Invocation) -> bool:
        if invocation.command is not None:
            return self.verb is not None and invocation.command.verb == self.verb.name
        return any(on.matches(invocation) for on in self.on)


def verbs(handlers: Iterable[Handler]) -> tuple[Verb, ...]:
    """The verbs of the handlers."""
    return tuple(handler.verb for handler in handlers if handler.verb is not None)


def asking_events(handlers: Iterable[Handler], names: frozenset[str]) -> frozenset[tuple[str, str]]:
    """(issue event, subject) by name, for each that a handler answers; `names` are our own."""
    return frozenset(
        (on.trigger.name, subject) for handler in handlers for on in handler.on for subject in on.subjects(names)
    )
