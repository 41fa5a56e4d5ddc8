"""Ends that GitHub refused to show: a repository is archived, an App suspended, but not for ever."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from bot.context import Context
from bot.run.report import say_ending
from bot.store import runs
from bot.store.database import now
from bot.sweep.revive import SAY_SECONDS

log = structlog.get_logger()

AGAIN_SECONDS = 3600.0
# After that nobody waits for it.
DAYS = 7


async def retry_reports(context: Context) -> None:
    """Try each once more, for a while: an outage of one installation must not hold up the sweep of all others."""
    moment = now()
    unshown = partial(runs.unreported, tried_before=moment - AGAIN_SECONDS, ended_after=moment - DAYS * 86_400.0)
    for run in await context.database.read(unshown):
        row = await context.database.read(runs.get, run=run)
        try:
            async with asyncio.timeout(SAY_SECONDS):
                shown = await say_ending(context, row)
        except TimeoutError:
            log.warning("ending still not shown", run=run)
            await context.database.write(runs.set_reported, run=run, refused=True)
        else:
            if shown:
                await context.database.write(runs.set_reported, run=run, refused=False)
