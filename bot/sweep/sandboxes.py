"""Sandboxes whose run is over, or that no run knows, are ended: E2B bills what lives."""

from __future__ import annotations

from functools import partial

import structlog

from bot.context import World
from bot.sandbox.client import Living, SandboxError
from bot.store import stale
from bot.store.database import now
from bot.store.stale import Need

log = structlog.get_logger()

# A sandbox is listed before its run's row may name it; and E2B's clock is not ours.
YOUNG_SECONDS = 300.0


async def reap(world: World) -> None:
    """Kill what no run of ours needs. Raises: SandboxError when E2B cannot list them."""
    living = await world.sandboxes.mine()
    needs = await world.database.read(partial(stale.needs, ids=tuple(box.run for box in living)))
    for box in living:
        if _is_needed(box, needs.get(box.run)):
            continue
        log.warning("sandbox reaped", sandbox=box.id, run=box.run)
        try:
            await world.sandboxes.kill(box.id)
        except SandboxError as error:
            log.warning("sandbox not killed", sandbox=box.id, error=world.redact(str(error)))


def _is_needed(box: Living, need: Need | None) -> bool:
    if need is not None and need.ended:
        return False
    if need is not None and need.sandbox in (None, box.id):
        return True
    # Nobody's, or one whose create was answered too late for the run that asked: unless it is only being written down.
    return now() - box.started_at < YOUNG_SECONDS
