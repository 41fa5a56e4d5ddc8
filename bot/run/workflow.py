"""The run's workflow on one screen, and the one place where trouble becomes an ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
import structlog

from bot.context import Context
from bot.engine.retry import retry_e2b, retry_github
from bot.engine.workflows import Engine
from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    NotFoundError,
    UnauthorizedError,
    UnprocessableError,
)
from bot.model import Ending
from bot.run.collect import collect
from bot.run.prepare import lifetime, prepare
from bot.run.publish import publish
from bot.run.report import report
from bot.run.stop import kill
from bot.run.work import work
from bot.sandbox.client import OutputError, SandboxBusyError, SandboxError, SandboxGoneError, SandboxRefusedError
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

# A stage goes on (None) or says how the run ends.
Stage = Callable[[Context, Run], Awaitable[Ending | None]]


async def execute(context: Context, engine: Engine, run: str) -> None:
    """The run's workflow."""
    for name, stage in (("prepare", prepare), ("work", work), ("collect", collect)):
        if await engine.step(name, _attempting(context, run, stage)):
            break
    # The sandbox has served, whatever came of it; publishing need not wait for its end.
    await asyncio.gather(
        engine.step("release", lambda: _release(context, run)),
        engine.step("publish", _attempting(context, run, publish)),
    )
    await engine.step("report", lambda: report(context, run))


def _attempting(context: Context, run: str, stage: Stage) -> Callable[[], Awaitable[bool]]:
    async def step() -> bool:
        return await attempt(context, run, stage)

    return step


async def attempt(context: Context, run: str, stage: Stage) -> bool:
    """Run one stage unless the run has its ending; True if it has one now. Trouble becomes the ending."""
    row = await context.database.read(runs.get, run)
    if row.ending is not None:
        return True

    async def again() -> Ending | None:
        # What an earlier try has done stands in the row, and so does an end that was decided meanwhile.
        latest = await context.database.read(runs.get, run)
        return latest.ending or await stage(context, latest)

    async def patiently() -> Ending | None:
        """Once there is work to lose, an outage is waited out. The agent goes on meanwhile, and needs nobody."""
        if stage is publish:
            return await retry_github(context.sleep, again)
        if stage in (work, collect):
            return await retry_e2b(context.sleep, again, until=(row.started_at or now()) + lifetime(context.settings))
        return await again()

    try:
        ending = await patiently()
    except SandboxGoneError:
        ending = messages.sandbox_gone()
    except (OutputError, FileNotFoundError) as error:
        log.warning("sandbox garbled", run=run, error=context.redact(str(error)))
        ending = messages.sandbox_garbled()
    except SandboxRefusedError as error:
        ending = messages.sandbox_refused(context.settings.e2b_template, context.redact(str(error)))
    except (SandboxBusyError, SandboxError) as error:
        log.warning("sandbox trouble", run=run, error=context.redact(str(error)))
        ending = messages.sandbox_trouble() if stage is prepare else messages.sandbox_lost_touch()
    except NotFoundError:
        ending = messages.gone()
    except (ForbiddenError, UnauthorizedError, ConflictError, UnprocessableError) as error:
        ending = messages.github_refused(context.redact(error.message))
    except GitHubError as error:
        log.warning("github trouble", run=run, status=error.status, github=context.redact(error.message))
        ending = messages.github_down()
    except sa.exc.OperationalError:
        raise  # the database is in trouble, not the run: the engine begins the step again
    except Exception:  # a mistake of ours must end the run visibly, not leave it silent for ever
        log.exception("stage failed", run=run, stage=stage.__name__)
        ending = messages.internal_error(run)
    if ending is None:
        return False
    decided = ending
    await context.database.write(runs.end, run, decided)
    return True


async def _release(context: Context, run: str) -> None:
    await kill(context, await context.database.read(runs.get, run))
