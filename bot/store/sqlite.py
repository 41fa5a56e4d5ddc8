"""The one SQLite library of this process: two of them on one WAL file lose committed rows."""

from __future__ import annotations

from types import ModuleType

# The engine's schema calls unixepoch('subsec'), which older libraries answer with NULL:
# https://sqlite.org/releaselog/3_42_0.html
OLDEST = (3, 42, 0)


class SQLiteTooOldError(RuntimeError):
    """No SQLite in this Python is new enough; the message says which was found and what to install."""


def module() -> ModuleType:
    """The DB-API module every part of ampbot opens SQLite files with.

    Raises:
        SQLiteTooOldError: neither the standard library's SQLite nor pysqlite3's will do.
    """
    import sqlite3

    if sqlite3.sqlite_version_info >= OLDEST:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        found = sqlite3.sqlite_version
        raise SQLiteTooOldError(
            f"SQLite {found} is too old: ampbot needs {'.'.join(map(str, OLDEST))} or newer. "
            "Install pysqlite3-binary, use a newer Python, or set AMPBOT_DATABASE_URL to PostgreSQL."
        ) from None
    if pysqlite3.sqlite_version_info < OLDEST:
        raise SQLiteTooOldError(
            f"pysqlite3 carries SQLite {pysqlite3.sqlite_version}, which is too old: upgrade pysqlite3-binary."
        )
    found_module: ModuleType = pysqlite3
    return found_module
