"""Shows endings that GitHub refused before, for example because the repository was archived or the App suspended."""

from __future__ import annotations

import asyncio

import structlog

from bot.context import Context
from bot.run.report import show_ending
from bot.store import runs
from bot.store.database import now
from bot.sweep.revive import REPORT_SECONDS

log = structlog.get_logger()

RETRY_SECONDS = 3600.0
# Give up this long after the end of the run.
DAYS = 7


async def retry_reports(context: Context) -> None:
    """Try each one again, with a timeout: one installation's outage must not delay the sweep of all others."""
    started = now()
    unreported = await context.database.read(
        runs.unreported, tried_before=started - RETRY_SECONDS, ended_after=started - DAYS * 86_400.0
    )
    for run in unreported:
        row = await context.database.read(runs.get, run=run)
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                shown = await show_ending(context, row)
        except TimeoutError:
            log.warning("ending still not shown", run=run)
            await context.database.write(runs.set_reported, run=run, refused=True)
        else:
            if shown:
                await context.database.write(runs.set_reported, run=run, refused=False)
