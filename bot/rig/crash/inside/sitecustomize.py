"""Kills the bot's process at a chosen commit. Python imports this by itself, because PYTHONPATH names its folder.

A commit is a transaction that changed a row, or a writing statement outside of a transaction. RIG_COMMITS names the
folder with two files: `plan` says where to kill (see bot.rig.crash.commits), `seen` lists the commits made.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

_WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+([\w.\"]+)", re.IGNORECASE)


class _CommitKiller:
    """Counts this process's commits by what they wrote, from the time a plan appears."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._plan = ""
        self._counts: Counter[str] = Counter()

    def reached(self, what: str, side: str) -> None:
        """Called before and after a commit of `what`. Kills the process if the plan says so."""
        with self._lock:
            try:
                plan = (self._folder / "plan").read_text()
            except FileNotFoundError:
                return
            if plan != self._plan:
                self._plan = plan
                self._counts.clear()
            if side == "before":
                self._counts[what] += 1
            name = f"{what}\t{self._counts[what]}"
            if plan.splitlines()[1:] == [f"{name}\t{side}"]:
                os.kill(os.getpid(), signal.SIGKILL)
            if side == "after":
                with (self._folder / "seen").open("a") as seen:
                    seen.write(f"{name}\n")


def _written(sql: object) -> str | None:
    found = _WRITES.search(sql if isinstance(sql, str) else str(sql))
    return f"{found[1].split()[0].lower()} {found[2].replace(chr(34), '').rpartition('.')[2]}" if found else None


def _wrap_sqlite(module: Any, killer: _CommitKiller) -> None:
    class Cursor(module.Cursor):  # type: ignore[misc]  # whichever SQLite module it is
        def execute(self, sql: str, *parameters: Any) -> Any:
            self.connection.noted(sql)
            return super().execute(sql, *parameters)

        def executemany(self, sql: str, *parameters: Any) -> Any:
            self.connection.noted(sql)
            return super().executemany(sql, *parameters)

    class Connection(module.Connection):  # type: ignore[misc]  # as above
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.changes_before = 0
            self.wrote: list[str] = []

        def noted(self, sql: str) -> None:
            if sql.strip().upper() == "COMMIT":
                raise RuntimeError("a COMMIT as text: the crash walk does not see it")
            if (what := _written(sql)) is not None and what not in self.wrote:
                self.wrote.append(what)

        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def commit(self) -> None:
            wrote, self.wrote = " + ".join(self.wrote), []
            changed = self.in_transaction and self.total_changes != self.changes_before
            if changed:
                killer.reached(wrote, "before")
            super().commit()
            self.changes_before = self.total_changes
            if changed:
                killer.reached(wrote, "after")

        def rollback(self) -> None:
            self.wrote = []
            super().rollback()
            self.changes_before = self.total_changes

    connect = module.connect

    def connected(*arguments: Any, **options: Any) -> Any:
        return connect(*arguments, **{"factory": Connection, **options})

    module.connect = connected


def _wrap_psycopg(psycopg: Any, killer: _CommitKiller) -> None:
    wrote: dict[int, list[str]] = {}  # by connection

    def wrapped(execute: Any) -> Any:
        def run(self: Any, query: Any, *parameters: Any, **options: Any) -> Any:
            what = _written(query)
            if what is None:
                return execute(self, query, *parameters, **options)
            if self.connection.autocommit:
                killer.reached(what, "before")
                result = execute(self, query, *parameters, **options)
                killer.reached(what, "after")
                return result
            result = execute(self, query, *parameters, **options)
            noted = wrote.setdefault(id(self.connection), [])
            if self.rowcount != 0 and what not in noted:
                noted.append(what)
            return result

        return run

    for name in ("execute", "executemany"):
        setattr(psycopg.Cursor, name, wrapped(getattr(psycopg.Cursor, name)))
    commit, rollback = psycopg.Connection.commit, psycopg.Connection.rollback

    def committed(self: Any) -> None:
        what = " + ".join(wrote.pop(id(self), ()))
        if what:
            killer.reached(what, "before")
        commit(self)
        if what:
            killer.reached(what, "after")

    def rolled_back(self: Any) -> None:
        wrote.pop(id(self), None)
        rollback(self)

    psycopg.Connection.commit, psycopg.Connection.rollback = committed, rolled_back


def _begin() -> None:
    folder = os.environ.get("RIG_COMMITS")
    if folder is None:
        return
    killer = _CommitKiller(Path(folder))
    for name in ("sqlite3", "pysqlite3"):
        try:
            _wrap_sqlite(importlib.import_module(name), killer)
        except ImportError:
            continue
    _wrap_psycopg(importlib.import_module("psycopg"), killer)


_begin()
