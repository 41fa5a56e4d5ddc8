"""Whether this worker still owns what it works on. On PostgreSQL a session advisory lock says so: the server itself,
not a heartbeat of ours, knows who is gone.

A worker that has lost its lock writes nothing more anywhere: whoever asks to write is left waiting for ever, and the
process starts itself anew. (An exception would be taken for the end of the work that met it.)
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import structlog
from psycopg.rows import TupleRow
from sqlalchemy.engine import make_url

from bot.store.database import CHANNEL

log = structlog.get_logger()

# How often the lock's connection is tried when nothing is written.
LOOK_SECONDS = 1.0
RECONNECT_SECONDS = 1.0
# A vanished network must be noticed by us before the server lets go of the lock: 6 s against 16 s.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_OURS = {
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 6_000,  # keepalives say nothing while a question is under way
    "connect_timeout": 10,
}
_THEIRS = "SET tcp_keepalives_idle = 8; SET tcp_keepalives_interval = 4; SET tcp_keepalives_count = 2"


def key(executor: str) -> int:
    """The advisory lock's number for an executor."""
    return int.from_bytes(hashlib.sha256(f"ampbot:{executor}".encode()).digest()[:8], signed=True)


class WorkerLock:
    """This worker's advisory lock and its connection, and the same for the executors it looks after."""

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        # The engine keeps it in 64 characters.
        self.executor = f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.lost = asyncio.Event()
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._asking = asyncio.Lock()

    async def take(self) -> None:
        """Take our own lock, and keep it for the life of the process. Raises: psycopg.OperationalError."""
        self._connection = await self.connect()
        await self._connection.execute(_THEIRS)
        await self._connection.execute("SELECT pg_advisory_lock(%s)", [key(self.executor)])

    async def connect(self) -> psycopg.AsyncConnection[TupleRow]:
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True, **_OURS)  # type: ignore[arg-type]  # libpq's options

    async def confirm(self) -> None:
        await self._ask("SELECT 1")

    async def _ask(self, query: str, parameters: list[Any] | None = None) -> list[TupleRow]:
        async with self._asking:
            if not self.lost.is_set() and self._connection is not None:
                try:
                    return await (await self._connection.execute(query, parameters)).fetchall()
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    log.critical("lost the lock", executor=self.executor, error=type(error).__name__)
                    self.lost.set()
        await asyncio.Event().wait()  # nothing sets it
        raise AssertionError("unreachable")

    async def watch(self) -> None:
        """Return once the lock is lost."""
        while not self.lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.lost.wait()
            if not self.lost.is_set():
                asking = asyncio.create_task(self.confirm())
                losing = asyncio.create_task(self.lost.wait())
                await asyncio.wait({asking, losing}, return_when=asyncio.FIRST_COMPLETED)
                asking.cancel()
                losing.cancel()

    @asynccontextmanager
    async def of(self, executor: str) -> AsyncIterator[bool]:
        """Hold another executor's lock: True if nobody did, so that it is dead."""
        ((taken,),) = await self._ask("SELECT pg_try_advisory_lock(%s)", [key(executor)])
        try:
            yield bool(taken)
        finally:
            if taken:
                await self._ask("SELECT pg_advisory_unlock(%s)", [key(executor)])

    async def end(self, executor: str) -> bool:
        """End the session that holds an executor's lock; whether one did."""
        number = key(executor) & 0xFFFF_FFFF_FFFF_FFFF
        rows = await self._ask(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = %s AND objid::bigint = %s AND granted",
            [number >> 32, number & 0xFFFF_FFFF],
        )
        return bool(rows)

    async def listen(self, woken: asyncio.Event) -> None:
        """Set `woken` whenever somebody leaves work, for ever. What is missed is found by the slow look."""
        while True:
            try:
                async with await self.connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for _ in connection.notifies():
                        woken.set()
            except psycopg.OperationalError as error:
                log.warning("not listening", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def until_reachable(self) -> None:
        """Wait until the database takes connections again."""
        while True:
            try:
                connection = await self.connect()
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                await connection.close()
                return
