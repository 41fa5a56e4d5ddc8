"""Opens the database for a service: locks it (SQLite), backs it up and migrates it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
import structlog

from bot.store.database import Database
from bot.store.sqlite import SQLiteTooOldError
from bot.store.upgrade import UnusableError, migrate

log = structlog.get_logger()


@contextmanager
def open_database(url: str) -> Iterator[None]:
    """Migrate the database at `url`. A SQLite file stays locked while the context lasts.

    PostgreSQL is not locked: any number of processes may use it.

    Raises:
        UnusableError: with a sentence for the operator.
    """
    try:
        database = Database(url)
    except SQLiteTooOldError as error:
        raise UnusableError(str(error)) from None
    with _exclusive(database.file):
        try:
            backup = migrate(database)
        except (OSError, sa.exc.DBAPIError) as error:
            raise UnusableError(explain(error, database.file)) from None
        finally:
            database.close()
        if backup is not None:
            log.info("upgraded", backup=str(backup))
        yield


@contextmanager
def _exclusive(file: Path | None) -> Iterator[None]:
    """Lock the file beside the database. The kernel releases the lock when the process ends."""
    if file is None:
        yield
        return
    # Not the database itself: closing any descriptor of a file drops SQLite's POSIX locks on it.
    # https://www.sqlite.org/howtocorrupt.html
    lock_file = file.with_name(f"{file.name}.lock")
    try:
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnusableError(explain(error, file)) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnusableError(
                f"Another ampbot is serving the database {file}, and SQLite is for one at a time. Stop that one, or "
                "set AMPBOT_DATABASE_URL to another file, or to PostgreSQL to run several."
            ) from None
        yield
    finally:
        os.close(handle)


def explain(error: OSError | sa.exc.DBAPIError, file: Path | None) -> str:
    """Why the database cannot be used, as a sentence without SQL."""
    reason = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else error.strerror or str(error)
    reason = " ".join(reason.split()).rstrip(".")
    if file is None:
        return f"PostgreSQL cannot be used: {reason}. Check that it runs, and AMPBOT_DATABASE_URL."
    if "not a database" in reason:
        return f"The file {file} is not a SQLite database. Set AMPBOT_DATABASE_URL to the right one, or to a new file."
    return (
        f"The database {file} cannot be used: {reason}. Check the path in AMPBOT_DATABASE_URL, its mode and its disk."
    )
