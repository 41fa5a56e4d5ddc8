"""Queries of `ampbot runs`: the latest runs, runs by id prefix, and a run's events."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store import runs
from bot.store.runs import Run
from bot.store.tables import run_events
from bot.store.tables import runs as runs_table


@dataclass(frozen=True, slots=True)
class RunEvent:
    at: float  # epoch seconds
    event: str
    detail: str


def latest(connection: Connection, limit: int) -> tuple[Run, ...]:
    """The latest runs, newest first."""
    query = sa.select(runs_table.c.id).order_by(runs_table.c.created_at.desc(), runs_table.c.id).limit(limit)
    return tuple(runs.get(connection, run) for run in connection.scalars(query))


def ids_with_prefix(connection: Connection, prefix: str, limit: int) -> tuple[str, ...]:
    """Up to `limit` run ids that begin with `prefix`."""
    query = sa.select(runs_table.c.id).where(runs_table.c.id.startswith(prefix.lower(), autoescape=True))
    return tuple(connection.scalars(query.order_by(runs_table.c.id).limit(limit)))


def events(connection: Connection, run: str) -> tuple[RunEvent, ...]:
    """What happened to a run, oldest first."""
    query = sa.select(run_events).where(run_events.c.run == run).order_by(run_events.c.sequence)
    return tuple(RunEvent(row.at, row.event, row.detail) for row in connection.execute(query))


def repository_id(connection: Connection, name: str) -> int | None:
    """The id of the repository that had this full name when its latest run was requested; None if there is none."""
    latest_of = sa.select(runs_table.c.repository, sa.func.max(runs_table.c.created_at).label("at"))
    each = latest_of.group_by(runs_table.c.repository).subquery()
    newest = sa.and_(runs_table.c.repository == each.c.repository, runs_table.c.created_at == each.c.at)
    query = sa.select(runs_table.c.id).join(each, newest).order_by(runs_table.c.created_at.desc())
    for run in connection.scalars(query).all():
        repo = runs.get(connection, run).request.issue.repo
        if repo.full_name.lower() == name.lower():
            return repo.id
    return None
