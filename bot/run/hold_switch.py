"""The operator's file switch, and what a run's comment says when a hold keeps it from leaving its queue."""

from __future__ import annotations

import socket

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.github.errors import GitHubError
from bot.model import RunState
from bot.store import holds, runs
from bot.text import messages

log = structlog.get_logger()


async def read(context: Context) -> None:
    """Make the database say what the file switch says.

    All workers see it there: a file on one machine holds all of them, and only that machine lifts what its file set.
    """
    here, exists = socket.gethostname(), context.settings.hold_file.exists()
    known = (await context.database.read(holds.current)).file
    if exists == (known is not None) or (known not in (None, here) and not context.database.is_sqlite):
        return

    def change(connection: Connection) -> None:
        if exists:
            holds.put(connection, holds.FILE, here)
        else:
            holds.lift(connection, holds.FILE)

    await context.database.write(change)
    log.warning("hold", file=str(context.settings.hold_file), on=exists)


async def show(context: Context, run: str) -> None:
    """Say in the run's comment that it is on hold. Best effort: `/amp status` says it too."""
    row = await context.database.read(runs.get, run)
    held = (await context.database.read(holds.current)).hold(row.request.issue.repo.id)
    if not row.comment or row.started_at is not None or row.ending is not None or not held:
        return
    try:
        repository = await context.github.conversation(row.request.issue.repo)
        await repository.show_progress(row.comment, messages.progress(row.request, RunState.QUEUED, held=True))
    except GitHubError as error:
        log.warning("hold not shown", run=run, status=error.status)
