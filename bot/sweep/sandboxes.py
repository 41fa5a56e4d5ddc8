"""Kills sandboxes whose run has ended or that belong to no run, because E2B bills running sandboxes."""

from __future__ import annotations

import structlog

from bot.context import Context
from bot.sandbox.client import SandboxInfo
from bot.sandbox.errors import SandboxError
from bot.store import stale
from bot.store.database import now
from bot.store.stale import SandboxUse

log = structlog.get_logger()

# A new sandbox is in E2B's list before its id is in our database. The rest allows for the difference of clocks.
YOUNG_SECONDS = 300.0


async def reap(context: Context) -> None:
    """Kill sandboxes that no run needs. Raises: SandboxError: E2B cannot list them."""
    running = await context.sandboxes.list_own()
    uses = await context.database.read(stale.sandbox_uses, ids=tuple(sandbox.run for sandbox in running))
    for sandbox in running:
        if _is_needed(sandbox, uses.get(sandbox.run)):
            continue
        log.warning("sandbox reaped", sandbox=sandbox.id, run=sandbox.run)
        try:
            await context.sandboxes.kill(sandbox.id)
        except SandboxError as error:
            log.warning("sandbox not killed", sandbox=sandbox.id, error=context.redact(str(error)))


def _is_needed(sandbox: SandboxInfo, use: SandboxUse | None) -> bool:
    if use is not None and use.ended:
        return False
    if use is not None and use.sandbox in (None, sandbox.id):
        return True
    # It belongs to no run, or its run has another one by now. Do not kill it while its id may still be stored.
    return now() - sandbox.started_at < YOUNG_SECONDS
