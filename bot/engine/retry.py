"""Retries that outlast an outage of GitHub or E2B. The clients retry each request too, but only for a short time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

import structlog

from bot.github import errors as github_errors
from bot.sandbox import errors as sandbox_errors
from bot.store.database import now

log = structlog.get_logger()

T = TypeVar("T")

# Seconds between attempts: about twenty minutes in all, in addition to the retries in bot/github/client.py.
WAITS = (10.0, 60.0, 300.0, 900.0)


async def retry_github(
    sleep: Callable[[float], Awaitable[None]], work: Callable[[], Awaitable[T]], *, forever: bool = False
) -> T:
    """Return the result of `work`; call it again after each transient error. It must be safe to run twice.

    `forever`: repeat the last wait until it succeeds.

    Raises:
        GitHubError: the error is not transient, or all attempts failed.
    """
    for wait in chain(WAITS, repeat(WAITS[-1]) if forever else ()):
        try:
            return await work()
        except github_errors.TRANSIENT as error:
            log.warning("waiting for GitHub", seconds=wait, status=error.status, github=error.message)
            await sleep(wait)
    return await work()


# Seconds between attempts, in addition to the retries in bot/sandbox/client.py.
E2B_WAIT = 15.0


async def retry_e2b(
    sleep: Callable[[float], Awaitable[None]],
    work: Callable[[], Awaitable[T]],
    *,
    until: float,
    clock: Callable[[], float] = now,
) -> T:
    """Return the result of `work`; call it again after each transient error. It must be safe to run twice.

    `until`: when the sandbox reaches its timeout, in epoch seconds. There is no reason to wait longer.

    Raises:
        SandboxError: the error is not transient, or `until` was reached.
    """
    while True:
        try:
            return await work()
        except sandbox_errors.TRANSIENT as error:
            if clock() + E2B_WAIT >= until:
                raise
            log.warning("waiting for E2B", seconds=E2B_WAIT, error=type(error).__name__)
            await sleep(E2B_WAIT)
