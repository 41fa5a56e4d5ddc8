"""Change sets that could not be published: which one a retry takes, and how it becomes the retry's own."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Ending, Kept, PinnedBase
from bot.store import runs, stops
from bot.store.database import now
from bot.store.runs import Run
from bot.store.tables import artifacts, run_events

# The run event that says that Amp works again on a retry; its detail says why.
ANEW = "anew"


# The name of the artifact that is the change set.
CHANGES = "changes"


def of(connection: Connection, run: Run) -> Kept:
    """What is kept of a run that fails: its change set, once that is collected, whatever failed then.

    A review has none. That of an agent which failed is there to be looked at, unless somebody asked for it unfinished.
    """
    if (
        not run.request.kind.rules.publishes
        or run.outcome is None
        or not runs.has_artifact(connection, run.id, CHANGES)
    ):
        return Kept.NOTHING
    complete = run.outcome.ok or stops.stopped_by(connection, run.id) != ""
    return Kept.TO_PUBLISH if complete else Kept.TO_SEE


def end_failed(connection: Connection, run: str, ending: Ending) -> None:
    """Decide the ending of a run that failed, unless it is decided, with what is kept of it."""
    runs.end(connection, run, replace(ending, kept=of(connection, runs.get(connection, run))))


def source(run: Run) -> str | None:
    """The run whose kept change set a retry of `run` publishes, if it still applies. None: Amp works again."""
    if run.ending is not None and run.ending.kept is Kept.TO_PUBLISH:
        return run.id
    # A retry that was stopped, or that failed, before it had anything done.
    return run.request.kept_from if run.agent_at is None and run.commit is None else None


def find(connection: Connection, run: str) -> Run | None:
    """The run that kept a change set; None if that is gone."""
    held = sa.select(artifacts.c.run).where(artifacts.c.run == run)
    return runs.get(connection, run) if connection.scalar(held.limit(1)) is not None else None


def take(connection: Connection, run: str, old: Run, pinned: PinnedBase, *, started: bool) -> None:
    """Make what `old` kept that of `run`: the change set and Amp's answer, to be published on `pinned`.

    `started`: a part of it was published, so go on with the same commit and branch. Idempotent.
    """
    assert old.outcome is not None  # noqa: S101 - its change set was collected
    connection.execute(artifacts.delete().where(artifacts.c.run == run))
    columns = (sa.literal(run), artifacts.c.name, artifacts.c.content, sa.literal(now()))
    copied = sa.select(*columns).where(artifacts.c.run == old.id)
    connection.execute(artifacts.insert().from_select(["run", "name", "content", "created_at"], copied))
    runs.record_base(connection, run, pinned)
    if started and old.commit is not None and old.branch is not None:
        runs.set_commit(connection, run, old.commit, old.branch)
    if stopped_by := stops.stopped_by(connection, old.id):  # with `/amp stop keep`: it becomes a draft
        runs.append_event(connection, run, stops.STOP, stopped_by)
    runs.set_kept_outcome(connection, run, replace(old.outcome, kept_from=old.outcome.kept_from or old.id))


def let_go(connection: Connection, run: str, why: str) -> None:
    """Amp works again."""
    runs.append_event(connection, run, ANEW, why)


def why_anew(connection: Connection, run: str) -> str | None:
    """Why Amp works again on this retry; None if it does not, or that is not decided."""
    query = sa.select(run_events.c.detail).where(run_events.c.run == run, run_events.c.event == ANEW)
    return connection.scalar(query.limit(1))
