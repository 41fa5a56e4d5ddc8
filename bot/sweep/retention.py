"""Words are kept for some weeks, ids for ninety days (D9): after that nothing is left of a delivery or a run."""

from __future__ import annotations

import structlog

from bot.context import Context
from bot.dispatch.delivery import OLDEST_DAYS
from bot.engine.workflows import Engine
from bot.store import stale
from bot.store.database import now

log = structlog.get_logger()

DAY = 86_400.0
# GitHub's log is asked no further back than this, so how often it was asked is not needed longer.
ASKED_DAYS = 7


async def purge(context: Context, engine: Engine) -> None:
    """Empty, then delete. Raises: the database's errors."""
    moment = now()
    words = moment - context.settings.keep_days * DAY
    ids = moment - OLDEST_DAYS * DAY
    emptied = await context.database.write(stale.delete_contents, words)
    dropped = await context.database.write(stale.delete_rows, ids, moment - ASKED_DAYS * DAY)
    workflows = 0
    # In pieces: other writers have their turn in between.
    while more := await engine.delete_ended(words):
        workflows += more
    if emptied or dropped or workflows:
        log.info("forgotten", emptied=emptied, dropped=dropped, workflows=workflows)
