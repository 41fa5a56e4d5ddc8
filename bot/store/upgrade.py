"""Our tables brought to this code's revision: a backup first, one transaction, and no older code let in afterwards.

Migrations expand, then contract. A database that newer code has expanded is used as it is; only after a contraction
does the mark in it keep older code out.
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

# This code's number: one more for each migration.
CODE = 2
# The oldest code that may use the tables as this code's migrations leave them. Raised by a contraction.
OLDEST_CODE = 1
# The mark that holds it.
OLDEST = "oldest_code"

VERSION_TABLE = "ampbot_version"
# Of PostgreSQL's advisory lock: any number that nobody else takes.
_LOCK = 0x616D70626F74


class UnusableError(RuntimeError):
    """The database cannot be used as it is. The message is a sentence for the operator, with what to do."""


def migrate(database: Database) -> Path | None:
    """Bring our tables up to this code's revision, or leave those of newer code alone. Twice is harmless.

    Returns the backup that was made of older tables, if there was one.

    Raises:
        UnusableError: newer code is needed, or the backup could not be made. Nothing was changed.
        sqlalchemy.exc.DBAPIError: the database cannot be opened or written.
        OSError: the SQLite file cannot be made.
    """
    file = database.make_file()
    with database.engine.connect() as connection:
        if file is None:
            # Of many processes that start at once, one migrates; the others wait, and find it done.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            # Not within a transaction. Kept in the file: readers and the one writer do not wait for each other.
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        before = _revision(connection)
        if not _to_migrate(connection, before):
            # A write of no row: what can only be read is better found out now than at the first delivery.
            connection.execute(marks_table.delete().where(sa.false()))
            return None
        backup = None if file is None or before is None else _back_up(connection, file, before)
        if file is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        kv.put(connection, OLDEST, str(max(OLDEST_CODE, _oldest(connection))))
        connection.commit()
        return backup


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("bot.store").joinpath("migrations")))
    return config


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _oldest(connection: Connection) -> int:
    """The oldest code that may use these tables; 0 where nothing says so."""
    if not sa.inspect(connection).has_table(marks_table.name):
        return 0
    value = kv.get(connection, OLDEST)
    return int(value) if value is not None and value.isdecimal() else 0


def _to_migrate(connection: Connection, before: str | None) -> bool:
    """Raises: UnusableError where this code must not touch the database."""
    oldest = _oldest(connection)
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
    """Copy the database beside itself, for its owner's eyes only; what is there is never overwritten."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        target = _made(file, f"{before}-{moment}")
    except OSError as error:
        raise UnusableError(_not_backed_up(file, error.strerror or str(error))) from None
    try:
        connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
        # SQLite leaves this one thing to the caller.
        for path in (target, target.parent):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except (OSError, sa.exc.DBAPIError) as error:
        target.unlink()
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) else error.strerror
        raise UnusableError(_not_backed_up(file, str(reason))) from None
    return target


def _made(file: Path, name: str) -> Path:
    """An empty file of mode 0600 and of a name that was free."""
    number = 1
    while True:
        target = file.with_name(f"{file.name}.{name}{'' if number == 1 else f'-{number}'}.backup")
        try:
            target.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return target


def _not_backed_up(file: Path, reason: str) -> str:
    return (
        f"The database {file} is older than this ampbot, and the backup before its upgrade could not be written "
        f"beside it: {reason}. Nothing was changed. Make room there, and start again."
    )
