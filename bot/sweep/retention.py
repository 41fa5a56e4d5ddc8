"""Deletes the texts of deliveries and runs after some weeks (a setting), and their rows after 90 days."""

from __future__ import annotations

import structlog

from bot.context import Context
from bot.dispatch.delivery import OLDEST_DAYS
from bot.engine.workflows import Engine
from bot.store import stale
from bot.store.database import now

log = structlog.get_logger()

DAY = 86_400.0
# We read GitHub's log no further back than this, so older counts of redelivery attempts are not needed.
ASKED_DAYS = 7


async def purge(context: Context, engine: Engine) -> None:
    """Delete texts, then rows, then finished workflows. Raises: the database's errors."""
    started = now()
    texts_before = started - context.settings.keep_days * DAY
    rows_before = started - OLDEST_DAYS * DAY
    emptied = await context.database.write(stale.delete_contents, texts_before)
    dropped = await context.database.write(stale.delete_rows, rows_before, started - ASKED_DAYS * DAY)
    workflows = 0
    # In batches, so that other writers do not wait long.
    while more := await engine.delete_ended(texts_before):
        workflows += more
    if emptied or dropped or workflows:
        log.info("forgotten", emptied=emptied, dropped=dropped, workflows=workflows)
