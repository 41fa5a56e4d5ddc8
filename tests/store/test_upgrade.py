"""A database's life over versions: backed up, migrated once, and never touched by code that is too old for it."""

from __future__ import annotations

import asyncio
import itertools
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from bot.store import upgrade
from bot.store.database import Database
from bot.store.upgrade import CODE, OLDEST_CODE_KEY, UnusableError, migrate

HEAD = ScriptDirectory.from_config(upgrade._config()).get_current_head()  # this code's last migration
LATER = "9999"  # one of code to come

_names = itertools.count(1)

Fresh = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ampbot.sqlite3"
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"upgrade{next(_names)}"
    with _connected(server) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with _connected(server) as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def _connected(url: str) -> sa.Connection:
    address = make_url(url).set(drivername="postgresql+psycopg")
    return sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()


@pytest.fixture
def database(fresh: str) -> Iterator[Database]:
    found = Database(fresh)
    yield found
    found.close()


def at_first_revision(database: Database) -> None:
    at_revision(database, "0001")


def at_revision(database: Database, revision: str) -> None:
    """The tables as ampbot made them then, with a row in one."""
    with database.engine.connect() as connection:
        if database.file is not None:
            database.file.chmod(0o600)
        config = upgrade._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(sa.text("INSERT INTO effects (key, tried_at) VALUES ('kept', 1.0)"))
        connection.commit()


def execute(database: Database, *statements: str) -> None:
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def rows(database: Database, query: str) -> list[object]:
    with database.engine.connect() as connection:
        return list(connection.scalars(sa.text(query)))


def state(database: Database) -> tuple[list[object], list[object], list[object]]:
    """Revision, mark, and what was in it."""
    return (
        rows(database, "SELECT version_num FROM ampbot_version"),
        rows(database, f"SELECT value FROM marks WHERE name = '{OLDEST_CODE_KEY}'"),
        rows(database, "SELECT key FROM effects"),
    )


def backups(database: Database) -> list[Path]:
    return [] if database.file is None else sorted(database.file.parent.glob("*.backup"))


def test_a_new_database_is_marked_and_has_nothing_to_back_up(database: Database) -> None:
    assert migrate(database) is None
    assert state(database) == ([HEAD], ["1"], [])
    assert migrate(database) is None
    assert backups(database) == []


def test_an_older_one_is_migrated_with_what_it_holds_and_once(database: Database) -> None:
    at_first_revision(database)
    backup = migrate(database)
    assert state(database) == ([HEAD], ["1"], ["kept"])
    assert migrate(database) is None
    assert backups(database) == ([] if backup is None else [backup])
    assert (backup is None) is (not database.is_sqlite)


def test_rows_of_the_release_before_are_as_good_as_new(database: Database) -> None:
    """The release before may go on writing beside this one: it does not know the new columns."""
    at_revision(database, "0002")
    older = "INSERT INTO deliveries (guid, digest, event, body, received_at) VALUES ('{0}', '{0}', 'issues', '', 1.0)"
    execute(database, older.format("before"))
    migrate(database)
    execute(database, older.format("beside"))
    known = rows(database, "SELECT guid FROM deliveries WHERE renewals = 0 AND given_up_at IS NULL ORDER BY guid")
    assert known == ["before", "beside"]
    assert rows(database, "SELECT count(*) FROM attempts") == [0]


def test_the_backup_is_the_older_database_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ampbot.sqlite3")
    (tmp_path / "ampbot.sqlite3").touch()
    at_first_revision(database)
    backup = migrate(database)
    database.close()
    assert backup is not None
    assert backup.name.startswith("ampbot.sqlite3.0001-")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    restored = Database(f"sqlite:///{backup}")
    assert rows(restored, "SELECT version_num FROM ampbot_version") == ["0001"]
    assert rows(restored, "SELECT key FROM effects") == ["kept"]
    assert rows(restored, "SELECT name FROM sqlite_master WHERE name = 'marks'") == []
    migrate(restored)
    assert state(restored) == ([HEAD], ["1"], ["kept"])
    restored.close()


def test_a_backup_never_overwrites_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "NOW")
    database = Database(f"sqlite:///{tmp_path}/ampbot.sqlite3")
    (tmp_path / "ampbot.sqlite3").touch()
    (tmp_path / "ampbot.sqlite3.0001-NOW.backup").write_text("mine")
    at_first_revision(database)
    backup = migrate(database)
    database.close()
    assert backup == tmp_path / "ampbot.sqlite3.0001-NOW-2.backup"
    assert (tmp_path / "ampbot.sqlite3.0001-NOW.backup").read_text() == "mine"


def test_without_a_backup_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{tmp_path}/ampbot.sqlite3")
    (tmp_path / "ampbot.sqlite3").touch()
    at_first_revision(database)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnusableError, match=r"No space left on device\. Nothing was changed\.") as raised:
        migrate(database)
    assert str(tmp_path / "ampbot.sqlite3") in str(raised.value)
    assert backups(database) == [], "half a backup is none"
    assert rows(database, "SELECT version_num FROM ampbot_version") == ["0001"]
    database.close()


def test_a_migration_that_fails_half_way_leaves_the_older_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_first_revision(database)

    def broken(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("bot.store.kv.put", broken)  # after the last table is made
    with pytest.raises(LookupError):
        migrate(database)
    assert rows(database, "SELECT version_num FROM ampbot_version") == ["0001"]
    monkeypatch.undo()
    migrate(database)
    assert state(database) == ([HEAD], ["1"], ["kept"])


def test_newer_tables_that_allow_this_code_are_used_and_left_alone(database: Database) -> None:
    migrate(database)
    execute(
        database,
        f"UPDATE ampbot_version SET version_num = '{LATER}'",
        f"UPDATE marks SET value = '{CODE}' WHERE name = '{OLDEST_CODE_KEY}'",
        "ALTER TABLE effects ADD COLUMN later TEXT",
        "INSERT INTO effects (key, tried_at) VALUES ('kept', 1.0)",
    )
    assert migrate(database) is None
    assert state(database) == ([LATER], [str(CODE)], ["kept"])
    assert backups(database) == []


@pytest.mark.parametrize("revision", [LATER, HEAD])
def test_tables_that_need_newer_code_are_refused_and_left_alone(database: Database, revision: str) -> None:
    migrate(database)
    execute(
        database,
        f"UPDATE ampbot_version SET version_num = '{revision}'",
        f"UPDATE marks SET value = '{CODE + 1}' WHERE name = '{OLDEST_CODE_KEY}'",
    )
    with pytest.raises(UnusableError, match=r"^This database needs newer code: .* Install the newer ampbot again"):
        migrate(database)
    assert state(database) == ([revision], [str(CODE + 1)], [])
    assert backups(database) == []


def test_a_revision_nobody_vouches_for_is_refused(database: Database) -> None:
    migrate(database)
    execute(
        database, "UPDATE ampbot_version SET version_num = 'f00'", f"DELETE FROM marks WHERE name = '{OLDEST_CODE_KEY}'"
    )
    with pytest.raises(UnusableError, match="at revision f00, which this ampbot does not know"):
        migrate(database)


def test_the_mark_is_never_lowered(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    at_first_revision(database)
    execute(
        database,
        "CREATE TABLE marks (name VARCHAR(64) PRIMARY KEY, value TEXT NOT NULL, at FLOAT NOT NULL)",
        f"INSERT INTO marks VALUES ('{OLDEST_CODE_KEY}', '2', 1.0)",
    )
    monkeypatch.setattr("alembic.command.upgrade", lambda *_: None)
    migrate(database)
    assert rows(database, f"SELECT value FROM marks WHERE name = '{OLDEST_CODE_KEY}'") == ["2"]


def test_this_codes_number_is_that_of_its_last_migration() -> None:
    assert f"{CODE:04}" == HEAD
    assert upgrade.OLDEST_CODE <= CODE


@pytest.mark.parametrize("from_first", [False, True])
async def test_of_many_that_start_at_once_on_postgresql_one_migrates(postgres_url: str, from_first: bool) -> None:
    name = f"upgrade{next(_names)}"
    with _connected(postgres_url) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    many = [Database(url) for _ in range(6)]
    if from_first:
        at_first_revision(many[0])
    with ThreadPoolExecutor(len(many)) as threads:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(threads, migrate, one) for one in many))
    assert state(many[0]) == ([HEAD], ["1"], ["kept"] if from_first else [])
    for one in many:
        one.close()
