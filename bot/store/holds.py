"""Holds: while the operator has put everything or one repository on hold, no run leaves its queue.

A hold is a mark (bot/store/kv.py): `hold:all`, `hold:file` for the file switch, and `hold:ID` for a repository. Setting
one and leaving the queue exclude each other, so that nothing starts after `ampbot hold` has returned.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store import kv
from bot.store.database import now
from bot.store.tables import marks, runs

EVERYTHING = "hold:all"
FILE = "hold:file"


@dataclass(frozen=True, slots=True)
class Holds:
    """What is on hold now."""

    everything: bool = False
    file: str | None = None  # the machine whose file switch holds everything
    repositories: tuple[int, ...] = ()

    def hold(self, repository: int) -> bool:
        """Whether runs of this repository (id) are on hold."""
        return self.everything or self.file is not None or repository in self.repositories


def of_repository(repository: int) -> str:
    """The name of the hold of one repository (id)."""
    return f"hold:{repository}"


def current(connection: Connection) -> Holds:
    """The holds that are set."""
    found = {
        row.name: row.value for row in connection.execute(sa.select(marks).where(marks.c.name.startswith("hold:")))
    }
    ids = (name.removeprefix("hold:") for name in found)
    return Holds(EVERYTHING in found, found.get(FILE), tuple(sorted(int(each) for each in ids if each.isdecimal())))


def put(connection: Connection, name: str, value: str = "") -> None:
    """Set the hold `name`. Once committed, no run that it is about leaves its queue."""
    _lock(connection, shared=False)
    kv.put(connection, name, value)


def lift(connection: Connection, *names: str) -> None:
    """Lift these holds; without names, all of them."""
    _lock(connection, shared=False)
    wanted = marks.c.name.in_(names) if names else marks.c.name.startswith("hold:")
    connection.execute(marks.delete().where(wanted))


def workflow_key(run: str, holds: int) -> str:
    """The key of the run's workflow after it was put back so often: a key is used once."""
    return f"{run}:held-{holds}" if holds else run


def leave_queue(connection: Connection, run: str, key: str) -> bool:
    """Whether the workflow `key` may begin the run. If it is on hold, the run is put back, for a workflow to come.

    False also for a workflow whose run was put back before: it ends, and nothing is begun twice.
    """
    _lock(connection, shared=True)
    query = sa.select(runs.c.repository, runs.c.holds, runs.c.started_at).where(runs.c.id == run)
    row = connection.execute(query.with_for_update()).one()
    own = workflow_key(run, row.holds)
    if key != own and not (key.startswith(f"{own}:") and key.removeprefix(f"{own}:").isdecimal()):
        return False
    if row.started_at is not None or not current(connection).hold(row.repository):
        return True
    values = {"queued_in_engine_at": None, "holds": row.holds + 1, "progress_at": now()}
    connection.execute(runs.update().where(runs.c.id == run).values(values))
    return False


def _lock(connection: Connection, *, shared: bool) -> None:
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        take = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(take(sa.func.hashtextextended("hold", 0))))
