"""One sweep after the other, at most one at a time over all workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bot.context import Context
from bot.engine.workflows import Engine
from bot.github.errors import GitHubError
from bot.sandbox.errors import SandboxError
from bot.store.database import now
from bot.sweep import comments, endings, missed, retention, revive, sandboxes

log = structlog.get_logger()

DAY = 86_400.0
# A sweep that failed is repeated sooner: what was missed while we were away has waited long enough.
AGAIN_SECONDS = 60.0


async def sweep_for_ever(context: Context, engine: Engine) -> None:
    """At once, and then every few minutes (a setting; 0: never)."""
    seconds = context.settings.sweep_minutes * 60
    starting, tidied = True, 0.0
    while seconds > 0:
        tidy = now() - tidied > DAY / 24
        whole = await sweep_once(context, engine, starting=starting, tidy=tidy)
        if whole:
            starting, tidied = False, now() if tidy else tidied
        await context.sleep(seconds if whole else min(seconds, AGAIN_SECONDS))


async def sweep_once(context: Context, engine: Engine, *, starting: bool = True, tidy: bool = True) -> bool:
    """Whether every part ended well; False too where another worker is sweeping.

    `starting`: also look for what GitHub never tried to deliver. `tidy`: also remove what has grown old.
    """
    async with context.database.alone("sweep") as alone:
        if not alone:
            return False
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "missed": lambda: missed.recover_deliveries(context, starting=starting),
            "revive": lambda: revive.requeue(context, engine),
            "sandboxes": lambda: sandboxes.reap(context),
            "comments": lambda: comments.delete_duplicates(context),
            "endings": lambda: endings.retry_reports(context),
        }
        if tidy:
            parts["retention"] = lambda: retention.purge(context, engine)
        whole = True
        for name, part in parts.items():
            try:
                await part()
            except (GitHubError, SandboxError) as error:
                whole = False
                log.warning("sweep failed", part=name, error=type(error).__name__, why=context.redact(str(error)))
            except Exception:  # one part's trouble must not keep the others from theirs
                whole = False
                log.exception("sweep failed", part=name)
        return whole
