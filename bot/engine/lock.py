"""The worker lock: a PostgreSQL session advisory lock. The server releases it when the worker's connection is gone.

A worker that has lost its lock writes nothing more: its fencing checks block, and the process replaces itself. An
exception instead would fail the workflow that another worker continues.

https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
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

# Seconds between two checks of the connection while nothing is written.
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 1.0
# If the network vanishes, we must notice (6 s) before the server releases the lock (16 s).
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_CLIENT_KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 6_000,  # keepalives are not sent while data is unacknowledged
    "connect_timeout": 10,
}
_SERVER_KEEPALIVES = "SET tcp_keepalives_idle = 8; SET tcp_keepalives_interval = 4; SET tcp_keepalives_count = 2"


def lock_key(executor: str) -> int:
    """The number of an executor's advisory lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(f"ampbot:{executor}".encode()).digest()[:8], signed=True)


class WorkerLock:
    """This worker's lock and its connection. All queries below use that connection, and block once it is lost."""

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        # At most 64 characters. Unique even if a container restarts with the same host name and pid.
        self.executor = f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.lost = asyncio.Event()
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._query_lock = asyncio.Lock()

    async def acquire(self) -> None:
        """Take our own lock and keep it until the process exits. Raises: psycopg.OperationalError."""
        self._connection = await self.connect()
        await self._connection.execute(_SERVER_KEEPALIVES)
        await self._connection.execute("SELECT pg_advisory_lock(%s)", [lock_key(self.executor)])

    async def connect(self) -> psycopg.AsyncConnection[TupleRow]:
        """Raises: psycopg.OperationalError."""
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True, **_CLIENT_KEEPALIVES)  # type: ignore[arg-type]  # libpq's options

    async def ensure_held(self) -> None:
        """The fencing check: return while we hold the lock, else block until the process exits."""
        await self._query("SELECT 1")

    async def _query(self, query: str, parameters: list[Any] | None = None) -> list[TupleRow]:
        async with self._query_lock:
            if not self.lost.is_set() and self._connection is not None:
                try:
                    return await (await self._connection.execute(query, parameters)).fetchall()
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    log.critical("lost the lock", executor=self.executor, error=type(error).__name__)
                    self.lost.set()
        await asyncio.Event().wait()  # never set
        raise AssertionError("unreachable")

    async def wait_lost(self) -> None:
        """Return when the lock is lost."""
        while not self.lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self.lost.wait()
            if not self.lost.is_set():
                check = asyncio.create_task(self.ensure_held())
                lost = asyncio.create_task(self.lost.wait())
                await asyncio.wait({check, lost}, return_when=asyncio.FIRST_COMPLETED)
                check.cancel()
                lost.cancel()

    @asynccontextmanager
    async def try_lock(self, executor: str) -> AsyncIterator[bool]:
        """Try to hold another executor's lock. True if it was free, which means that the executor is dead."""
        ((locked,),) = await self._query("SELECT pg_try_advisory_lock(%s)", [lock_key(executor)])
        try:
            yield bool(locked)
        finally:
            if locked:
                await self._query("SELECT pg_advisory_unlock(%s)", [lock_key(executor)])

    async def terminate(self, executor: str) -> bool:
        """Terminate the session that holds an executor's lock. False if there is none."""
        number = lock_key(executor) & 0xFFFF_FFFF_FFFF_FFFF
        rows = await self._query(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = %s AND objid::bigint = %s AND granted",
            [number >> 32, number & 0xFFFF_FFFF],
        )
        return bool(rows)

    async def listen(self, event: asyncio.Event) -> None:
        """Set `event` on each notification of new work, for ever. Polling finds what is missed while disconnected."""
        while True:
            try:
                async with await self.connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for _ in connection.notifies():
                        event.set()
            except psycopg.OperationalError as error:
                log.warning("not listening", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def wait_until_reachable(self) -> None:
        """Return when the database accepts connections again."""
        while True:
            try:
                connection = await self.connect()
            except psycopg.OperationalError:
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                await connection.close()
                return
