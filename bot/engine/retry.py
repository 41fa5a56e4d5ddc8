"""Retries during outages, on top of the clients' own: of GitHub for some twenty minutes or for ever, of E2B until the
sandbox's timeout."""

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
WAITS: tuple[float, ...] = (10.0, 60.0, 300.0, 900.0)


async def retry_github(
    sleep: Callable[[float], Awaitable[None]], work: Callable[[], Awaitable[T]], *, forever: bool = False
) -> T:
    """Call `work` until it succeeds, and return its result. `work` must be idempotent.

    `forever`: never give up; repeat the last wait.

    Raises:
        GitHubError: the error is not transient, or the waits are used up.
    """
    for wait in chain(WAITS, repeat(WAITS[-1]) if forever else ()):
        try:
            return await work()
        except github_errors.TRANSIENT as error:
            log.warning("waiting for GitHub", seconds=wait, status=error.status, github=error.message)
            await sleep(wait)
    return await work()


# Seconds between two attempts. Each call also retries by itself (bot/sandbox/client.py).
E2B_WAIT = 15.0


async def retry_e2b(
    sleep: Callable[[float], Awaitable[None]],
    work: Callable[[], Awaitable[T]],
    *,
    until: float,
    clock: Callable[[], float] = now,
) -> T:
    """Call `work` until it succeeds, and return its result. `work` must be idempotent.

    `until`: when the sandbox reaches its timeout, in epoch seconds.

    Raises:
        SandboxError: the error is not transient, or another attempt would come after `until`.
    """
    while True:
        try:
            return await work()
        except sandbox_errors.TRANSIENT as error:
            if clock() + E2B_WAIT >= until:
                raise
            log.warning("waiting for E2B", seconds=E2B_WAIT, error=type(error).__name__)
            await sleep(E2B_WAIT)
