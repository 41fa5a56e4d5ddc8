"""What a stop does outside, once our rows have it: it ends what is left of the runs, and shows that they have ended.

The worker of such a run notices by itself, on whatever machine it is: its sandbox is gone, or its agent has ended.
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
    """May be repeated: what is gone is gone, and an edit of the same words changes nothing."""
    context.work.set()  # the end of a waiting run may have let another in
    await asyncio.gather(
        *(_drop(context, run) for run in effect.dropped),
        *(_end_agent(context, run) for run in effect.kept),
    )
    await repository.react(effect.trigger.kind, effect.issue.number, effect.trigger.comment, "+1")


async def _drop(context: Context, run: str) -> None:
    row = await context.database.read(runs.get, run)
    # Whatever E2B says, the comment must not wait for it.
    await asyncio.gather(kill(context, row), report.say_ending(context, row))


async def kill(context: Context, row: Run) -> None:
    """End the run's sandbox, if it has one that we know of; it may be gone already."""
    if row.sandbox is None:
        return
    try:
        await context.sandboxes.kill(row.sandbox)
    except SandboxError as error:
        # E2B ends it at its timeout; the run's own end must not hang on this.
        log.warning("sandbox not killed", run=row.id, sandbox=row.sandbox, error=context.redact(str(error)))


async def _end_agent(context: Context, run: str) -> None:
    row = await context.database.read(runs.get, run)
    if row.sandbox is None:
        return
    try:
        sandbox = await context.sandboxes.open(row.sandbox)
        await sandbox.run(script("stop"), seconds=30)
    except SandboxError as error:
        # Gone, or out of reach: then the run's own worker meets the same, and ends it.
        log.warning("agent not ended", run=run, sandbox=row.sandbox, error=context.redact(str(error)))
