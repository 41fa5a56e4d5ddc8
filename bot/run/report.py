"""The last word: the one comment says how it ended, and the conversation is free for the next run."""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlalchemy.engine import Connection

from bot.agent.outcome import Outcome, conclude
from bot.agent.stream import Stream
from bot.context import Context
from bot.engine.retry import retry_github
from bot.github.errors import GitHubError, NotFoundError
from bot.run.cost import run_cost
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

# Dispatch posts the comment while the run is under way; where GitHub keeps it waiting for longer, it catches up.
COMMENT_WAIT_SECONDS = 300.0


async def report(context: Context, run: str) -> None:
    """Edit the progress comment into the run's ending, then let the next run of the conversation in."""
    row = await _with_comment(context, run)
    await say_ending(context, row)
    await context.database.write(runs.finish, row)
    context.work.set()
    log.info(
        "run ended",
        run=run,
        state=row.ending.state if row.ending is not None else None,
        seconds=round(now() - row.created_at, 1),
    )


async def catch_up(context: Context, run: str) -> None:
    """The progress comment came so late that the run had ended without it: say the ending now."""
    row = await context.database.read(runs.get, run)
    if row.ended_at is not None and row.ending is not None:
        await say_ending(context, row)


async def _heard(context: Context, run: str) -> Outcome | None:
    """What an agent that did not come to its end had told of its thread and its price by then."""

    def hear(connection: Connection) -> Outcome | None:
        stream, lines = Stream(), runs.transcript_lines(connection, run)
        for line in lines:
            stream.feed(line.encode() + b"\n")
        return conclude(stream, None, "") if lines else None

    return await context.database.read(hear)


async def _with_comment(context: Context, run: str) -> Run:
    deadline = now() + COMMENT_WAIT_SECONDS
    while True:
        row = await context.database.read(runs.get, run)
        if row.comment is not None or now() > deadline:
            return row
        await context.sleep(0.1)


async def say_ending(context: Context, row: Run) -> bool:
    """Edit the progress comment, if there is one, into the run's ending. False if GitHub refuses."""
    if not row.comment:
        return True
    ending = row.ending or messages.internal_error(row.id)
    row = replace(row, outcome=row.outcome or await _heard(context, row.id))
    price = run_cost(context, row, row.ended_at or now())
    body = messages.final(row.request, ending, price)
    name = row.pinned.repo_name if row.pinned is not None else None

    async def say() -> None:
        repository = await context.github.conversation(row.request.issue.repo, name)
        await repository.edit_comment(row.comment or 0, body)

    try:
        await retry_github(context.sleep, say, forever=True)
    except GitHubError as error:
        # The row has it all. Locked, archived, suspended: the sweep tries again (bot/sweep/endings.py). Deleted or
        # uninstalled: there is nobody left to tell.
        log.warning("ending not shown", run=row.id, status=error.status, github=context.redact(error.message))
        again = not isinstance(error, NotFoundError)
        await context.database.write(runs.set_reported, row.id, refused=again)
        return False
    return True
