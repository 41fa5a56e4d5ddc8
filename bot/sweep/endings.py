"""Ends that GitHub refused to show: a repository is archived, an App suspended, but not for ever."""

from __future__ import annotations

from functools import partial

from bot.database import now
from bot.run.report import say_ending
from bot.store import runs
from bot.world import World

AGAIN_SECONDS = 3600.0
# After that nobody waits for it.
DAYS = 7


async def show(world: World) -> None:
    """Try each once more."""
    moment = now()
    unshown = partial(runs.unshown, tried_before=moment - AGAIN_SECONDS, ended_after=moment - DAYS * 86_400.0)
    for run in await world.database.read(unshown):
        if await say_ending(world, await world.database.read(partial(runs.get, run=run))):
            await world.database.write(partial(runs.shown, run=run, refused=False))
