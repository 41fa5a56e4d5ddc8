"""The database: one engine, migrations at start, and work done in short transactions off the event loop."""

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

# On PostgreSQL: notified with each commit that leaves work for whoever is free.
CHANNEL = "ampbot_work"
# Seconds: for another's lock on the SQLite file, and for PostgreSQL to take a connection.
PATIENCE = 30.0
CONNECT_SECONDS = 5
# To PostgreSQL, for us and for the engine each: a server takes a hundred unless told otherwise, and workers are many.
CONNECTIONS = 10


def now() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()


def engine_arguments(url: str) -> dict[str, Any]:
    """What `sqlalchemy.create_engine` must be given for `url`, whoever opens it."""
    # An error's text goes to the log, and parameters are people's words.
    common = {"hide_parameters": True}
    if make_url(url).get_backend_name() == "sqlite":
        return common | {"module": sqlite.module()}
    # A restarted server has closed what the pool holds: that is found out before anything is asked.
    return common | {"pool_pre_ping": True}


def pool_arguments(url: str) -> dict[str, Any]:
    """The same with a pool of its own, for us and for the durable engine alike."""
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    return engine_arguments(url) | ({} if is_sqlite else {"pool_size": CONNECTIONS, "max_overflow": 0})


class Database:
    """Our tables. Every method is a whole transaction; none is held over an await of anything else."""

    def __init__(self, url: str) -> None:
        self._url = _with_driver(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        arguments = pool_arguments(url)
        if not self.is_sqlite:
            arguments["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        self.engine: Engine = sa.create_engine(self._url, **arguments)
        self._threads = anyio.CapacityLimiter(8)
        self._confirm: Callable[[], Awaitable[None]] | None = None
        self._urgent = anyio.CapacityLimiter(2)  # not to be kept waiting by those who wait patiently
        # SQLite has one write lock: threads that race for it sleep and try again, in no order.
        self._writers = anyio.CapacityLimiter(1 if self.is_sqlite else 8)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _configure)
            sa.event.listen(self.engine, "begin", _begin)
            sa.event.listen(self.engine, "handle_error", _judge)
        else:
            sa.event.listen(self.engine, "begin", _begin_postgresql)

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps the database, through any links; None on PostgreSQL."""
        if not self.is_sqlite or not self._url.database:
            return None
        return Path(self._url.database.removeprefix("file:")).resolve()

    def make_file(self) -> Path | None:
        """Make the SQLite file if there is none, and return where it is; None on PostgreSQL. Raises: OSError."""
        if self.is_sqlite and self._url.database and not self._url.query:
            # It holds people's words: only we may read it, and SQLite gives what it puts beside it the same mode.
            Path(self._url.database).touch(mode=0o600)
        return self.file

    def fenced(self, confirm: Callable[[], Awaitable[None]] | None) -> Database:
        """The same database for a worker: it confirms before each write that it still owns its work."""
        fenced = copy.copy(self)
        fenced._confirm = confirm  # noqa: SLF001 - our own copy
        return fenced

    async def write(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(connection, …)` in a transaction and commit it. An exception rolls back and is raised here."""
        return await self._transaction(lambda connection: work(connection, *args, **kwargs), None)

    async def write_within(
        self, seconds: float, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same where somebody waits for it: it does not queue behind other writes, and waits only `seconds` for
        another process's lock."""
        return await self._transaction(lambda connection: work(connection, *args, **kwargs), seconds)

    async def _transaction(self, work: Callable[[Connection], T], patience: float | None) -> T:
        if self._confirm is not None:
            await self._confirm()

        def transaction() -> T:
            with self.engine.connect() as connection:
                if patience is not None:
                    connection.execution_options(ampbot_patience=patience)
                with connection.begin():
                    return work(connection)

        limiter = self._writers if patience is None else self._urgent
        return await anyio.to_thread.run_sync(transaction, limiter=limiter)

    async def read(self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(connection, …)` on one consistent view."""

        def read() -> T:
            with self.view() as connection:
                return work(connection, *args, **kwargs)

        return await anyio.to_thread.run_sync(read, limiter=self._threads)

    @contextmanager
    def view(self) -> Iterator[Connection]:
        """One consistent view, to be read in this thread; nothing done to it is kept."""
        with self.engine.connect().execution_options(ampbot_reads=True) as connection:
            yield connection

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[bool]:
        """Whether nobody else is at what `name` stands for, in any process; nobody begins with it meanwhile.

        SQLite has one process anyway. On PostgreSQL a connection is held; whoever loses it does not notice.
        """
        if self.is_sqlite:
            yield True
            return
        connection = await anyio.to_thread.run_sync(self._open)
        key = {"name": f"ampbot:{name}"}
        try:
            taken = await anyio.to_thread.run_sync(
                lambda: connection.scalar(sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), key)
            )
            yield bool(taken)
        finally:
            # The lock goes with the session, also when this task is cancelled or the connection is in no good state.
            connection.invalidate()
            connection.close()

    def _open(self) -> Connection:
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        self.engine.dispose()


def insert_once(connection: Connection, table: sa.Table, **values: Any) -> bool:
    """Insert a row unless one is there that it must not stand beside; says whether it did. Safe in a race."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite_dialect.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def _with_driver(url: URL) -> URL:
    """The driver the durable engine brings; without a name SQLAlchemy looks for another."""
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver's guess
    connection.execute("PRAGMA synchronous=FULL")  # a 202 is a promise
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience = options.get("ampbot_patience", PATIENCE)
    if connection.info.get("ampbot_patience") != patience:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience * 1000)}")
        connection.info["ampbot_patience"] = patience
    # IMMEDIATE: a transaction that reads, then writes, must not lose the race for the write lock half-way.
    connection.exec_driver_sql("BEGIN" if options.get("ampbot_reads", False) else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    patience = connection.get_execution_options().get("ampbot_patience")
    if patience is not None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(patience * 1000)}")


def _judge(context: ExceptionContext) -> None:
    """A handle that SQLite opened while the file could not be written stays read-only for ever: drop it."""
    if "readonly" in str(context.original_exception):
        context.is_disconnect = True
