"""The run's workflow: its stages in order, and what happens when one of them raises an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.engine.attempts import MAX_ATTEMPTS, ExhaustedError, insist, limited_attempt
from bot.engine.retry import retry_e2b, retry_github
from bot.engine.workflows import Engine
from bot.github.errors import GitHubError, NotFoundError
from bot.model import Ending, Kept
from bot.run import hold_switch
from bot.run.collect import collect
from bot.run.errors import StageError, meaning_of
from bot.run.kept import take_kept, taken
from bot.run.missing import missing
from bot.run.prepare import lifetime, prepare
from bot.run.publish import publish
from bot.run.report import report
from bot.run.stop import kill
from bot.run.work import work
from bot.sandbox.errors import SandboxError
from bot.store import holds, kept, runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import gave_up_messages, messages

log = structlog.get_logger()

# A stage returns the run's ending, or None: then the next stage follows.
Stage = Callable[[Context, Run], Awaitable[Ending | None]]
# What each is doing, for people.
_DOING: Mapping[Stage, str] = {
    take_kept: "taking over what was kept",
    prepare: "preparing it",
    work: "reading what Amp did",
    collect: "collecting the changes",
    publish: "publishing",
}


async def execute(context: Context, engine: Engine, run: str) -> None:
    """The run's workflow."""
    ready = await engine.step("prepare", lambda: _leave_queue(context, run, engine.key))
    if ready is None:
        return  # it is on hold, and another workflow will begin it
    for name, stage in (("work", work), ("collect", collect)):
        ready = ready or await engine.step(name, _attempting(context, run, stage))
    # The sandbox is no longer needed, and publishing need not wait until it is killed.
    await asyncio.gather(
        engine.step("release", lambda: _release(context, run)),
        engine.step("publish", _attempting(context, run, publish)),
    )
    await engine.step("report", lambda: report(context, run))


def _attempting(context: Context, run: str, stage: Stage) -> Callable[[], Awaitable[bool]]:
    async def step() -> bool:
        return await attempt(context, run, stage)

    return step


async def _leave_queue(context: Context, run: str, key: str) -> bool | None:
    """None if the run may not begin; else what `_begin` returns."""
    await hold_switch.read(context)
    if not await context.database.write(holds.leave_queue, run, key):
        await hold_switch.show(context, run)
        return None
    return await _begin(context, run)


async def _begin(context: Context, run: str) -> bool:
    """Whether there is nothing for Amp to do: the run has ended, or has a change set that was kept."""
    row = await context.database.read(runs.get, run)
    # Each begun stage counts an attempt, so do not begin one that has nothing to do.
    undecided = row.request.kept_from is not None and await context.database.read(kept.why_anew, run) is None
    if undecided and (await attempt(context, run, take_kept) or taken(await context.database.read(runs.get, run))):
        return True
    return await attempt(context, run, prepare)


async def attempt(context: Context, run: str, stage: Stage) -> bool:
    """Run one stage unless the run has an ending. Return whether it has one now. An error becomes the ending.

    Raises:
        sqlalchemy.exc.OperationalError: the database is down. The engine runs the step again.
    """
    row = await context.database.read(runs.get, run)
    if row.ending is not None:
        return True

    async def once() -> Ending | None:
        # Read it again: an earlier attempt may have changed the row, or somebody may have stopped the run.
        latest = await context.database.read(runs.get, run)
        if latest.ending is not None:
            return latest.ending
        progress = await context.database.read(_progress, latest)
        key = f"{run}:{stage.__name__}"
        return await limited_attempt(context, key, lambda attempt: stage(attempt, latest), progress=progress)

    try:
        ending = await _with_retries(context, row, stage, once)
    except sa.exc.OperationalError:
        raise
    except ExhaustedError:
        log.error("run given up", run=run, stage=stage.__name__, attempts=MAX_ATTEMPTS)
        failure = await _given_up(context, run, stage)
    except (GitHubError, SandboxError) as error:
        failure = await _ending_for(context, row, stage, error)
    except Exception:  # a bug must end the run visibly, too
        log.exception("stage failed", run=run, stage=stage.__name__)
        failure = messages.internal_error(run)
    else:
        if ending is not None:
            await context.database.write(runs.end, run, ending)
        return ending is not None
    await context.database.write(kept.end_failed, run, failure)
    return True


def _progress(connection: Connection, run: Run) -> str:
    """How far the run has come. It can change only a limited number of times while a stage repeats itself."""
    facts = (run.pinned, run.sandbox, run.outcome, run.commit, run.pull)
    _, output = runs.transcript_position(connection, run.id)
    return " ".join([*(str(fact is not None) for fact in facts), str(output)])


async def _given_up(context: Context, run: str, stage: Stage) -> Ending:
    row = await context.database.read(runs.get, run)
    return gave_up_messages.run(run, MAX_ATTEMPTS, doing=_DOING[stage], branch=row.branch, pull=row.pull)


async def _with_retries(
    context: Context, run: Run, stage: Stage, once: Callable[[], Awaitable[Ending | None]]
) -> Ending | None:
    """Wait for an outage to end, but only once there is work to lose. The agent continues without us."""
    if stage in (publish, take_kept):
        return await retry_github(context.sleep, once)
    if stage in (work, collect):
        return await retry_e2b(context.sleep, once, until=(run.started_at or now()) + lifetime(context.settings))
    return await once()


async def _ending_for(context: Context, run: Run, stage: Stage, error: GitHubError | SandboxError) -> Ending:
    meaning = meaning_of(error)
    log.warning(meaning.event, run=run.id, stage=stage.__name__, error=context.redact(str(error)))
    if isinstance(error, NotFoundError) and (ending := await missing(context, run.request)) is not None:
        return ending
    message = context.redact(error.message if isinstance(error, GitHubError) else str(error))
    preparing = stage in (prepare, take_kept)
    left = await context.database.read(kept.of, await context.database.read(runs.get, run.id))
    return meaning.ending(
        StageError(message, context.settings.e2b_template, preparing=preparing, kept=left is not Kept.NOTHING)
    )


async def _release(context: Context, run: str) -> None:
    async def release(attempt: Context) -> None:
        await kill(attempt, await attempt.database.read(runs.get, run))

    try:
        await insist(context, f"{run}:release", release)
    except ExhaustedError:
        log.error("sandbox not killed", run=run)  # the sweep kills it, or E2B at its timeout
