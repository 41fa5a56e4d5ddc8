"""Stores deliveries in groups: those that arrive while one commit is under way share the next.

A commit waits for the disk, and at sixteen connections that wait was most of a request (`make bench-receiver`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from bot.model import Delivery
from bot.store import deliveries
from bot.store.database import Database

log = structlog.get_logger()

# In one commit; more wait for the next, so that nobody waits for the last of a flood.
MOST = 64
# Seconds that a commit waits for as many as the last one held: those who were just answered send their next. Without it
# the first of them gets a commit of its own, and the others wait for two.
GATHERING = 0.003
# Seconds for a lock that somebody else holds. GitHub hangs up after 10.
LOCK_TIMEOUT = 3.0
# Seconds after which a request is answered whatever the database does: it may say nothing at all.
DEADLINE = 7.0


class NotStoredError(Exception):
    """The delivery is not known to be stored. The message is the kind of trouble, for the log."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    delivery: Delivery
    stored: asyncio.Future[bool]


def _give_up(stored: asyncio.Future[bool]) -> None:
    if not stored.done():
        stored.set_exception(NotStoredError("no answer"))


class DeliveryWriter:
    """One writer for all requests of this process. Belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._expected = 0
        self._together = asyncio.Event()

    async def store(self, delivery: Delivery) -> bool:
        """Whether it is new; once this returns, it is on the disk.

        Raises:
            NotStoredError: the database is locked, full, read-only, away or silent. It may be stored all the same
                when it was merely slow; the same delivery sent again is then recognised.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(delivery, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) >= self._expected:
            self._together.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        # One timer for each request, and nothing that must be awaited: this is where a request's time goes.
        timer = loop.call_later(DEADLINE, _give_up, waiting.stored)
        try:
            return await waiting.stored
        finally:
            timer.cancel()

    async def _write(self) -> None:
        try:
            while self._waiting:
                # Whoever was answered meanwhile is gone.
                taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                group = [one for one in taken if not one.stored.done()]
                if group:
                    await self._commit(group)
                    await self._gather(len(group))
        finally:
            self._writer = None

    async def _gather(self, expected: int) -> None:
        if 1 < expected < MOST and len(self._waiting) < expected:
            self._expected = expected
            self._together.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHERING):
                    await self._together.wait()
            self._expected = 0

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            fresh = await self._stored(tuple(one.delivery for one in group))
        except sa.exc.OperationalError as error:
            # Trouble of the database, not of a delivery: trying each alone would only take longer.
            self._fail(group, error)
        except sa.exc.DBAPIError as error:
            if len(group) == 1:
                self._fail(group, error)
            else:
                log.warning("stored one by one", deliveries=len(group), error=type(error.orig).__name__)
                for one in group:
                    await self._commit([one])
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be left without an answer
            self._fail(group, error)
        else:
            for one, new in zip(group, fresh, strict=True):
                if not one.stored.done():
                    one.stored.set_result(new)

    async def _stored(self, group: tuple[Delivery, ...]) -> tuple[bool, ...]:
        for _ in range(2):
            try:
                return await self._database.write_within(LOCK_TIMEOUT, deliveries.add_all, group)
            except sa.exc.DBAPIError as error:
                # A connection of before a restart: the pool has now dropped it and its like.
                if not error.connection_invalidated:
                    raise
                last = error
        raise last

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        kind = type(error.orig if isinstance(error, sa.exc.DBAPIError) else error).__name__
        log.error("not stored", guids=[one.delivery.guid for one in group], error=kind)
        for one in group:
            if not one.stored.done():
                one.stored.set_exception(NotStoredError(kind))
