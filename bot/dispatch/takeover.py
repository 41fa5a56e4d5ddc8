"""Workers take over the workflows of dead workers. PostgreSQL only; on SQLite a restart recovers them.

An executor is dead when its advisory lock is free. If it holds the lock but its work has no heartbeat (it is frozen, or
cut off), we first terminate the session of its lock.
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
from bot.engine.workflows import Engine, PendingWorkflow
from bot.store import deliveries, runs

log = structlog.get_logger()


async def heartbeat(context: Context, engine: Engine) -> None:
    """Store heartbeats for the workflows of this process, for ever."""
    while True:
        await asyncio.sleep(context.settings.silent_seconds / 4)
        active_runs = _running(engine, inbox.RUNS)
        dispatched = _running(engine, inbox.DISPATCHES)
        try:
            await context.database.write(runs.heartbeat, active_runs)
            await context.database.write(deliveries.heartbeat, dispatched)
        except sa.exc.SQLAlchemyError as error:
            log.warning("no pulse", error=type(error).__name__)
        except Exception:  # without heartbeats other workers would end this one
            log.exception("no pulse")


def _running(engine: Engine, versions: tuple[WorkflowVersion, ...]) -> frozenset[str]:
    running = engine.running
    return frozenset[str]().union(*(running[version.workflow] for version in versions))


async def watch_workers(context: Context, engine: Engine, lock: WorkerLock) -> None:
    """Watch other workers, and take over their work when they die, for ever."""
    silent: frozenset[tuple[str, float]] = frozenset()
    while True:
        try:
            pending = [workflow for workflow in await engine.list_pending() if workflow.executor != lock.executor]
            for executor in {workflow.executor for workflow in pending}:
                await _take_over(context, engine, lock, executor)
            silent = await _fence_stale(context, lock, pending, silent)
        except sa.exc.SQLAlchemyError as error:
            log.warning("could not look after the others", error=type(error).__name__)
        except Exception:  # a bug must not end the loop
            log.exception("could not look after the others")
        await asyncio.sleep(min(2.0, context.settings.silent_seconds / 4))


async def _take_over(context: Context, engine: Engine, lock: WorkerLock, executor: str) -> None:
    async with lock.try_lock(executor) as dead:
        if not dead:
            return
        # Read again under the lock: another worker may have taken them over.
        left = [workflow for workflow in await engine.list_pending() if workflow.executor == executor]
        for version in (*inbox.RUNS, *inbox.DISPATCHES):
            found = [workflow for workflow in left if workflow.workflow == version.workflow]
            keys, ids = [workflow.key for workflow in found], [workflow.argument for workflow in found]
            if version in inbox.RUNS and keys:
                await context.database.write(runs.count_takeover, ids)
            if keys:
                await engine.resume(keys, queue=version.queue)
                log.warning("taken over", executor=executor, workflow=version.workflow, count=len(keys))


async def _fence_stale(
    context: Context, lock: WorkerLock, pending: list[PendingWorkflow], before: frozenset[tuple[str, float]]
) -> frozenset[tuple[str, float]]:
    """Terminate executors whose work was stale at the last check too: what just left the queue has no heartbeat yet."""
    executors = {workflow.argument: workflow.executor for workflow in pending}
    seconds = context.settings.silent_seconds
    found = await context.database.read(_stale, seconds)
    silent = frozenset(item for item in found if item[0] in executors)
    for executor in {executors[argument] for argument, _ in silent & before}:
        log.warning("silent", executor=executor, ended=await lock.terminate(executor))
    return silent


def _stale(connection: Connection, seconds: float) -> tuple[tuple[str, float], ...]:
    """(run or delivery, last heartbeat) of the work without a heartbeat for `seconds`."""
    return (*runs.stale(connection, seconds), *deliveries.stale(connection, seconds))
