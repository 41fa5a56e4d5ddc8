"""E2B's errors as our own types. No exception of the SDK leaves `bot.sandbox.client`."""

from __future__ import annotations


class SandboxError(Exception):
    """E2B did not do what we asked. The message says why; whether the operation took effect is unknown."""


class SandboxUnavailableError(SandboxError):
    """E2B could not be reached, or had an error of its own. The sandbox may still be running."""


class SandboxBusyError(SandboxError):
    """E2B has no free sandbox, or is overloaded."""


class SandboxGoneError(SandboxError):
    """The sandbox was killed, reached its timeout, or vanished."""


class SandboxRefusedError(SandboxError):
    """The key, the template or a setting is wrong."""


class CommandTimeoutError(SandboxError):
    """The command did not end in the time it was given. E2B has killed it."""


class OutputError(SandboxError):
    """A command printed too much, or did not print what our scripts print: the agent has changed the shell."""


class MissingFileError(SandboxError):
    """The sandbox has no file at this path."""


TRANSIENT = (SandboxUnavailableError, SandboxBusyError)
"""Errors that may disappear with time. After any other, the next attempt fails in the same way."""
