"""Stopping runs: which runs of an issue a stop command affects, and how. Stopping and publishing exclude each other:
the run's row decides."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Ending, RunState
from bot.store.runs import Run, append_event, end, finish, get, lock_queue
from bot.store.tables import run_events, runs

DROP, KEEP = "drop", "keep"
# The run event whose detail is the login of who stopped the run.
STOP = "stop"


class StopResult(StrEnum):
    """What a stop command did to a run."""

    DROPPED = "dropped"  # stopped; its changes are not published
    KEPT = "kept"  # the agent is stopped, its changes are published
    TOO_LATE = "late"  # not stopped: it is publishing, or has ended otherwise
    ALREADY_STOPPED = "over"  # an earlier command stopped it


def unended(connection: Connection, repository: int, number: int) -> tuple[Run, ...]:
    """The issue's runs that have not ended: the active one, then the queue in order."""
    query = sa.select(runs.c.id).where(
        runs.c.repository == repository, runs.c.number == number, runs.c.ended_at.is_(None)
    )
    ordered = query.order_by(runs.c.active.desc(), runs.c.created_at, runs.c.id)
    return tuple(get(connection, run) for run in connection.scalars(ordered).all())


def latest_ended(connection: Connection, repository: int, number: int) -> Run | None:
    """The latest requested run of the issue whose ending is decided."""
    query = sa.select(runs.c.id).where(
        runs.c.repository == repository, runs.c.number == number, runs.c.ending.is_not(None)
    )
    run = connection.scalar(query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(1))
    return None if run is None else get(connection, run)


def stop(connection: Connection, run: str, by: str, *, keep: bool, ending: Callable[[RunState], Ending]) -> StopResult:
    """Stop a run on behalf of the login `by`. `ending` gives its ending for the state it was in.

    A queued run ends at once. `keep`: publish the changes, if the agent has started on a run that makes some.
    """
    issue = get(connection, run).request.issue
    lock_queue(connection, issue.repo.id, issue.number)
    # PostgreSQL: lock the row against a concurrent change of state.
    connection.execute(sa.select(runs.c.id).where(runs.c.id == run).with_for_update())
    row = get(connection, run)
    if row.ending is not None:
        return StopResult.ALREADY_STOPPED if row.state is RunState.STOPPED else StopResult.TOO_LATE
    if row.state is RunState.PUBLISHING:
        return StopResult.TOO_LATE
    has_work = row.state in (RunState.WORKING, RunState.COLLECTING) and row.request.kind.rules.publishes
    kept = keep and has_work
    connection.execute(runs.update().where(runs.c.id == run).values(stop=KEEP if kept else DROP))
    append_event(connection, run, STOP, by)
    if kept:
        return StopResult.KEPT
    end(connection, run, ending(row.state))
    if row.state is RunState.QUEUED:
        finish(connection, row)
    return StopResult.DROPPED


def stopped_by(connection: Connection, run: str) -> str:
    """Login of who stopped the run last, or ""."""
    query = sa.select(run_events.c.detail).where(run_events.c.run == run, run_events.c.event == STOP)
    return connection.scalar(query.order_by(run_events.c.sequence.desc()).limit(1)) or ""
