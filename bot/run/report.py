"""The last word: the one comment says how it ended, and the conversation is free for the next run."""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlalchemy.engine import Connection

from bot.agent.outcome import Outcome, conclude
from bot.agent.stream import Stream
from bot.context import World
from bot.engine.retry import outlast
from bot.github.errors import GitHubError, NotFoundError
from bot.run.publish import thread_url
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages
from bot.text.messages import Price

log = structlog.get_logger()

# Dispatch posts the comment while the run is under way; where GitHub keeps it waiting for longer, it catches up.
COMMENT_WAIT_SECONDS = 300.0


async def report(world: World, run: str) -> None:
    """Edit the progress comment into the run's ending, then let the next run of the conversation in."""
    row = await _with_comment(world, run)
    await say_ending(world, row)
    await world.database.write(lambda connection: runs.release(connection, row))
    world.work.set()
    log.info(
        "run ended",
        run=run,
        state=row.ending.state if row.ending is not None else None,
        seconds=round(now() - row.created_at, 1),
    )


async def catch_up(world: World, run: str) -> None:
    """The progress comment came so late that the run had ended without it: say the ending now."""
    row = await world.database.read(lambda connection: runs.get(connection, run))
    if row.ended_at is not None and row.ending is not None:
        await say_ending(world, row)


async def _heard(world: World, run: str) -> Outcome | None:
    """What an agent that did not come to its end had told of its thread and its price by then."""

    def hear(connection: Connection) -> Outcome | None:
        stream, lines = Stream(), runs.lines(connection, run)
        for line in lines:
            stream.feed(line.encode() + b"\n")
        return conclude(stream, None, "") if lines else None

    return await world.database.read(hear)


async def _with_comment(world: World, run: str) -> Run:
    deadline = now() + COMMENT_WAIT_SECONDS
    while True:
        row = await world.database.read(lambda connection: runs.get(connection, run))
        if row.comment is not None or now() > deadline:
            return row
        await world.sleep(0.1)


async def say_ending(world: World, row: Run) -> bool:
    """Edit the progress comment, if there is one, into the run's ending. False if GitHub refuses."""
    if not row.comment:
        return True
    ending = row.ending or messages.internal_error(row.id)
    row = replace(row, outcome=row.outcome or await _heard(world, row.id))
    price = Price((row.ended_at or now()) - row.created_at, row.outcome, thread_url(world, row))
    body = world.redact(messages.final(row.request, ending, price))
    name = row.pinned.repo_name if row.pinned is not None else None

    async def say() -> None:
        repository = await world.github.conversation(row.request.place.repo, name)
        await repository.edit_comment(row.comment or 0, body)

    try:
        await outlast(world.sleep, say, for_ever=True)
    except GitHubError as error:
        # The row has it all. Locked, archived, suspended: the sweep tries again (bot/sweep/endings.py). Deleted or
        # uninstalled: there is nobody left to tell.
        log.warning("ending not shown", run=row.id, status=error.status, github=world.redact(error.message))
        again = not isinstance(error, NotFoundError)
        await world.database.write(lambda connection: runs.shown(connection, row.id, refused=again))
        return False
    return True
