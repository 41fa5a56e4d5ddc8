"""The run's workflow on one screen, and the one place where trouble becomes an ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
import structlog

from bot.context import World
from bot.engine.retry import outlast, outlast_e2b
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
Stage = Callable[[World, Run], Awaitable[Ending | None]]


async def execute(world: World, engine: Engine, run: str) -> None:
    """The run's workflow."""
    for name, stage in (("prepare", prepare), ("work", work), ("collect", collect)):
        if await engine.step(name, _attempting(world, run, stage)):
            break
    # The sandbox has served, whatever came of it; publishing need not wait for its end.
    await asyncio.gather(
        engine.step("release", lambda: _release(world, run)),
        engine.step("publish", _attempting(world, run, publish)),
    )
    await engine.step("report", lambda: report(world, run))


def _attempting(world: World, run: str, stage: Stage) -> Callable[[], Awaitable[bool]]:
    async def step() -> bool:
        return await attempt(world, run, stage)

    return step


async def attempt(world: World, run: str, stage: Stage) -> bool:
    """Run one stage unless the run has its ending; True if it has one now. Trouble becomes the ending."""
    row = await world.database.read(lambda connection: runs.get(connection, run))
    if row.ending is not None:
        return True

    async def again() -> Ending | None:
        # What an earlier try has done stands in the row, and so does an end that was decided meanwhile.
        latest = await world.database.read(lambda connection: runs.get(connection, run))
        return latest.ending or await stage(world, latest)

    async def patiently() -> Ending | None:
        """Once there is work to lose, an outage is waited out. The agent goes on meanwhile, and needs nobody."""
        if stage is publish:
            return await outlast(world.sleep, again)
        if stage in (work, collect):
            return await outlast_e2b(world.sleep, again, until=(row.started_at or now()) + lifetime(world.settings))
        return await again()

    try:
        ending = await patiently()
    except SandboxGoneError:
        ending = messages.sandbox_gone()
    except (OutputError, FileNotFoundError) as error:
        log.warning("sandbox garbled", run=run, error=world.redact(str(error)))
        ending = messages.sandbox_garbled()
    except SandboxRefusedError as error:
        ending = messages.sandbox_refused(world.settings.e2b_template, world.redact(str(error)))
    except (SandboxBusyError, SandboxError) as error:
        log.warning("sandbox trouble", run=run, error=world.redact(str(error)))
        ending = messages.sandbox_trouble() if stage is prepare else messages.sandbox_lost_touch()
    except NotFoundError:
        ending = messages.gone()
    except (ForbiddenError, UnauthorizedError, ConflictError, UnprocessableError) as error:
        ending = messages.github_refused(world.redact(error.message))
    except GitHubError as error:
        log.warning("github trouble", run=run, status=error.status, github=world.redact(error.message))
        ending = messages.github_down()
    except sa.exc.OperationalError:
        raise  # the database is in trouble, not the run: the engine begins the step again
    except Exception:  # a mistake of ours must end the run visibly, not leave it silent for ever
        log.exception("stage failed", run=run, stage=stage.__name__)
        ending = messages.internal_error(run)
    if ending is None:
        return False
    decided = ending
    await world.database.write(lambda connection: runs.end(connection, run, decided))
    return True


async def _release(world: World, run: str) -> None:
    await kill(world, await world.database.read(lambda connection: runs.get(connection, run)))
