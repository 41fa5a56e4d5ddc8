"""Many machines: the living finish what the dead began. PostgreSQL only; on SQLite a restart recovers everything.

Dead is an executor whose advisory lock is free. One that still holds its lock, but whose work gives no sign of life
(frozen, or cut off from us alone), is ended first: its session, hence its lock.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch import inbox
from bot.dispatch.inbox import WorkflowVersion
from bot.engine.lock import WorkerLock
from bot.engine.workflows import Engine, Pending
from bot.store import deliveries, runs
from bot.text import messages

log = structlog.get_logger()

# A run that outlives so many of its workers is what ends them.
MAX_TAKEOVERS = 10


async def heartbeat(context: Context, engine: Engine) -> None:
    """Write down, for ever, that the work of this process goes on."""
    while True:
        await asyncio.sleep(context.settings.silent_seconds / 4)
        at_work = _under_way(engine, inbox.RUNS)
        dispatched = _under_way(engine, inbox.DISPATCHES)
        try:
            await context.database.write(runs.heartbeat, at_work)
            await context.database.write(deliveries.heartbeat, dispatched)
        except sa.exc.SQLAlchemyError as error:
            log.warning("no pulse", error=type(error).__name__)
        except Exception:  # without a pulse the others would take a healthy worker for a frozen one
            log.exception("no pulse")


def _under_way(engine: Engine, shapes: tuple[WorkflowVersion, ...]) -> frozenset[str]:
    under_way = engine.under_way
    return frozenset[str]().union(*(under_way[shape.workflow] for shape in shapes))


async def watch(context: Context, engine: Engine, lock: WorkerLock) -> None:
    """Look after the others, for ever."""
    silent: frozenset[tuple[str, float]] = frozenset()
    while True:
        try:
            pending = [each for each in await engine.pending() if each.executor != lock.executor]
            for executor in {each.executor for each in pending}:
                await _take_over(context, engine, lock, executor)
            silent = await _fence_stale(context, lock, pending, silent)
        except sa.exc.SQLAlchemyError as error:
            log.warning("could not look after the others", error=type(error).__name__)
        except Exception:  # whatever it was, the dead must not stay unnoticed for ever
            log.exception("could not look after the others")
        await asyncio.sleep(min(2.0, context.settings.silent_seconds / 4))


async def _take_over(context: Context, engine: Engine, lock: WorkerLock, executor: str) -> None:
    async with lock.of(executor) as dead:
        if not dead:
            return
        # Read again under its lock: another survivor may have been here.
        left = [each for each in await engine.pending() if each.executor == executor]
        for shape in (*inbox.RUNS, *inbox.DISPATCHES):
            found = [each for each in left if each.workflow == shape.workflow]
            keys, ids = [each.key for each in found], [each.argument for each in found]
            if shape in inbox.RUNS and keys:
                hopeless = await context.database.write(runs.count_takeover, ids, MAX_TAKEOVERS)
                for run in hopeless:
                    await context.database.write(runs.end, run, messages.internal_error(run))
            if keys:
                await engine.resume(keys, queue=shape.queue)
                log.warning("taken over", executor=executor, workflow=shape.workflow, count=len(keys))


async def _fence_stale(
    context: Context, lock: WorkerLock, pending: list[Pending], before: frozenset[tuple[str, float]]
) -> frozenset[tuple[str, float]]:
    """End those whose work was silent at the last look too: what has just left the queue has not spoken yet."""
    executors = {each.argument: each.executor for each in pending}
    seconds = context.settings.silent_seconds
    found = await context.database.read(_stale, seconds)
    silent = frozenset(each for each in found if each[0] in executors)
    for executor in {executors[argument] for argument, _ in silent & before}:
        log.warning("silent", executor=executor, ended=await lock.end(executor))
    return silent


def _stale(connection: Connection, seconds: float) -> tuple[tuple[str, float], ...]:
    """(run or delivery, time of its last heartbeat) of the work that has been silent for so long."""
    return (*runs.stale(connection, seconds), *deliveries.stale(connection, seconds))
