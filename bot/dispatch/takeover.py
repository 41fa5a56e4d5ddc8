"""Many machines: the living finish what the dead began. PostgreSQL only; on SQLite a restart recovers everything.

Dead is an executor whose advisory lock is free. One that still holds its lock, but whose work gives no sign of life
(frozen, or cut off from us alone), is ended first: its session, hence its lock.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from bot.context import World
from bot.dispatch import inbox
from bot.dispatch.inbox import Shape
from bot.engine.lock import Lock
from bot.engine.workflows import Engine, Pending
from bot.store import deliveries, runs
from bot.text import messages

log = structlog.get_logger()

# A run that outlives so many of its workers is what ends them.
MOST_TAKEOVERS = 10


async def pulse(world: World, engine: Engine) -> None:
    """Write down, for ever, that the work of this process goes on."""
    while True:
        await asyncio.sleep(world.settings.silent_seconds / 4)
        at_work = _under_way(engine, inbox.RUNS)
        dispatched = _under_way(engine, inbox.DISPATCHES)
        try:
            await world.database.write(lambda c, a=at_work: runs.alive(c, a))  # type: ignore[misc]  # bound now
            await world.database.write(lambda c, a=dispatched: deliveries.alive(c, a))  # type: ignore[misc]  # as above
        except sa.exc.SQLAlchemyError as error:
            log.warning("no pulse", error=type(error).__name__)
        except Exception:  # without a pulse the others would take a healthy worker for a frozen one
            log.exception("no pulse")


def _under_way(engine: Engine, shapes: tuple[Shape, ...]) -> frozenset[str]:
    under_way = engine.under_way
    return frozenset[str]().union(*(under_way[shape.workflow] for shape in shapes))


async def watch(world: World, engine: Engine, lock: Lock) -> None:
    """Look after the others, for ever."""
    silent: frozenset[tuple[str, float]] = frozenset()
    while True:
        try:
            pending = [each for each in await engine.pending() if each.executor != lock.executor]
            for executor in {each.executor for each in pending}:
                await _if_dead(world, engine, lock, executor)
            silent = await _end_the_silent(world, lock, pending, silent)
        except sa.exc.SQLAlchemyError as error:
            log.warning("could not look after the others", error=type(error).__name__)
        except Exception:  # whatever it was, the dead must not stay unnoticed for ever
            log.exception("could not look after the others")
        await asyncio.sleep(min(2.0, world.settings.silent_seconds / 4))


async def _if_dead(world: World, engine: Engine, lock: Lock, executor: str) -> None:
    async with lock.of(executor) as dead:
        if not dead:
            return
        # Read again under its lock: another survivor may have been here.
        left = [each for each in await engine.pending() if each.executor == executor]
        for shape in (*inbox.RUNS, *inbox.DISPATCHES):
            found = [each for each in left if each.workflow == shape.workflow]
            keys, ids = [each.key for each in found], [each.argument for each in found]
            if shape in inbox.RUNS and keys:
                hopeless = await world.database.write(lambda c, i=ids: runs.taken_over(c, i, MOST_TAKEOVERS))  # type: ignore[misc]  # bound now
                for run in hopeless:
                    await world.database.write(lambda c, r=run: runs.end(c, r, messages.internal_error(r)))  # type: ignore[misc]  # as above
            if keys:
                await engine.resume(keys, queue=shape.queue)
                log.warning("taken over", executor=executor, workflow=shape.workflow, count=len(keys))


async def _end_the_silent(
    world: World, lock: Lock, pending: list[Pending], before: frozenset[tuple[str, float]]
) -> frozenset[tuple[str, float]]:
    """End those whose work was silent at the last look too: what has just left the queue has not spoken yet."""
    executors = {each.argument: each.executor for each in pending}
    seconds = world.settings.silent_seconds
    found = await world.database.read(lambda c: (*runs.silent(c, seconds), *deliveries.silent(c, seconds)))
    silent = frozenset(each for each in found if each[0] in executors)
    for executor in {executors[argument] for argument, _ in silent & before}:
        log.warning("silent", executor=executor, ended=await lock.end(executor))
    return silent
