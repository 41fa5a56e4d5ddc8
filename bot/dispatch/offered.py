"""All handlers: ours, and those of installed packages that have an entry point in the group `ampbot.handlers`.

https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from bot.events.handler import Handler
from bot.events.triggers import ISSUE_EVENTS
from bot.model import Problem
from handlers import HANDLERS, with_others

GROUP = "ampbot.handlers"

_WORD = re.compile(r"[a-z][a-z0-9-]*")


class HandlersError(Exception):
    """A package's handler cannot be used. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The handlers that can be used.

    `packages`: (handler's name, package) of each that is not ours. `problems`: one for each that cannot be used.
    """

    handlers: tuple[Handler, ...]
    packages: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]

    def or_error(self) -> tuple[Handler, ...]:
        """The handlers. Raises: HandlersError if one cannot be used: its command would start a run as a request."""
        if self.problems:
            raise HandlersError(" ".join(problem.message for problem in self.problems))
        return self.handlers


def load() -> Offered:
    """Load all handlers. Never raises: a handler that cannot be used becomes a problem."""
    others: list[Handler] = []
    packages: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module
        handler = _load_entry(entry)
        fault = handler if isinstance(handler, str) else next(_faults(handler, (*HANDLERS, *others)), None)
        if isinstance(handler, Handler) and fault is None:
            others.append(handler)
            packages.append((handler.name, package))
        else:
            message = f"The handler `{entry.name}` of the package {package} cannot be used: {fault}."
            problems.append(Problem(f"{message} Correct the package, or uninstall it."))
    return Offered(with_others(*others), tuple(packages), tuple(problems))


def _load_entry(entry: EntryPoint) -> Handler | str:
    """The handler, or what is wrong with it."""
    try:
        handler = entry.load()
    except Exception as error:  # noqa: BLE001 - another package may raise anything; it is reported to the operator
        return f"loading it failed ({type(error).__name__}: {error})"
    return handler if isinstance(handler, Handler) else f"`{entry.value}` is no Handler, but {type(handler).__name__}"


def _faults(handler: Handler, others: Iterable[Handler]) -> Iterator[str]:
    """Why the handler cannot be used together with the others."""
    present = tuple(others)
    if handler.name in {other.name for other in present}:
        yield f"the name `{handler.name}` is taken"
    if not handler.usage.strip() or not handler.summary.strip():
        yield "it lacks the usage or the summary for `/amp help`"
    for word in handler.verb.words if handler.verb is not None else ():
        if not _WORD.fullmatch(word):
            yield f"`{word}` is not one word in small letters"
    taken = {word for other in present if other.verb is not None for word in (*other.verb.words, other.verb.name)}
    words = (*handler.verb.words, handler.verb.name) if handler.verb is not None else ()
    yield from (f"the command `/amp {word}` is taken" for word in words if word in taken)
    for on in handler.on:
        if on.trigger not in ISSUE_EVENTS:
            yield f"it answers `{on.trigger.name}`, which is not declared in bot/events/triggers.py"
    answered = {answer for other in present for answer in _answers(other)}
    for name, subject, where in _answers(handler):
        if (name, subject, where) in answered:
            yield f"`{name}` of {subject or 'our names'} on {where} is answered already"


def _answers(handler: Handler) -> Iterator[tuple[str, str | None, str]]:
    """(issue event, subject, "issues" or "pull requests") for all that it answers. Subject None: our names."""
    for on in handler.on:
        subject = on.subject.lower() if on.subject is not None else None
        sides = (("issues", on.issues), ("pull requests", on.pulls))
        yield from ((on.trigger.name, subject, where) for where, enabled in sides if enabled)
