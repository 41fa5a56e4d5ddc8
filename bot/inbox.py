"""From stored rows to workflows: at once for what this process stored, else by a slow look."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from bot.engine import Engine
from bot.store import deliveries, runs
from bot.world import World

log = structlog.get_logger()

DISPATCH = "dispatch_v1"
RUN = "run_v1"
RUNS = "runs_v1"

# Nothing depends on this look: it finds what a crash left between a row and its workflow.
LOOK_SECONDS = 2.0


async def take_up(world: World, engine: Engine) -> int:
    """Start a workflow for each delivery and each admitted run that has none; says how many. Twice is harmless."""
    started = 0
    for guid in await world.database.read(deliveries.untaken):
        await engine.begin(DISPATCH, key=f"delivery:{guid}", argument=guid)
        await world.database.write(lambda connection, guid=guid: deliveries.take(connection, guid))  # type: ignore[misc]  # bound now
        started += 1
    for run, installation in await world.database.read(runs.unqueued):
        await engine.enqueue(RUN, queue=RUNS, partition=str(installation), key=run, argument=run)
        await world.database.write(lambda connection, run=run: runs.queued_in_engine(connection, run))  # type: ignore[misc]  # bound now
        started += 1
    return started


async def watch(world: World, engine: Engine) -> None:
    """Take up what is waiting, for ever."""
    while True:
        world.work.clear()
        try:
            while await take_up(world, engine):
                pass
        except sa.exc.DBAPIError as error:
            # A locked or restarting database: the rows are still there at the next look.
            log.warning("inbox could not look", error=type(error.orig).__name__)
        try:
            await asyncio.wait_for(world.work.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue
