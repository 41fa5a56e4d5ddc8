"""The database connection: short transactions, run in threads off the event loop."""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext, make_url

from bot.store import sqlite

P = ParamSpec("P")
T = TypeVar("T")

# The PostgreSQL channel that is notified when a stored delivery waits for a worker.
CHANNEL = "ampbot_work"
# Seconds to wait for another process's lock on the SQLite file, and for a connection to PostgreSQL.
LOCK_TIMEOUT = 30.0
CONNECT_SECONDS = 5
# Connections of one process to PostgreSQL: for us and for DBOS each. A server allows 100 by default.
POOL_SIZE = 10


def now() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()


def engine_arguments(url: str) -> dict[str, Any]:
    """Arguments to `sqlalchemy.create_engine` that every engine on `url` needs."""
    # Errors are logged, and parameters hold users' text.
    common = {"hide_parameters": True}
    if make_url(url).get_backend_name() == "sqlite":
        return common | {"module": sqlite.module()}
    # Detects connections that a server restart has closed.
    return common | {"pool_pre_ping": True}


def pool_arguments(url: str) -> dict[str, Any]:
    """The same with a connection pool, as we and DBOS use it."""
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    return engine_arguments(url) | ({} if is_sqlite else {"pool_size": POOL_SIZE, "max_overflow": 0})


class Database:
    """Our tables. `read`, `write` and `write_within` are one transaction each."""

    def __init__(self, url: str) -> None:
        self._url = _with_driver(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        arguments = pool_arguments(url)
        if not self.is_sqlite:
            arguments["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        self.engine: Engine = sa.create_engine(self._url, **arguments)
        self._readers = anyio.CapacityLimiter(8)
        self._ensure_lock_held: Callable[[], Awaitable[None]] | None = None
        self._urgent = anyio.CapacityLimiter(2)  # its own threads, so that urgent writes do not queue
        # SQLite has one write lock, and waiting threads poll for it in no order. One thread keeps the order.
        self._writers = anyio.CapacityLimiter(1 if self.is_sqlite else 8)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _configure)
            sa.event.listen(self.engine, "begin", _begin)
            sa.event.listen(self.engine, "handle_error", _drop_read_only)
        else:
            sa.event.listen(self.engine, "begin", _begin_postgresql)

    @property
    def file(self) -> Path | None:
        """The SQLite file, links resolved. None on PostgreSQL."""
        if not self.is_sqlite or not self._url.database:
            return None
        return Path(self._url.database.removeprefix("file:")).resolve()

    def create_file(self) -> Path | None:
        """Create the SQLite file if it is missing, and return its path. None on PostgreSQL. Raises: OSError."""
        if self.is_sqlite and self._url.database and not self._url.query:
            # It holds users' text. SQLite creates its -wal and -shm files with the same mode.
            Path(self._url.database).touch(mode=0o600)
        return self.file

    def with_lock_check(self, ensure_lock_held: Callable[[], Awaitable[None]] | None) -> Database:
        """A copy that awaits `ensure_lock_held` before each write. None: no check."""
        checked = copy.copy(self)
        checked._ensure_lock_held = ensure_lock_held  # noqa: SLF001 - our own copy
        return checked

    async def write(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(connection, …)` in a transaction and commit it. An exception rolls back and is raised."""
        return await self._transaction(lambda connection: work(connection, *args, **kwargs), None)

    async def write_within(
        self, seconds: float, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same, but urgent: it does not queue behind other writes, and waits at most `seconds` for a lock of the
        database."""
        return await self._transaction(lambda connection: work(connection, *args, **kwargs), seconds)

    async def _transaction(self, work: Callable[[Connection], T], lock_timeout: float | None) -> T:
        if self._ensure_lock_held is not None:
            await self._ensure_lock_held()

        def transaction() -> T:
            with self.engine.connect() as connection:
                if lock_timeout is not None:
                    connection.execution_options(ampbot_lock_timeout=lock_timeout)
                with connection.begin():
                    return work(connection)

        limiter = self._writers if lock_timeout is None else self._urgent
        return await anyio.to_thread.run_sync(transaction, limiter=limiter)

    async def read(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(connection, …)` in a transaction that is rolled back."""

        def read() -> T:
            with self.view() as connection:
                return work(connection, *args, **kwargs)

        return await anyio.to_thread.run_sync(read, limiter=self._readers)

    @contextmanager
    def view(self) -> Iterator[Connection]:
        """A connection for reading in this thread. Its transaction is rolled back."""
        with self.engine.connect().execution_options(ampbot_read_only=True) as connection:
            yield connection

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncIterator[bool]:
        """Try to hold the lock `name` among all processes. False if another process holds it.

        SQLite has one process: always True. PostgreSQL: a session advisory lock on a connection of its own; if the
        connection is lost, so is the lock, unnoticed.
        """
        if self.is_sqlite:
            yield True
            return
        connection = await anyio.to_thread.run_sync(self._open)
        key = {"name": f"ampbot:{name}"}
        try:
            locked = await anyio.to_thread.run_sync(
                lambda: connection.scalar(sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), key)
            )
            yield bool(locked)
        finally:
            # Closing the session releases the lock, whatever state the connection is in.
            connection.invalidate()
            connection.close()

    def _open(self) -> Connection:
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        self.engine.dispose()


def insert_once(connection: Connection, table: sa.Table, **values: Any) -> bool:
    """INSERT … ON CONFLICT DO NOTHING. Returns whether the row was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite_dialect.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def _with_driver(url: URL) -> URL:
    """Use psycopg 3, which DBOS depends on. SQLAlchemy's default is psycopg2."""
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions: _begin does
    connection.execute("PRAGMA synchronous=FULL")  # what we answered with 202 must survive a power failure
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    lock_timeout = options.get("ampbot_lock_timeout", LOCK_TIMEOUT)
    if connection.info.get("ampbot_lock_timeout") != lock_timeout:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(lock_timeout * 1000)}")
        connection.info["ampbot_lock_timeout"] = lock_timeout
    # IMMEDIATE: a transaction that reads and then writes would fail if another wrote in between (SQLITE_BUSY_SNAPSHOT).
    connection.exec_driver_sql("BEGIN" if options.get("ampbot_read_only", False) else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    lock_timeout = connection.get_execution_options().get("ampbot_lock_timeout")
    if lock_timeout is not None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(lock_timeout * 1000)}")


def _drop_read_only(context: ExceptionContext) -> None:
    """Drop a connection that was opened while the file was read-only: it stays read-only."""
    if "readonly" in str(context.original_exception):
        context.is_disconnect = True
