"""One table: how a run ends when a stage raises an error, and the log event that records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    LimitedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)
from bot.model import Ending
from bot.sandbox.errors import (
    CommandTimeoutError,
    MissingFileError,
    OutputError,
    SandboxBusyError,
    SandboxError,
    SandboxGoneError,
    SandboxRefusedError,
    SandboxUnavailableError,
)
from bot.text import messages, refusal_messages, sandbox_messages


@dataclass(frozen=True, slots=True)
class StageError:
    """An error that a stage raised, with what its ending may mention."""

    message: str  # the vendor's words, redacted
    template: str  # of the sandbox
    preparing: bool  # Amp has not started yet
    kept: bool = False  # a change set is kept with the run


@dataclass(frozen=True, slots=True)
class Meaning:
    """The log event, and the ending of the run."""

    event: str
    ending: Callable[[StageError], Ending]


def _e2b_down(error: StageError) -> Ending:
    return sandbox_messages.trouble() if error.preparing else sandbox_messages.lost_touch()


_GONE = Meaning("sandbox gone", lambda _: sandbox_messages.gone())
_GARBLED = Meaning("sandbox garbled", lambda _: sandbox_messages.garbled())
_TEMPLATE = Meaning("sandbox refused", lambda error: sandbox_messages.refused(error.template, error.message))
_E2B_DOWN = Meaning("sandbox trouble", _e2b_down)
_OVERRAN = Meaning("command overran", lambda error: sandbox_messages.overran(preparing=error.preparing))
_NOT_FOUND = Meaning(
    "github shows nothing", lambda error: refusal_messages.not_found(error.message, preparing=error.preparing)
)
_REFUSED = Meaning(
    "github refused",
    lambda error: refusal_messages.github_refused(error.message, preparing=error.preparing, kept=error.kept),
)
_GITHUB_DOWN = Meaning("github trouble", lambda _: messages.github_down())

MEANINGS: Mapping[type[GitHubError | SandboxError], Meaning] = {
    SandboxGoneError: _GONE,
    SandboxRefusedError: _TEMPLATE,
    SandboxBusyError: _E2B_DOWN,
    SandboxUnavailableError: _E2B_DOWN,
    CommandTimeoutError: _OVERRAN,
    OutputError: _GARBLED,
    MissingFileError: _GARBLED,
    SandboxError: _E2B_DOWN,
    NotFoundError: _NOT_FOUND,
    ForbiddenError: _REFUSED,
    UnauthorizedError: _REFUSED,
    ConflictError: _REFUSED,
    UnprocessableError: _REFUSED,
    UnavailableError: _GITHUB_DOWN,
    LimitedError: _GITHUB_DOWN,
    GitHubError: _GITHUB_DOWN,
}
"""The row of the most specific class applies, whatever the order of the rows."""


def meaning_of(error: GitHubError | SandboxError) -> Meaning:
    return next(MEANINGS[kind] for kind in type(error).__mro__ if kind in MEANINGS)
