"""Migrates our tables to this code's revision: a backup first, then one transaction.

Migrations expand, then contract. This code uses a database that newer code has expanded. After a contraction, the
stored `oldest_code` keeps older code out.
"""

from __future__ import annotations

import os
import time
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from bot.store import kv
from bot.store.database import Database
from bot.store.tables import marks as marks_table

# This code's revision: the number of its latest migration.
CODE = 5
# The oldest revision that may use the tables after these migrations. A contraction raises it.
OLDEST_CODE = 1
# The key under which it is stored.
OLDEST_CODE_KEY = "oldest_code"

VERSION_TABLE = "ampbot_version"
# The key of the PostgreSQL advisory lock: arbitrary ("ampbot" in ASCII).
_LOCK = 0x616D70626F74


class UnusableError(RuntimeError):
    """The database cannot be used. The message tells the operator why and what to do."""


def migrate(database: Database) -> Path | None:
    """Migrate our tables to this code's revision; leave newer tables unchanged. Idempotent.

    Returns the path of the backup, or None if none was made.

    Raises:
        UnusableError: newer code is needed, or the backup failed. Nothing was changed.
        sqlalchemy.exc.DBAPIError: the database cannot be opened or written.
        OSError: the SQLite file cannot be created.
    """
    file = database.create_file()
    with database.engine.connect() as connection:
        if file is None:
            # If several processes start together, one migrates; the others wait, then find nothing to do.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            # The file keeps the mode, which cannot be set within a transaction. In WAL mode, readers and the writer do
            # not block each other.
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        before = _revision(connection)
        if not _needs_migration(connection, before):
            # A write of no row: fails now if the database is read-only, not at the first delivery.
            connection.execute(marks_table.delete().where(sa.false()))
            return None
        backup = None if file is None or before is None else _back_up(connection, file, before)
        if file is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        kv.put(connection, OLDEST_CODE_KEY, str(max(OLDEST_CODE, _oldest_code(connection))))
        connection.commit()
        return backup


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("bot.store").joinpath("migrations")))
    return config


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _oldest_code(connection: Connection) -> int:
    """The oldest revision that may use these tables; 0 if unknown."""
    if not sa.inspect(connection).has_table(marks_table.name):
        return 0
    value = kv.get(connection, OLDEST_CODE_KEY)
    return int(value) if value is not None and value.isdecimal() else 0


def _needs_migration(connection: Connection, before: str | None) -> bool:
    """Raises: UnusableError if this code must not use the database."""
    oldest = _oldest_code(connection)
    if oldest > CODE:
        raise UnusableError(
            f"This database needs newer code: its tables are for ampbot of revision {oldest} or later, and this is "
            f"{CODE}. Install the newer ampbot again, or restore the backup that was made before the upgrade."
        )
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    if before is None or before in known:
        return before != scripts.get_current_head() or oldest < OLDEST_CODE
    if oldest == 0:
        raise UnusableError(
            f"This database is at revision {before}, which this ampbot does not know, and nothing in it says which "
            "ampbot may use it. Install the ampbot that made it, or restore a backup."
        )
    return False


def _back_up(connection: Connection, file: Path, before: str) -> Path:
    """Copy the database to a new file beside it, of mode 0600. Raises: UnusableError."""
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        target = _create_backup_file(file, f"{before}-{timestamp}")
    except OSError as error:
        raise UnusableError(_backup_error(file, error.strerror or str(error))) from None
    try:
        connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
        # SQLite does not sync the copy: https://www.sqlite.org/lang_vacuum.html#vacuuminto
        for path in (target, target.parent):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except (OSError, sa.exc.DBAPIError) as error:
        target.unlink()
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) else error.strerror
        raise UnusableError(_backup_error(file, str(reason))) from None
    return target


def _create_backup_file(file: Path, name: str) -> Path:
    """Create an empty file of mode 0600 under an unused name."""
    number = 1
    while True:
        target = file.with_name(f"{file.name}.{name}{'' if number == 1 else f'-{number}'}.backup")
        try:
            target.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return target


def _backup_error(file: Path, reason: str) -> str:
    return (
        f"The database {file} is older than this ampbot, and the backup before its upgrade could not be written "
        f"beside it: {reason}. Nothing was changed. Make room there, and start again."
    )
