"""Sandboxes whose run is over, or that no run knows, are ended: E2B bills what lives."""

from __future__ import annotations

import structlog

from bot.context import Context
from bot.sandbox.client import SandboxInfo
from bot.sandbox.errors import SandboxError
from bot.store import stale
from bot.store.database import now
from bot.store.stale import SandboxUse

log = structlog.get_logger()

# A sandbox is listed before its run's row may name it; and E2B's clock is not ours.
YOUNG_SECONDS = 300.0


async def reap(context: Context) -> None:
    """Kill what no run of ours needs. Raises: SandboxError when E2B cannot list them."""
    living = await context.sandboxes.list_own()
    needs = await context.database.read(stale.sandbox_uses, ids=tuple(sandbox.run for sandbox in living))
    for sandbox in living:
        if _is_needed(sandbox, needs.get(sandbox.run)):
            continue
        log.warning("sandbox reaped", sandbox=sandbox.id, run=sandbox.run)
        try:
            await context.sandboxes.kill(sandbox.id)
        except SandboxError as error:
            log.warning("sandbox not killed", sandbox=sandbox.id, error=context.redact(str(error)))


def _is_needed(sandbox: SandboxInfo, need: SandboxUse | None) -> bool:
    if need is not None and need.ended:
        return False
    if need is not None and need.sandbox in (None, sandbox.id):
        return True
    # Nobody's, or one whose create was answered too late for the run that asked: unless it is only being written down.
    return now() - sandbox.started_at < YOUNG_SECONDS
