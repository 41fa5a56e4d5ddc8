"""Patience beyond a request's own: what must be said or published waits for GitHub to come back, within reason, and
an agent's work for E2B, as long as the sandbox may live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

import structlog

from bot.github.errors import LimitedError, UnauthorizedError, UnavailableError
from bot.sandbox.client import SandboxError, passes
from bot.store.database import now

log = structlog.get_logger()

T = TypeVar("T")

# Seconds; together some twenty minutes on top of what each request waits by itself (bot/github/client.py).
WAITS = (10.0, 60.0, 300.0, 900.0)
# What waiting may cure. Any other GitHubError is GitHub's answer.
TRANSIENT = (UnavailableError, LimitedError, UnauthorizedError)


async def retry_github(
    sleep: Callable[[float], Awaitable[None]], work: Callable[[], Awaitable[T]], *, forever: bool = False
) -> T:
    """The result of `work`, begun again after each outage; it must be safe to run twice.

    `for_ever`: what was accepted or must be said is never given up; the last wait is repeated.

    Raises:
        GitHubError: GitHub is still away, or the error is not one that waiting cures.
    """
    for wait in chain(WAITS, repeat(WAITS[-1]) if forever else ()):
        try:
            return await work()
        except TRANSIENT as error:
            log.warning("waiting for GitHub", seconds=wait, status=error.status, github=error.message)
            await sleep(wait)
    return await work()


# Seconds between two attempts to reach a sandbox, on top of what each call waits by itself (bot/sandbox/client.py).
E2B_WAIT = 15.0


async def retry_e2b(
    sleep: Callable[[float], Awaitable[None]],
    work: Callable[[], Awaitable[T]],
    *,
    until: float,
    clock: Callable[[], float] = now,
) -> T:
    """The result of `work`, begun again after each outage of E2B; it must be safe to run twice.

    `until`, in seconds since the epoch, is when the sandbox has reached its timeout and nothing is left to wait for.

    Raises:
        SandboxError: it is not one that waiting cures, or E2B is away and the time is over.
    """
    while True:
        try:
            return await work()
        except SandboxError as error:
            if not passes(error) or clock() + E2B_WAIT >= until:
                raise
            log.warning("waiting for E2B", seconds=E2B_WAIT, error=type(error).__name__)
            await sleep(E2B_WAIT)
