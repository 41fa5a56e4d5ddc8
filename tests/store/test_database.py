"""Our tables in either kind of database: migrated to what the code says, written in whole transactions."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from bot.store import sqlite
from bot.store.database import Database, engine_arguments, insert_once, now, pool_arguments
from bot.store.tables import effects, metadata
from bot.store.upgrade import migrate


def keys(connection: Connection) -> list[str]:
    return list(connection.scalars(sa.select(effects.c.key).order_by(effects.c.key)))


def put(connection: Connection, key: str) -> None:
    connection.execute(effects.insert().values(key=key, tried_at=now()))


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name != "ampbot_version"}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **options})
        return list(compare_metadata(context, metadata))

    assert await database.read(differences) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.write(put, "kept")
    await asyncio.to_thread(migrate, database)
    assert await database.read(keys) == ["kept"]


async def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    def half(connection: Connection) -> None:
        put(connection, "half")
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(half)
    assert await database.read(keys) == []


async def test_a_read_sees_what_was_committed_and_writes_nothing(database: Database) -> None:
    await database.write(put, "a")
    await database.read(put, "b")
    assert await database.read(keys) == ["a"]


async def test_a_transaction_that_reads_first_never_loses_what_another_wrote(database: Database) -> None:
    """On SQLite a transaction that began by reading could fail half-way; on PostgreSQL the row is locked."""
    await database.write(put, "0")

    def count_up(connection: Connection) -> None:
        row = sa.select(effects.c.key).with_for_update()
        value = int(connection.execute(row).scalar_one())
        connection.execute(effects.update().values(key=str(value + 1)))

    await asyncio.gather(*(database.write(count_up) for _ in range(20)))
    assert await database.read(keys) == ["20"]


async def test_of_many_equal_rows_one_is_inserted(database: Database) -> None:
    def once(connection: Connection) -> bool:
        return insert_once(connection, effects, key="same", tried_at=1.0)

    inserted = await asyncio.gather(*(database.write(once) for _ in range(20)))
    assert (sum(inserted), await database.read(keys)) == (1, ["same"])


async def test_a_committed_row_survives_the_process(sqlite: Database) -> None:
    await sqlite.write(put, "kept")
    again = Database(sqlite._url.render_as_string())
    assert await again.read(keys) == ["kept"]
    again.close()


async def test_sqlite_is_set_to_keep_its_promises(tmp_path: Path) -> None:
    path = tmp_path / "ampbot.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate(database)

    def pragmas(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    await database.write(put, "x")
    assert await database.read(pragmas) == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    assert modes(tmp_path) == dict.fromkeys(["ampbot.sqlite3", "ampbot.sqlite3-wal", "ampbot.sqlite3-shm"], 0o600)
    database.close()


def test_the_engine_opens_sqlite_with_the_same_module() -> None:
    assert engine_arguments("sqlite:///x") == {"hide_parameters": True, "module": sqlite.module()}
    assert pool_arguments("sqlite:///x") == engine_arguments("sqlite:///x")
    of_postgresql = {"hide_parameters": True, "pool_pre_ping": True}
    assert engine_arguments("postgresql://u@h/d") == of_postgresql
    assert pool_arguments("postgresql://u@h/d") == of_postgresql | {"pool_size": 10, "max_overflow": 0}


async def test_no_error_tells_what_was_to_be_stored(database: Database) -> None:
    await database.write(put, "canary")
    with pytest.raises(sa.exc.IntegrityError) as raised:
        await database.write(lambda connection: connection.execute(effects.insert().values(key="canary", tried_at=1.0)))
    assert "canary" not in str(raised.value).replace(str(raised.value.orig), "")


@pytest.mark.parametrize("url", ["postgresql://u:p@h:1/d", "postgresql+psycopg://u:p@h:1/d"])
def test_postgresql_is_reached_with_the_driver_that_is_installed(url: str) -> None:
    database = Database(url)
    assert (database.is_sqlite, str(database._url)) == (False, "postgresql+psycopg://u:***@h:1/d")
    database.close()


def test_a_database_that_cannot_be_made_is_an_exception(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/ampbot.sqlite3")
    with pytest.raises(OSError, match="missing"):
        migrate(database)
    database.close()
