"""Carries out a stop that is stored already: kills sandboxes or agents, and shows the endings.

The worker that executes the run may be another process. It notices that the sandbox or the agent is gone.
"""

from __future__ import annotations

import asyncio

import structlog

from bot.context import Context
from bot.events.effects import FinalizeStopped
from bot.github.repository import Repository
from bot.run import report
from bot.sandbox.errors import SandboxError
from bot.sandbox.scripts import script
from bot.store import runs
from bot.store.runs import Run

log = structlog.get_logger()


async def show_stopped(context: Context, repository: Repository, effect: FinalizeStopped) -> None:
    """Carry out the effect. It is safe to repeat. Raises: GitHubError."""
    context.work.set()  # if a queued run was stopped, another one may start now
    await asyncio.gather(
        *(_end_dropped(context, run) for run in effect.dropped),
        *(_stop_agent(context, run) for run in effect.kept),
    )
    await repository.react(effect.trigger.kind, effect.issue.number, effect.trigger.comment, "+1")


async def _end_dropped(context: Context, run: str) -> None:
    row = await context.database.read(runs.get, run)
    if not row.comment and row.ended_at is None:
        await kill(context, row)  # its own workflow posts the comment: two at once would post two
        return
    # Show the ending without waiting for E2B.
    await asyncio.gather(kill(context, row), report.show_ending(context, row))


async def kill(context: Context, row: Run) -> None:
    """Kill the run's sandbox; it may be gone already. The one of a run cut off while it was made has no stored id."""
    if row.started_at is None:
        return
    try:
        known = (row.sandbox,) if row.sandbox else ()
        for sandbox in known or [found.id for found in await context.sandboxes.list_own(run=row.id)]:
            await context.sandboxes.kill(sandbox)
    except SandboxError as error:
        # The run ends anyway. E2B kills the sandbox at its timeout.
        log.warning("sandbox not killed", run=row.id, sandbox=row.sandbox, error=context.redact(str(error)))


async def _stop_agent(context: Context, run: str) -> None:
    row = await context.database.read(runs.get, run)
    if row.sandbox is None:
        return
    try:
        sandbox = await context.sandboxes.open(row.sandbox)
        await sandbox.run(script("stop"), seconds=30)
    except SandboxError as error:
        # The run's worker gets the same error and ends the run.
        log.warning("agent not ended", run=run, sandbox=row.sandbox, error=context.redact(str(error)))
