"""Opens the database for a command, also while the bot is running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from bot.settings import Settings
    from bot.store.database import Database


@contextmanager
def open_view(settings: Settings) -> Iterator[Connection]:
    """A read-only connection. On an error, prints a message and exits with code 1."""
    with _opened(settings) as database, database.view() as connection:
        yield connection


@contextmanager
def open_transaction(settings: Settings) -> Iterator[Connection]:
    """A connection whose changes are committed at the end. On an error, prints a message and exits with code 1."""
    with _opened(settings) as database, database.engine.begin() as connection:
        yield connection


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    import sqlalchemy as sa

    from bot.store.database import Database
    from bot.store.open_db import explain
    from bot.store.sqlite import SQLiteTooOldError

    try:
        database = Database(settings.database_url)
    except SQLiteTooOldError as error:
        fail(str(error))
    if database.file is not None and not database.file.exists():
        fail(f"There is no database {database.file} yet. AMPBOT_DATABASE_URL names it.")
    try:
        yield database
    except sa.exc.DBAPIError as error:
        fail(explain(error, database.file))
    finally:
        database.close()


def fail(message: str) -> NoReturn:
    """Print the message on standard error and exit with code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
