"""Stores deliveries in groups: those that arrive during one commit share the next.

At 16 connections, most of a request's time was the wait for the disk (`make bench-receiver`).
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

# Most deliveries in one commit, so that the first are not delayed by many others.
MAX_GROUP = 64
# Seconds to wait until the next group is as large as the last: the clients just answered send their next requests. Else
# the first request would get a commit of its own, and the others would wait for two.
GATHER_SECONDS = 0.003
# Seconds to wait for a lock. GitHub gives up after 10.
LOCK_TIMEOUT = 3.0
# Seconds after which a request is answered with 503, even if the database hangs.
DEADLINE = 7.0


class NotStoredError(Exception):
    """It is not certain that the delivery is stored. The message names the cause."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    delivery: Delivery
    stored: asyncio.Future[bool]


def _give_up(stored: asyncio.Future[bool]) -> None:
    if not stored.done():
        stored.set_exception(NotStoredError("no answer"))


class DeliveryWriter:
    """One writer for all requests of this process, in one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._expected = 0
        self._group_full = asyncio.Event()

    async def store(self, delivery: Delivery) -> bool:
        """Store a delivery durably. Returns False if it is stored already.

        Raises:
            NotStoredError: the database is locked, full, read-only, unreachable or too slow. If it was slow, the
                delivery may be stored nevertheless; a redelivery is then recognised.
        """
        loop = asyncio.get_running_loop()
        request = _Waiting(delivery, loop.create_future())
        self._waiting.append(request)
        if len(self._waiting) >= self._expected:
            self._group_full.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        # Only a timer and a future for each request, no task: this is the hot path.
        timer = loop.call_later(DEADLINE, _give_up, request.stored)
        try:
            return await request.stored
        finally:
            timer.cancel()

    async def _write(self) -> None:
        try:
            while self._waiting:
                # Skip requests that have timed out.
                batch = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
                group = [request for request in batch if not request.stored.done()]
                if group:
                    await self._commit(group)
                    await self._gather(len(group))
        finally:
            self._writer = None

    async def _gather(self, expected: int) -> None:
        if 1 < expected < MAX_GROUP and len(self._waiting) < expected:
            self._expected = expected
            self._group_full.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._group_full.wait()
            self._expected = 0

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            are_new = await self._write_group(tuple(request.delivery for request in group))
        except sa.exc.OperationalError as error:
            # The database failed, not a delivery: storing them one by one would fail too.
            self._fail(group, error)
        except sa.exc.DBAPIError as error:
            if len(group) == 1:
                self._fail(group, error)
            else:
                log.warning("stored one by one", deliveries=len(group), error=type(error.orig).__name__)
                for request in group:
                    await self._commit([request])
        except Exception as error:  # noqa: BLE001 - every request must be answered
            self._fail(group, error)
        else:
            for request, is_new in zip(group, are_new, strict=True):
                if not request.stored.done():
                    request.stored.set_result(is_new)

    async def _write_group(self, group: tuple[Delivery, ...]) -> tuple[bool, ...]:
        for _ in range(2):
            try:
                return await self._database.write_within(LOCK_TIMEOUT, deliveries.add_all, group)
            except sa.exc.DBAPIError as error:
                # The database restarted. The pool has dropped its old connections: try once more.
                if not error.connection_invalidated:
                    raise
                last = error
        raise last

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        kind = type(error.orig if isinstance(error, sa.exc.DBAPIError) else error).__name__
        log.error("not stored", guids=[request.delivery.guid for request in group], error=kind)
        for request in group:
            if not request.stored.done():
                request.stored.set_exception(NotStoredError(kind))
