"""The one SQLite library of this process. Two libraries on one file break each other's locks and lose committed rows.

https://www.sqlite.org/howtocorrupt.html (section 2.2.1)
"""

from __future__ import annotations

from types import ModuleType

# DBOS's schema calls unixepoch('subsec'), for which older libraries return NULL:
# https://sqlite.org/releaselog/3_42_0.html
MIN_VERSION = (3, 42, 0)


class SQLiteTooOldError(RuntimeError):
    """No SQLite in this Python is new enough. The message says which was found and what to install."""


def module() -> ModuleType:
    """The DB-API module with which all of ampbot opens SQLite files.

    Raises:
        SQLiteTooOldError: both the standard library's SQLite and pysqlite3's are too old.
    """
    import sqlite3

    if sqlite3.sqlite_version_info >= MIN_VERSION:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        found = sqlite3.sqlite_version
        raise SQLiteTooOldError(
            f"SQLite {found} is too old: ampbot needs {'.'.join(map(str, MIN_VERSION))} or newer. "
            "Install pysqlite3-binary, use a newer Python, or set AMPBOT_DATABASE_URL to PostgreSQL."
        ) from None
    if pysqlite3.sqlite_version_info < MIN_VERSION:
        raise SQLiteTooOldError(
            f"pysqlite3 carries SQLite {pysqlite3.sqlite_version}, which is too old: upgrade pysqlite3-binary."
        )
    found_module: ModuleType = pysqlite3
    return found_module
