"""From stored rows to workflows: at once for what this process stored, else by a slow look."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch.delivery import close_ignored
from bot.engine.workflows import Engine
from bot.store import deliveries, runs

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """A workflow's name and its queue's. They outlive deploys: other steps in it make it another shape."""

    workflow: str
    queue: str


# What is begun now takes the first shape. Older ones stand behind it until no database can hold any that has not
# ended; code that does not know a shape leaves it to others.
RUNS: tuple[WorkflowVersion, ...] = (WorkflowVersion("run_v1", "runs_v1"),)
# Deliveries are dispatched at once, in no queue; those of a dead worker wait in it for a living one.
DISPATCHES: tuple[WorkflowVersion, ...] = (WorkflowVersion("dispatch_v1", "dispatches_v1"),)

# Nothing depends on this look: it finds what a crash left between a row and its workflow.
LOOK_SECONDS = 2.0


async def dispatch_pending(context: Context, engine: Engine, failed: set[str] | None = None) -> int:
    """Start a workflow for each delivery and each admitted run that has none; says how many. Twice is harmless.

    Those in `failed` are left alone, and those that could not be started are added to it.
    """
    failed = set() if failed is None else failed
    waiting = await context.database.read(deliveries.undispatched, without=failed)
    dismissed = await close_ignored(context, waiting)
    started = len(dismissed)
    # All at once: one after the other, each would wait behind what those before it have begun to do.
    starts = [
        _start(
            context,
            partial(engine.begin, DISPATCHES[0].workflow, key=f"delivery:{guid}", argument=guid),
            deliveries.mark_dispatched,
            guid,
        )
        for guid in waiting
        if guid not in dismissed
    ]
    for run, installation in await context.database.read(runs.ready_to_enqueue, without=failed):
        name, queue = RUNS[0].workflow, RUNS[0].queue
        enqueue = partial(engine.enqueue, name, queue=queue, partition=str(installation), key=run, argument=run)
        starts.append(_start(context, enqueue, runs.mark_enqueued, run))
    for key, well in await asyncio.gather(*starts):
        started += well
        if not well:
            failed.add(key)
    return started


async def _start(
    context: Context, start: Callable[[], Awaitable[None]], done: Callable[[Connection, str], None], key: str
) -> tuple[str, bool]:
    try:
        await start()
        await context.database.write(done, key)
    except Exception:  # one row that cannot be started must not keep the others waiting
        log.exception("not started", key=key)
        return key, False
    return key, True


async def watch(context: Context, engine: Engine) -> None:
    """Take up what is waiting, for ever."""
    while True:
        context.work.clear()
        failed: set[str] = set()  # they are tried again at the next look
        try:
            while await dispatch_pending(context, engine, failed):
                pass
        except sa.exc.SQLAlchemyError as error:
            # A locked or restarting database: the rows are still there at the next look.
            log.warning("inbox could not look", error=type(error).__name__)
        except Exception:  # a mistake of ours in one row must not end the taking up of all others
            log.exception("inbox could not look")
        try:
            await asyncio.wait_for(context.work.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue
