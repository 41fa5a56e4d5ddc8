"""Shows endings that GitHub refused before, for example because the repository was archived or the App suspended."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from bot.context import Context
from bot.engine.attempts import MAX_ATTEMPTS, ExhaustedError, limited_attempt
from bot.run.report import show_ending
from bot.store import attempts, runs
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
                key = f"{run}:ending"
                shown = await limited_attempt(context, key, partial(show_ending, row=row))
        except TimeoutError:
            log.warning("ending still not shown", run=run)
            await context.database.write(runs.set_reported, run=run, refused=True)
        except ExhaustedError:
            log.error("ending given up", run=run, attempts=MAX_ATTEMPTS)
            await context.database.write(runs.set_reported, run=run, refused=False)
        else:
            await context.database.write(attempts.clear, key)
            if shown:
                await context.database.write(runs.set_reported, run=run, refused=False)
