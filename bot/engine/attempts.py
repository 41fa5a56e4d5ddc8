"""Limits the attempts at one piece of work, over all workers and restarts.

What kills its process is begun again by the next one, for ever, and takes down whatever runs beside it. So an attempt
is counted before the work begins, in a commit of its own, and the work is given up after MAX_ATTEMPTS of them.

An attempt is blamed only where the work may be the cause:

- It is given back when the process is stopped in order, when GitHub, E2B or the database is away, and while the work
  waits (`context.sleep`).
- Progress forgets all attempts but the last.
- Work with TRUSTED attempts is suspect. Suspects are tried one at a time, by a process that has lived for some seconds.
  So a healthy run next to a deadly one gets no further attempt counted than these, and a process that dies of
  something else as soon as it starts blames no work.
- A worker that was taken over counts: what froze it or cut it off may have been the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import sqlalchemy as sa
import structlog

from bot.context import Context
from bot.engine.retry import retry_github
from bot.github import errors as github_errors
from bot.sandbox import errors as sandbox_errors
from bot.store import attempts
from bot.store.attempts import Turn

log = structlog.get_logger()

T = TypeVar("T")

MAX_ATTEMPTS = 5
# Attempts after which the work is suspect.
TRUSTED = 2
# Seconds before an attempt that follows a failed one; the last is repeated. The cause may pass.
AGAIN_SECONDS = (1.0, 3.0, 5.0, 10.0)
# A shorter sleep, in seconds, is part of the work. Giving an attempt back costs a commit.
SHORT_SECONDS = 1.0
OUTAGES = (*github_errors.TRANSIENT, *sandbox_errors.TRANSIENT, sa.exc.OperationalError)


class ExhaustedError(Exception):
    """All attempts at the work are used up. The message is its key."""


async def limited_attempt(
    context: Context,
    key: str,
    work: Callable[[Context], Awaitable[T]],
    *,
    progress: str = "",
    limit: int = MAX_ATTEMPTS,
) -> T:
    """Count an attempt at `key` and call `work`, with a context whose waits are not counted. Return its result.

    `progress` tells how far the work has come; see bot/store/attempts.py.

    Raises:
        ExhaustedError: there were `limit` attempts before. `work` was not called.
        Exception: what `work` raises. An outage is not counted as an attempt.
    """
    attempt = _Attempt(context, key, progress, limit)
    await attempt.begin()
    try:
        result = await work(replace(context, sleep=attempt.sleep, progressed=attempt.progressed))
    except OUTAGES:
        await attempt.give_back()
        raise
    except asyncio.CancelledError:
        attempt.survive()
        raise
    finally:
        attempt.end()
    return result


async def insist(
    context: Context, key: str, work: Callable[[Context], Awaitable[T]], *, limit: int = MAX_ATTEMPTS
) -> T:
    """Attempt `work` until it succeeds, and return its result: as often as needed while GitHub is away.

    Raises:
        ExhaustedError: it failed, or ended its process, `limit` times.
        sqlalchemy.exc.OperationalError: the database is down. The engine runs the step again.
    """
    failures = 0
    while True:
        try:
            return await retry_github(
                context.sleep, lambda: limited_attempt(context, key, work, limit=limit), forever=True
            )
        except (ExhaustedError, sa.exc.OperationalError):
            raise
        except Exception:
            log.exception("attempt failed", key=key)
        await context.sleep(AGAIN_SECONDS[min(failures, len(AGAIN_SECONDS) - 1)])
        failures += 1


@dataclass(slots=True)
class _Attempt:
    context: Context
    key: str
    progress: str
    limit: int
    _number: int = 0  # 0: not counted now
    _waits: int = 0  # sleeps under way
    _turn: Turn | None = None

    async def begin(self) -> None:
        """Count the attempt; wait first, if the work is suspect. Raises: ExhaustedError."""
        number = await self._count(min(TRUSTED, self.limit))
        if number is None:
            number = await self._begin_alone()
        self._number = number
        self.context.attempts.open.add(self.key)

    async def _begin_alone(self) -> int:
        earlier = await self.context.database.read(attempts.earlier, self.key, self.progress)
        if earlier - (self.key in self.context.attempts.survived) >= self.limit:
            raise ExhaustedError(self.key)
        turn = await self.context.attempts.take_turn(self.context.sleep)
        try:
            number = await self._count(self.limit)
        except BaseException:
            turn.release()
            raise
        if number is None:
            turn.release()
            raise ExhaustedError(self.key)
        self._turn = turn
        log.warning("attempted again", key=self.key, attempt=number)
        return number

    async def _count(self, limit: int) -> int | None:
        survived = self.context.attempts.survived
        known = self.key in survived
        number = await self.context.database.write(attempts.begin, self.key, self.progress, limit=limit, known=known)
        if number is not None:
            survived.discard(self.key)
        return number

    async def sleep(self, seconds: float) -> None:
        """Sleep. Meanwhile the attempt is not counted, and another suspect may be tried."""
        if seconds < SHORT_SECONDS:
            await self.context.sleep(seconds)
            return
        self._waits += 1
        try:
            await self.give_back()
            await self.context.sleep(seconds)
        finally:
            self._waits -= 1
        if not self._waits and not self._number:
            await self.begin()

    async def progressed(self) -> None:
        """What the work was begun for goes on: earlier attempts no longer count."""
        self.release_turn()
        if self._number > 1:
            self._number = 1
            await self.context.database.write(attempts.forget_earlier, self.key)

    async def give_back(self) -> None:
        if not self._number:
            return
        self.end()
        try:
            await self.context.database.write(attempts.give_back, (self.key,))
        except sa.exc.OperationalError:
            self.context.attempts.survived.add(self.key)

    def survive(self) -> None:
        """It was interrupted, and nothing can be written now: the next attempt of this process is not counted again."""
        if self._number:
            self.context.attempts.survived.add(self.key)

    def end(self) -> None:
        self._number = 0
        self.release_turn()
        self.context.attempts.open.discard(self.key)

    def release_turn(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None
