"""Stopping runs: which of a conversation's runs a word to stop meets, and what it does to each. One of stop and finish
wins: both are decided in the run's row."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Ending, RunState
from bot.store.runs import Run, append_event, end, finish, get, lock_queue
from bot.store.tables import run_events, runs

DROP, KEEP = "drop", "keep"
# The event that names who stopped a run.
STOP = "stop"


class StopResult(StrEnum):
    """What a word to stop has met."""

    DROPPED = "dropped"  # the run's end is decided: stopped
    KEPT = "kept"  # the agent is to end; what it has changed goes on to be published
    LATE = "late"  # it is being published, or its end was decided before
    OVER = "over"  # stopped already


def unended(connection: Connection, repository: int, number: int) -> tuple[Run, ...]:
    """The conversation's runs whose end is not visible yet, in the order of its line."""
    query = sa.select(runs.c.id).where(
        runs.c.repository == repository, runs.c.number == number, runs.c.ended_at.is_(None)
    )
    ordered = query.order_by(runs.c.active.desc(), runs.c.created_at, runs.c.id)
    return tuple(get(connection, run) for run in connection.scalars(ordered).all())


def latest_ended(connection: Connection, repository: int, number: int) -> Run | None:
    """The run asked for last among those whose end is decided."""
    query = sa.select(runs.c.id).where(
        runs.c.repository == repository, runs.c.number == number, runs.c.ending.is_not(None)
    )
    run = connection.scalar(query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(1))
    return None if run is None else get(connection, run)


def stop(connection: Connection, run: str, by: str, *, keep: bool, ending: Callable[[RunState], Ending]) -> StopResult:
    """Stop one run for the person `by`. `ending` says how it ends, by the state it was in.

    One that waits is over at once. With `keep` a run that has a checkout goes on to publish what exists.
    """
    issue = get(connection, run).request.issue
    lock_queue(connection, issue.repo.id, issue.number)
    # PostgreSQL: whoever finishes it now waits for us, or we for them.
    connection.execute(sa.select(runs.c.id).where(runs.c.id == run).with_for_update())
    row = get(connection, run)
    if row.ending is not None:
        return StopResult.OVER if row.state is RunState.STOPPED else StopResult.LATE
    if row.state is RunState.PUBLISHING:
        return StopResult.LATE
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
    """Login of who stopped the run last; "" if nobody did."""
    query = sa.select(run_events.c.detail).where(run_events.c.run == run, run_events.c.event == STOP)
    return connection.scalar(query.order_by(run_events.c.sequence.desc()).limit(1)) or ""
