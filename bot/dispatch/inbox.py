"""Starts workflows for stored deliveries and runs: when woken by an event, else by polling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch.delivery import close_ignored
from bot.engine.workflows import Engine
from bot.run import hold_switch
from bot.store import deliveries, runs

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """The stored names of a workflow and its queue. Changed steps need a new version."""

    workflow: str
    queue: str


# New workflows use the first version. Older versions stay listed until no database can hold unfinished ones. Code
# leaves versions it does not know to other workers.
RUNS: tuple[WorkflowVersion, ...] = (WorkflowVersion("run_v1", "runs_v1"),)
# Deliveries are dispatched outside the queue. It takes those of a dead worker.
DISPATCHES: tuple[WorkflowVersion, ...] = (WorkflowVersion("dispatch_v1", "dispatches_v1"),)

# Polling is a fallback: it finds rows whose workflow was not started because of a crash.
POLL_SECONDS = 2.0


async def dispatch_pending(context: Context, engine: Engine, failed: set[str] | None = None) -> int:
    """Start a workflow for each delivery and active run without one. Returns how many. Idempotent.

    Keys in `failed` are skipped; keys that could not be started are added to it.
    """
    failed = set() if failed is None else failed
    waiting = await context.database.read(deliveries.undispatched, without=failed)
    closed, others = await close_ignored(context, waiting)
    started = len(closed)
    # In parallel: in sequence, each start would wait for the event loop behind the workflows started before.
    starts = [
        _start(
            context,
            partial(engine.start_workflow, DISPATCHES[0].workflow, key=key, argument=guid),
            deliveries.mark_dispatched,
            guid,
        )
        for guid, key in waiting.items()
        if guid not in closed | others
    ]
    await hold_switch.read(context)
    for run in await context.database.read(runs.ready_to_enqueue, without=failed):
        name, queue = RUNS[0].workflow, RUNS[0].queue
        partition = str(run.installation)
        enqueue = partial(engine.enqueue, name, queue=queue, partition=partition, key=run.key, argument=run.id)
        starts.append(_start(context, enqueue, partial(runs.mark_enqueued, times_held=run.holds), run.id))
    for key, ok in await asyncio.gather(*starts):
        started += ok
        if not ok:
            failed.add(key)
    return started


async def _start(
    context: Context, start: Callable[[], Awaitable[None]], done: Callable[[Connection, str], None], key: str
) -> tuple[str, bool]:
    try:
        await start()
        await context.database.write(done, key)
    except Exception:  # one bad row must not block the others
        log.exception("not started", key=key)
        return key, False
    return key, True


async def dispatch_forever(context: Context, engine: Engine) -> None:
    """Dispatch whatever waits, for ever."""
    while True:
        context.work.clear()
        failed: set[str] = set()  # they are retried at the next poll
        try:
            while await dispatch_pending(context, engine, failed):
                pass
        except sa.exc.SQLAlchemyError as error:
            # The database is locked or restarting: retry at the next poll.
            log.warning("inbox could not look", error=type(error).__name__)
        except Exception:  # a bug must not end the loop
            log.exception("inbox could not look")
        with suppress(TimeoutError):
            # Not asyncio.wait_for: before Python 3.12 it can swallow a cancellation, and the process would not end.
            # https://github.com/python/cpython/issues/86296
            async with asyncio.timeout(POLL_SECONDS):
                await context.work.wait()
