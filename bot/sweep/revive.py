"""Requeues deliveries and runs whose workflow is gone or has failed, under a new workflow id, at most three times."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch import inbox
from bot.dispatch.give_up import show_given_up
from bot.engine.workflows import Engine
from bot.run.report import report
from bot.store import deliveries, kept, runs, stale
from bot.store.deliveries import GIVEN_UP
from bot.store.stale import PendingRun
from bot.text import messages

log = structlog.get_logger()

# In addition to the first workflow.
MAX_REQUEUES = 3
# How long the sweep tries to show the ending of one run.
REPORT_SECONDS = 120.0


async def requeue(context: Context, engine: Engine) -> None:
    """Requeue unfinished work without a live workflow; fail it after MAX_REQUEUES. Raises: the database's errors."""
    for repository, number in await context.database.read(stale.issues_without_active_run):
        log.warning("conversation freed", repository=repository, number=number)
        await context.database.write(runs.activate_next, repository=repository, number=number)
        context.work.set()
    guids = await context.database.read(stale.unfinished_deliveries)
    keys = await _without_workflow(engine, guids)
    # Read again: a workflow that ended meanwhile has finished its delivery.
    for guid in await context.database.read(stale.unfinished_deliveries):
        if guid in keys:
            await _requeue_delivery(context, engine, guid, keys[guid])
    unfinished = await context.database.read(stale.unfinished_runs)
    keys = await _without_workflow(engine, {pending.run: pending.key for pending in unfinished})
    for pending in await context.database.read(stale.unfinished_runs):
        if pending.run in keys:
            await _requeue_run(context, engine, pending, keys[pending.run])


async def _without_workflow(engine: Engine, first_keys: Mapping[str, str]) -> dict[str, str | None]:
    """The items without a live workflow. The value is the id for the next workflow; None after MAX_REQUEUES."""
    keys_of = {
        item: [first, *(f"{first}:{number}" for number in range(1, MAX_REQUEUES + 1))]
        for item, first in first_keys.items()
    }
    alive = await engine.are_active([key for keys in keys_of.values() for key in keys])
    return {
        item: next((key for key in keys if key not in alive), None)
        for item, keys in keys_of.items()
        if not any(alive.get(key) for key in keys)
    }


async def _requeue_delivery(context: Context, engine: Engine, guid: str, key: str | None) -> None:
    if key is not None:
        log.warning("delivery revived", guid=guid, key=key)
        await engine.start_workflow(inbox.DISPATCHES[0].workflow, key=key, argument=guid)
        return
    log.error("delivery given up", guid=guid)
    try:
        async with asyncio.timeout(REPORT_SECONDS):
            await show_given_up(context, guid)
    except Exception:  # what made its workflow fail may fail here, too
        log.exception("delivery given up unseen", guid=guid)

    def close(connection: Connection) -> None:
        deliveries.store_plan(connection, guid, "[]", GIVEN_UP)
        deliveries.give_up(connection, guid)
        deliveries.close(connection, guid)

    await context.database.write(close)


async def _requeue_run(context: Context, engine: Engine, pending: PendingRun, key: str | None) -> None:
    run = pending.run
    if key is not None:
        log.warning("run revived", run=run, key=key)
        version, partition = inbox.RUNS[0], str(pending.installation)
        await engine.enqueue(version.workflow, queue=version.queue, partition=partition, key=key, argument=run)
        return
    log.error("run given up", run=run)
    await context.database.write(kept.end_failed, run, messages.internal_error(run))
    try:
        async with asyncio.timeout(REPORT_SECONDS):
            await report(context, run)
    except Exception:  # what made its workflow fail may fail here, too; the next run of the issue must start anyway
        log.exception("ending not shown", run=run)
        row = await context.database.read(runs.get, run=run)
        await context.database.write(runs.finish, run=row)
        context.work.set()
