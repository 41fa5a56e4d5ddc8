"""One busy installation does not starve another: our inbox, the engine's queue under our limits, and the rate limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest

from bot import service
from bot.context import Context
from bot.dispatch import inbox
from bot.engine.workflows import Engine
from bot.github.rate_limit import WRITE, RateLimit, RequestCost
from bot.model import RunRequest
from bot.settings import Settings
from bot.store import deliveries, runs
from bot.store.database import Database
from bot.text.redact import Redactor
from tests.factory import delivery, run_request

BUSY, OTHER = 1, 2
JOBS = 1_000
LAST = "the other installation's"


@pytest.fixture
def crowded(settings: Settings, database: Database) -> Context:
    """A world over a database of either kind, and nobody to talk to."""
    url = database._url.render_as_string(hide_password=False)
    return Context(
        settings.model_copy(update={"database_url": url}),
        database,
        github=SimpleNamespace(identity_known=False),  # type: ignore[arg-type]  # nothing here speaks to anybody
        sandboxes=None,  # type: ignore[arg-type]  # as above
        redact=Redactor([]),
    )


@asynccontextmanager
async def working(context: Context) -> AsyncIterator[Engine]:
    """The real engine with the service's own queue, and the inbox watched."""
    engine = service.create_engine(context)
    await engine.start()
    watching = asyncio.create_task(inbox.dispatch_forever(context, engine))
    try:
        yield engine
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await engine.stop()


def request(installation: int, number: int) -> RunRequest:
    return run_request(f"{installation}-{number}", number, repository=installation * 10, installation=installation)


async def test_a_thousand_runs_of_one_installation_do_not_keep_another_waiting(
    crowded: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the busy one's conversations are free, so all thousand stand in the engine's queue. The first end late."""
    done: list[str] = []
    busy: set[str] = set()
    most = 0
    answered = asyncio.Event()

    async def execute(context: Context, engine: Engine, run: str) -> None:
        nonlocal most
        row = await context.database.read(runs.get, run)
        if row.request.issue.repo.installation == BUSY:
            busy.add(run)
            await answered.wait()
        await context.database.write(runs.finish, row)
        done.append(run)
        most = most if answered.is_set() else len(busy)
        answered.set()

    async def queued() -> None:
        while True:
            if not await crowded.database.read(runs.ready_to_enqueue):
                return
            await asyncio.sleep(0.1)

    monkeypatch.setattr(service, "execute", execute)
    for number in range(JOBS):
        await crowded.database.write(lambda connection, n=number: runs.add(connection, request(BUSY, n)))  # type: ignore[misc]  # bound now
    async with working(crowded):
        await asyncio.wait_for(queued(), 180)
        await crowded.database.write(runs.add, request(OTHER, 1))
        crowded.work.set()
        await asyncio.wait_for(answered.wait(), 180)
        assert done[0] == request(OTHER, 1).id
        assert most <= crowded.settings.max_runs_per_installation


async def test_a_thousand_deliveries_of_one_installation_do_not_keep_another_waiting(
    crowded: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dispatch has no queue; what holds a busy installation back is its own rate limit, and the other has its own."""
    rate_limit = RateLimit()
    done: list[str] = []
    answered = asyncio.Event()

    async def dispatch(context: Context, engine: Engine, guid: str) -> None:
        installation = BUSY if guid != LAST else OTHER
        for _ in range(3):
            await rate_limit.acquire(installation, RequestCost(WRITE, content=True, urgent=True))
        done.append(guid)
        if installation == OTHER:
            answered.set()

    monkeypatch.setattr(service, "dispatch", dispatch)
    for number in range(JOBS):
        await _deliver(crowded, f"busy {number}")
    await _deliver(crowded, LAST)
    async with working(crowded):
        await asyncio.wait_for(answered.wait(), 180)
        waiting = JOBS + 1 - len(done)
    assert waiting > JOBS * 0.9
    assert len(done) > 0


async def _deliver(context: Context, guid: str) -> None:
    await context.database.write(deliveries.add, delivery(guid))
