"""The handlers there are: ours, and those of installed packages with an entry point in the group `ampbot.handlers`.

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
    """A package's handler cannot be used; its text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What people can ask for. `packages`: (the handler's name, its package) of what is not ours."""

    handlers: tuple[Handler, ...]
    packages: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]

    def or_error(self) -> tuple[Handler, ...]:
        """Raises: HandlersError. A command that silently is not there would be taken for a request, and run."""
        if self.problems:
            raise HandlersError(" ".join(problem.message for problem in self.problems))
        return self.handlers


def load() -> Offered:
    """Load what is installed. Whatever is wrong with a package, this never raises."""
    others: list[Handler] = []
    packages: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module
        handler = _loaded(entry)
        fault = handler if isinstance(handler, str) else next(_faults(handler, (*HANDLERS, *others)), None)
        if isinstance(handler, Handler) and fault is None:
            others.append(handler)
            packages.append((handler.name, package))
        else:
            message = f"The handler `{entry.name}` of the package {package} cannot be used: {fault}."
            problems.append(Problem(f"{message} Correct the package, or uninstall it."))
    return Offered(with_others(*others), tuple(packages), tuple(problems))


def _loaded(entry: EntryPoint) -> Handler | str:
    """The handler, or what is wrong with it."""
    try:
        handler = entry.load()
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything; the operator is told what
        return f"loading it failed ({type(error).__name__}: {error})"
    return handler if isinstance(handler, Handler) else f"`{entry.value}` is no Handler, but {type(handler).__name__}"


def _faults(handler: Handler, others: Iterable[Handler]) -> Iterator[str]:
    """Why it cannot be offered beside the others."""
    taken = tuple(others)
    if handler.name in {each.name for each in taken}:
        yield f"the name `{handler.name}` is taken"
    if not handler.usage.strip() or not handler.summary.strip():
        yield "it lacks the usage or the summary for `/amp help`"
    if handler.verb is not None and not _WORD.fullmatch(handler.verb.word):
        yield f"`{handler.verb.word}` is not one word in small letters"
    if handler.verb is not None and handler.verb.word in {each.verb.word for each in taken if each.verb is not None}:
        yield f"the command `/amp {handler.verb.word}` is taken"
    for on in handler.on:
        if on.trigger not in ISSUE_EVENTS:
            yield f"it answers `{on.trigger.name}`, which is not declared in bot/events/triggers.py"
    answered = {answer for each in taken for answer in _answers(each)}
    for name, subject, where in _answers(handler):
        if (name, subject, where) in answered:
            yield f"`{name}` of {subject or 'our names'} on {where} is answered already"


def _answers(handler: Handler) -> Iterator[tuple[str, str | None, str]]:
    for on in handler.on:
        subject = on.subject.lower() if on.subject is not None else None
        sides = (("issues", on.issues), ("pull requests", on.pulls))
        yield from ((on.trigger.name, subject, where) for where, is_there in sides if is_there)
