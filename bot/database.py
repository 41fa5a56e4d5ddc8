"""The database: one engine, migrations at start, and work done in short transactions off the event loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import URL, Connection, Engine, make_url

from bot import sqlite

T = TypeVar("T")


def now() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()


def engine_arguments(url: str) -> dict[str, Any]:
    """What `sqlalchemy.create_engine` must be given for `url`, by us and by the durable engine alike."""
    # An error's text goes to the log, and parameters are people's words.
    common = {"hide_parameters": True}
    return common | {"module": sqlite.module()} if make_url(url).get_backend_name() == "sqlite" else common


class Database:
    """Our tables. Every method is a whole transaction; none is held over an await of anything else."""

    def __init__(self, url: str) -> None:
        self._url = _with_driver(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine: Engine = sa.create_engine(self._url, **engine_arguments(url))
        self._threads = anyio.CapacityLimiter(8)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _configure)
            sa.event.listen(self._engine, "begin", _begin)

    def migrate(self) -> None:
        """Bring our tables up to this code's revision.

        Raises:
            sqlalchemy.exc.OperationalError: the database cannot be opened or written.
            OSError: the SQLite file cannot be made.
        """
        if self.is_sqlite and self._url.database and not self._url.query:
            # It holds people's words: only we may read it, and SQLite gives what it puts beside it the same mode.
            Path(self._url.database).touch(mode=0o600)
        config = Config()
        config.set_main_option("script_location", str(files("bot").joinpath("migrations")))
        with self._engine.connect() as connection:
            if self.is_sqlite:
                # Persistent in the file; readers and the one writer no longer wait for each other.
                connection.exec_driver_sql("ROLLBACK")
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction and commit it. An exception rolls back and is raised here."""

        def transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(transaction, limiter=self._threads)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one consistent view."""

        def view() -> T:
            with self._engine.connect().execution_options(ampbot_reads=True) as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(view, limiter=self._threads)

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
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        self._engine.dispose()


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
    connection.execute("PRAGMA busy_timeout=30000")


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("ampbot_reads", False)
    # IMMEDIATE: a transaction that reads, then writes, must not lose the race for the write lock half-way.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
