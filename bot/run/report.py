"""Shows the ending in the run's comment, and lets the next run of the issue start."""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlalchemy.engine import Connection

from bot.agent.outcome import Outcome, conclude
from bot.agent.stream import Stream
from bot.context import Context
from bot.engine.attempts import MAX_ATTEMPTS, ExhaustedError, insist
from bot.engine.retry import retry_github
from bot.github.errors import ForbiddenError, GitHubError, NotFoundError
from bot.model import Ending
from bot.run.comment import post_of_run
from bot.run.cost import run_cost
from bot.store import kept, ledger, runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import kept_messages, messages

log = structlog.get_logger()

# Dispatch posts the comment while the run is already working. If that takes longer, `catch_up` shows the ending.
COMMENT_WAIT_SECONDS = 300.0


async def report(context: Context, run: str) -> None:
    """Show the ending in the progress comment, then let the next run of the issue start."""
    row = await _with_comment(context, run)
    try:
        await insist(context, f"{run}:report", lambda attempt: show_ending(attempt, row))
    except ExhaustedError:
        log.error("ending not shown", run=run, attempts=MAX_ATTEMPTS)
        await _react(context, row)
    spent = row.outcome or await _outcome_so_far(context, run)
    await context.database.write(_finish, row, spent)
    context.work.set()
    log.info(
        "run ended",
        run=run,
        state=row.ending.state if row.ending is not None else None,
        seconds=round(now() - row.created_at, 1),
    )


def _finish(connection: Connection, row: Run, spent: Outcome | None) -> None:
    ledger.record(connection, row, spent)
    runs.finish(connection, row)


async def _react(context: Context, row: Run) -> None:
    """Where the ending cannot be shown, a reaction to the request is all that is left. It is attempted once."""

    async def react(attempt: Context) -> None:
        issue, trigger = row.request.issue, row.request.trigger
        repository = await attempt.github.conversation(issue.repo)
        await repository.react(trigger.kind, issue.number, trigger.comment, "confused")

    try:
        await insist(context, f"{row.id}:reaction", react, limit=1)
    except (ExhaustedError, GitHubError) as error:
        log.warning("not shown", run=row.id, error=type(error).__name__)


async def catch_up(context: Context, run: str) -> None:
    """Show the ending in a progress comment that was posted after the run had ended."""
    row = await context.database.read(runs.get, run)
    if row.ended_at is not None and row.ending is not None:
        await show_ending(context, row)


async def _outcome_so_far(context: Context, run: str) -> Outcome | None:
    """The thread and the tokens of an agent that did not finish, from its transcript."""

    def read(connection: Connection) -> Outcome | None:
        stream, lines = Stream(), runs.transcript_lines(connection, run)
        for line in lines:
            stream.feed(line.encode() + b"\n")
        return conclude(stream, None, "") if lines else None

    return await context.database.read(read)


async def _kept_note(context: Context, row: Run, ending: Ending) -> str:
    """For a retry: what became of the change set that it had to publish. "" for any other run."""
    source = row.request.kept_from
    if row.outcome is not None and row.outcome.kept_from is not None:
        return kept_messages.without_amp(row.outcome.kept_from, ending.state)
    why = await context.database.read(kept.why_anew, row.id)
    return kept_messages.anew(source, why) if source is not None and why is not None else ""


async def _with_comment(context: Context, run: str) -> Run:
    deadline = now() + COMMENT_WAIT_SECONDS
    while True:
        row = await context.database.read(runs.get, run)
        if row.comment is not None or now() > deadline:
            return row
        await context.sleep(0.1)


async def show_ending(context: Context, row: Run) -> bool:
    """Show the ending in the run's comment; post one if GitHub refused it at first. False if GitHub refuses again."""
    if row.comment is None:
        return True  # dispatch is about to post it, and then calls catch_up()
    ending = row.ending or messages.internal_error(row.id)
    row = replace(row, outcome=row.outcome or await _outcome_so_far(context, row.id))
    price = run_cost(context, row, row.ended_at or now())
    body = messages.final(row.request, ending, price, await _kept_note(context, row, ending))
    name = row.pinned.repo_name if row.pinned is not None else row.request.issue.repo.full_name

    async def show() -> None:
        repository = await context.github.conversation(row.request.issue.repo, name)
        comment = row.comment or await post_of_run(context, repository, row.request, body)
        if not row.comment:
            await context.database.write(runs.set_comment, row.id, comment)
        # Also after posting: what is found may be the progress comment, if only the answer to it was lost.
        await repository.edit_comment(comment, body)

    try:
        try:
            await retry_github(context.sleep, show, forever=True)
        except (NotFoundError, ForbiddenError):
            # The repository may have been renamed, and another one may have its former name.
            current = await context.github.current_name(row.request.issue.repo)
            if current is None or current == name:
                raise
            name = current
            await retry_github(context.sleep, show, forever=True)
    except GitHubError as error:
        # If the issue is locked, the repository archived or the App suspended, the sweep tries again
        # (bot/sweep/endings.py). If the comment was deleted or the App uninstalled, there is nothing to try.
        log.warning("ending not shown", run=row.id, status=error.status, github=context.redact(error.message))
        await context.database.write(runs.set_reported, row.id, refused=not isinstance(error, NotFoundError))
        return False
    return True
