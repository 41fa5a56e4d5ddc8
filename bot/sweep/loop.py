"""Runs the sweeps. Only one worker sweeps at a time."""

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
# After a failure the next sweep comes sooner, because missed deliveries have waited long enough.
RETRY_SECONDS = 60.0


async def sweep_forever(context: Context, engine: Engine) -> None:
    """Sweep now, and then every `sweep_minutes` (0: never)."""
    seconds = context.settings.sweep_minutes * 60
    starting, tidied = True, 0.0
    while seconds > 0:
        tidy = now() - tidied > DAY / 24
        succeeded = await sweep_once(context, engine, starting=starting, tidy=tidy)
        if succeeded:
            starting, tidied = False, now() if tidy else tidied
        await context.sleep(seconds if succeeded else min(seconds, RETRY_SECONDS))


async def sweep_once(context: Context, engine: Engine, *, starting: bool = True, tidy: bool = True) -> bool:
    """Return whether all parts succeeded; False also if another worker is sweeping.

    `starting`: also search for events without a delivery. `tidy`: also delete old data.
    """
    async with context.database.try_lock("sweep") as alone:
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
        succeeded = True
        for name, part in parts.items():
            try:
                await part()
            except (GitHubError, SandboxError) as error:
                succeeded = False
                log.warning("sweep failed", part=name, error=type(error).__name__, why=context.redact(str(error)))
            except Exception:  # the other parts must run anyway
                succeeded = False
                log.exception("sweep failed", part=name)
        return succeeded
