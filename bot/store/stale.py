"""Queries of the sweep: unfinished work, and rows past their retention time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.deliveries import workflow_key
from bot.store.holds import workflow_key as workflow_key_of_run
from bot.store.tables import artifacts, attempts, deliveries, effects, marks, run_events, runs, threads, transcript


@dataclass(frozen=True, slots=True)
class SandboxUse:
    """A run's sandbox."""

    ended: bool
    sandbox: str | None  # None: not stored yet


@dataclass(frozen=True, slots=True)
class PendingRun:
    """An unfinished run that was handed to DBOS."""

    run: str
    installation: int
    key: str  # of its first workflow


def sandbox_uses(connection: Connection, ids: tuple[str, ...]) -> Mapping[str, SandboxUse]:
    """Run id -> its sandbox. Unknown runs are left out."""
    found: dict[str, SandboxUse] = {}
    for start in range(0, len(ids), 500):
        query = sa.select(runs.c.id, runs.c.ended_at, runs.c.sandbox).where(runs.c.id.in_(ids[start : start + 500]))
        found |= {row.id: SandboxUse(row.ended_at is not None, row.sandbox) for row in connection.execute(query)}
    return found


def unfinished_deliveries(connection: Connection, limit: int = 1000) -> Mapping[str, str]:
    """GUID -> workflow key of dispatched deliveries that are not closed, oldest first."""
    query = sa.select(deliveries.c.guid, deliveries.c.renewals).where(
        deliveries.c.closed_at.is_(None), deliveries.c.taken_at.is_not(None)
    )
    found = connection.execute(query.order_by(deliveries.c.received_at).limit(limit))
    return {row.guid: workflow_key(row.guid, row.renewals) for row in found}


def unfinished_runs(connection: Connection, limit: int = 1000) -> tuple[PendingRun, ...]:
    """Runs that were handed to DBOS and have not ended, oldest first."""
    query = sa.select(runs.c.id, runs.c.installation, runs.c.holds).where(
        runs.c.ended_at.is_(None), runs.c.active, runs.c.queued_in_engine_at.is_not(None)
    )
    rows = connection.execute(query.order_by(runs.c.created_at).limit(limit))
    return tuple(PendingRun(row.id, row.installation, workflow_key_of_run(row.id, row.holds)) for row in rows)


def issues_without_active_run(connection: Connection) -> tuple[tuple[int, int], ...]:
    """(repository, number) of issues with queued runs and no active one."""
    other = runs.alias()
    active = sa.select(other.c.id).where(
        other.c.repository == runs.c.repository, other.c.number == runs.c.number, other.c.active
    )
    query = sa.select(runs.c.repository, runs.c.number).where(runs.c.ended_at.is_(None), ~active.exists()).distinct()
    return tuple((row.repository, row.number) for row in connection.execute(query))


def retried_effects(connection: Connection, since: float, lag: float) -> frozenset[str]:
    """Keys of effects completed since `since` (epoch seconds) after `lag` seconds or more: possibly made twice."""
    query = sa.select(effects.c.key).where(effects.c.done_at >= since, effects.c.done_at - effects.c.tried_at >= lag)
    return frozenset(connection.scalars(query))


def plans(connection: Connection, since: float) -> tuple[str, ...]:
    """Plans of the deliveries that are open or were closed since `since` (epoch seconds)."""
    recent = sa.or_(deliveries.c.closed_at >= since, deliveries.c.closed_at.is_(None))
    return tuple(connection.scalars(sa.select(deliveries.c.plan).where(recent, deliveries.c.plan.is_not(None))))


# --- retention --------------------------------------------------------------------------------------


def delete_contents(connection: Connection, before: float) -> int:
    """Delete the contents of what ended before `before` (epoch seconds), but not the ids. Returns how many rows."""
    old = sa.and_(deliveries.c.closed_at < before, sa.or_(deliveries.c.body != b"", deliveries.c.plan.is_not(None)))
    emptied = connection.execute(deliveries.update().where(old).values(body=b"", plan=None)).rowcount
    ended = sa.select(runs.c.id).where(runs.c.ended_at < before)
    for table in (transcript, artifacts, run_events):
        emptied += connection.execute(table.delete().where(table.c.run.in_(ended))).rowcount
    return emptied


def delete_rows(connection: Connection, before: float, attempts_before: float) -> int:
    """Delete rows that ended before `before`, and redelivery attempts before `attempts_before` (epoch seconds)."""
    dropped = connection.execute(deliveries.delete().where(deliveries.c.closed_at < before)).rowcount
    dropped += connection.execute(runs.delete().where(runs.c.ended_at < before)).rowcount
    dropped += connection.execute(effects.delete().where(effects.c.tried_at < before)).rowcount
    dropped += connection.execute(attempts.delete().where(attempts.c.at < before)).rowcount
    dropped += connection.execute(threads.delete().where(threads.c.updated_at < before)).rowcount
    asked = sa.and_(marks.c.name.startswith("asked:"), marks.c.at < attempts_before)
    return dropped + connection.execute(marks.delete().where(asked)).rowcount
