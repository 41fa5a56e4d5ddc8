"""Attempts at a piece of work: how many processes began it, and perhaps died of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.database import insert_once, now
from bot.store.tables import attempts

# A process that has lived for so many seconds does not die of something else as soon as it starts.
QUIET_SECONDS = 5.0
# The longest that one piece of work keeps the turn, in seconds.
TURN_SECONDS = 60.0


def earlier(connection: Connection, key: str, progress: str) -> int:
    """How many attempts at `key` count against the next one.

    After progress only the last one does: it made the progress, and may have died of what came next.
    """
    query = sa.select(attempts.c.progress, attempts.c.count).where(attempts.c.key == key)
    row = connection.execute(query).one_or_none()
    if row is None:
        return 0
    last_progress, count = row
    return int(count) if last_progress == progress else min(int(count), 1)


def begin(connection: Connection, key: str, progress: str, *, limit: int, known: bool = False) -> int | None:
    """Count another attempt and return its number, from 1; None, and nothing is counted, after `limit` of them.

    `progress` tells how far the work has come. `known`: this process has an attempt counted that it survived, so
    this one is not counted again.
    """
    before = earlier(connection, key, progress)
    if known:
        before = max(before - 1, 0)
    if before >= limit:
        return None
    row = {"progress": progress, "count": before + 1, "at": now()}
    if not insert_once(connection, attempts, key=key, **row):
        connection.execute(attempts.update().where(attempts.c.key == key).values(**row))
    return before + 1


def begin_first(connection: Connection, keys: Collection[str]) -> frozenset[str]:
    """Count an attempt at each of the keys that has none. Returns these keys."""
    return frozenset(key for key in keys if insert_once(connection, attempts, key=key, progress="", count=1, at=now()))


def begun_since(connection: Connection, keys: Collection[str], since: float) -> frozenset[str]:
    """Those of the keys whose last attempt began after `since` (epoch seconds)."""
    query = sa.select(attempts.c.key).where(attempts.c.key.in_(keys), attempts.c.at > since)
    return frozenset(connection.scalars(query))


def give_back(connection: Connection, keys: Collection[str]) -> None:
    """The last attempt at each of these ended, or was interrupted, through no fault of the work."""
    here = sa.and_(attempts.c.key.in_(keys), attempts.c.count > 0)
    connection.execute(attempts.update().where(here).values(count=attempts.c.count - 1))


def forget_earlier(connection: Connection, key: str) -> None:
    """The attempt under way made progress: those before it no longer count."""
    connection.execute(attempts.update().where(attempts.c.key == key, attempts.c.count > 1).values(count=1))


def clear(connection: Connection, key: str) -> None:
    """Delete the attempts at `key` and at its parts, whose keys are `key`, a colon and a name."""
    part = attempts.c.key.startswith(f"{key}:", autoescape=True)
    connection.execute(attempts.delete().where((attempts.c.key == key) | part))


class Turn:
    """Held by the one suspect that is being tried."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock: asyncio.Lock | None = lock
        self._timer = asyncio.get_running_loop().call_later(TURN_SECONDS, self.release)

    def release(self) -> None:
        """The next suspect may be tried. Calling it again does nothing."""
        self._timer.cancel()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


@dataclass(slots=True)
class Attempts:
    """The attempts of this process, in one event loop."""

    # Keys of the work that is under way.
    open: set[str] = field(default_factory=set)
    # Keys of attempts that this process survived and that are still counted.
    survived: set[str] = field(default_factory=set)
    _started: float = field(default_factory=time.monotonic)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take_turn(self, sleep: Callable[[float], Awaitable[None]]) -> Turn:
        """Wait until a suspect may be tried: alone, and by a process that does not die as soon as it starts.

        Otherwise what is at work beside it, or waits when the process dies of another cause, would be blamed too.
        """
        await self._one_at_a_time.acquire()
        try:
            quiet = self._started + QUIET_SECONDS - time.monotonic()
            if quiet > 0:
                await sleep(quiet)
            return Turn(self._one_at_a_time)
        except BaseException:
            self._one_at_a_time.release()
            raise
