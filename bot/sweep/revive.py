"""Deliveries and runs whose workflow is gone or has failed are begun again under another key, a few times at most."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from bot.context import Context
from bot.dispatch import inbox
from bot.engine.workflows import Engine
from bot.run.report import report
from bot.store import deliveries, runs, stale
from bot.store.stale import PendingRun
from bot.text import messages

log = structlog.get_logger()

# Beside the first.
MAX_REQUEUES = 3
# How long the sweep tries to say in the thread that a run is lost.
SAY_SECONDS = 120.0


async def requeue(context: Context, engine: Engine) -> None:
    """Whatever is not done has a workflow that is not done, or gets one, or is given up visibly."""
    for repository, number in await context.database.read(stale.issues_without_active_run):
        log.warning("conversation freed", repository=repository, number=number)
        await context.database.write(runs.activate_next, repository=repository, number=number)
        context.work.set()
    guids = await context.database.read(stale.unfinished_deliveries)
    keys = await _lifeless(engine, {guid: f"delivery:{guid}" for guid in guids})
    # What ended just now is done and closed: only what still is not has lost its workflow.
    for guid in await context.database.read(stale.unfinished_deliveries):
        if guid in keys:
            await _delivery(context, engine, guid, keys[guid])
    found = await context.database.read(stale.unfinished_runs)
    keys = await _lifeless(engine, {each.run: each.run for each in found})
    for each in await context.database.read(stale.unfinished_runs):
        if each.run in keys:
            await _run(context, engine, each, keys[each.run])


async def _lifeless(engine: Engine, keys: Mapping[str, str]) -> dict[str, str | None]:
    """Those that no workflow is at work on: the key to begin the next under, None when there were enough."""
    tries = {name: [key, *(f"{key}:{number}" for number in range(1, MAX_REQUEUES + 1))] for name, key in keys.items()}
    alive = await engine.are_active([key for each in tries.values() for key in each])
    return {
        name: next((key for key in each if key not in alive), None)
        for name, each in tries.items()
        if not any(alive.get(key) for key in each)
    }


async def _delivery(context: Context, engine: Engine, guid: str, key: str | None) -> None:
    if key is not None:
        log.warning("delivery revived", guid=guid, key=key)
        await engine.start_workflow(inbox.DISPATCHES[0].workflow, key=key, argument=guid)
        return
    log.error("delivery given up", guid=guid)
    await context.database.write(deliveries.store_plan, guid=guid, plan="[]", outcome="given up")
    await context.database.write(deliveries.close, guid=guid)


async def _run(context: Context, engine: Engine, waiting: PendingRun, key: str | None) -> None:
    run = waiting.run
    if key is not None:
        log.warning("run revived", run=run, key=key)
        shape, partition = inbox.RUNS[0], str(waiting.installation)
        await engine.enqueue(shape.workflow, queue=shape.queue, partition=partition, key=key, argument=run)
        return
    log.error("run given up", run=run)
    await context.database.write(runs.end, run=run, ending=messages.internal_error(run))
    try:
        async with asyncio.timeout(SAY_SECONDS):
            await report(context, run)
    except Exception:  # whatever made its workflow fail may strike here too, and the conversation must go on
        log.exception("ending not shown", run=run)
        row = await context.database.read(runs.get, run=run)
        await context.database.write(runs.finish, run=row)
        context.work.set()
