"""Attempts are counted over processes: what kills them is given up after five, and nothing else is blamed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.context import Context
from bot.engine.attempts import AGAIN_SECONDS, MAX_ATTEMPTS, TRUSTED, ExhaustedError, insist, limited_attempt
from bot.github.errors import UnavailableError
from bot.sandbox.errors import SandboxUnavailableError
from bot.store import attempts
from bot.store.attempts import QUIET_SECONDS, Attempts
from bot.store.tables import attempts as table

Work = Callable[[Context], Awaitable[str]]
KILLS = 20  # in a row: more than anything may be attempted


class Killed(BaseException):
    """The process ends: nothing is written any more."""


class Slept:
    """The sleeps of a process, which take no time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def process(context: Context) -> Callable[[], Context]:
    """Starts the bot's next process, on the same database."""
    return lambda: replace(context, attempts=Attempts(), sleep=Slept())


def raising(error: BaseException) -> Work:
    async def work(_: Context) -> str:
        raise error

    return work


async def succeed(_: Context) -> str:
    return "done"


async def counted(context: Context, key: str = "a") -> int:
    query = sa.select(table.c.count).where(table.c.key == key)
    return await context.database.read(lambda connection: connection.scalar(query)) or 0


async def die(context: Context, work: Work, progress: str = "") -> None:
    with pytest.raises(Killed):
        await limited_attempt(context, "a", work, progress=progress)


# --- what kills its process ---------------------------------------------------------------------------


async def test_after_five_processes_died_of_it_the_work_is_not_begun_again(process: Callable[[], Context]) -> None:
    for number in range(MAX_ATTEMPTS):
        context = process()
        await die(context, raising(Killed()))
        assert await counted(context) == number + 1
    for _ in range(2):
        with pytest.raises(ExhaustedError):
            await limited_attempt(process(), "a", succeed)
    assert await limited_attempt(process(), "b", succeed) == "done", "other work is not affected"


async def test_a_death_after_progress_is_one_of_the_five(process: Callable[[], Context]) -> None:
    """The first process gets as far as what kills it, and so does each that follows."""
    await die(process(), raising(Killed()), progress="nothing yet")
    for _ in range(MAX_ATTEMPTS - 1):
        await die(process(), raising(Killed()), progress="halfway")
    with pytest.raises(ExhaustedError):
        await limited_attempt(process(), "a", succeed, progress="halfway")


async def test_work_that_only_raises_errors_is_attempted_as_often(process: Callable[[], Context]) -> None:
    tried = itertools.count()

    async def work(_: Context) -> str:
        next(tried)
        raise ValueError("a bug")

    context = process()
    with pytest.raises(ExhaustedError):
        await insist(context, "a", work)
    assert next(tried) == MAX_ATTEMPTS
    waits = [seconds for seconds in context.sleep.seconds if seconds in AGAIN_SECONDS]  # type: ignore[attr-defined]  # Slept
    assert waits == [*AGAIN_SECONDS, AGAIN_SECONDS[-1]]


async def test_errors_and_deaths_are_counted_together(process: Callable[[], Context]) -> None:
    for _ in range(3):
        await die(process(), raising(Killed()))
    with pytest.raises(ExhaustedError):
        await insist(process(), "a", raising(ValueError()))
    assert await counted(process()) == MAX_ATTEMPTS


# --- what does not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [UnavailableError(502, "away"), SandboxUnavailableError("away"), sa.exc.OperationalError("", None, OSError())],
    ids=["GitHub", "E2B", "the database"],
)
async def test_an_outage_is_no_attempt(process: Callable[[], Context], error: Exception) -> None:
    for _ in range(KILLS):
        with pytest.raises(type(error)):
            await limited_attempt(process(), "a", raising(error))
    assert await counted(process()) == 0


async def test_insisting_outlasts_an_outage(process: Callable[[], Context]) -> None:
    failures = iter([UnavailableError(502, "away")] * KILLS)

    async def work(_: Context) -> str:
        if (error := next(failures, None)) is not None:
            raise error
        return "done"

    assert await insist(process(), "a", work) == "done"


async def test_a_process_counts_once_if_it_survives_but_cannot_write_that(
    process: Callable[[], Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise sa.exc.OperationalError("", None, OSError())

    context = process()
    monkeypatch.setattr(attempts, "give_back", locked)
    for _ in range(KILLS):
        with pytest.raises(UnavailableError):
            await limited_attempt(context, "a", raising(UnavailableError(502, "away")))
    assert await counted(context) == 1


async def test_who_advances_is_never_given_up(process: Callable[[], Context]) -> None:
    for number in range(KILLS):
        await die(process(), raising(Killed()), progress=str(number))


async def test_who_tells_its_progress_is_never_given_up(process: Callable[[], Context]) -> None:
    async def work(context: Context) -> str:
        await context.progressed()
        raise Killed

    for _ in range(KILLS):
        await die(process(), work)


async def test_a_death_while_the_work_waits_is_not_its_fault(process: Callable[[], Context]) -> None:
    async def dying(_: float) -> None:
        raise Killed

    async def waiting(context: Context) -> str:
        await context.sleep(10.0)
        return "done"

    for _ in range(KILLS):
        await die(replace(process(), sleep=dying), waiting)
    assert await limited_attempt(process(), "a", waiting) == "done"
    assert await counted(process()) == 1, "after the wait the attempt is counted again"


async def test_a_short_sleep_is_part_of_the_work(process: Callable[[], Context]) -> None:
    async def work(context: Context) -> str:
        await context.sleep(0.1)
        raise Killed

    await die(process(), work)
    assert await counted(process()) == 1


async def test_a_process_that_is_stopped_in_order_gives_its_attempts_back(process: Callable[[], Context]) -> None:
    for _ in range(KILLS):
        context = process()
        working = asyncio.Event()

        async def work(_: Context, working: asyncio.Event = working) -> str:
            working.set()
            await asyncio.Event().wait()
            return "never"

        task = asyncio.create_task(limited_attempt(context, "a", work))
        await working.wait()
        interrupted = frozenset(context.attempts.open)
        task.cancel()
        await asyncio.wait({task})
        await context.database.write(attempts.give_back, interrupted)
        assert await counted(context) == 0


async def test_a_process_that_dies_of_something_else_as_it_starts_blames_nobody(
    process: Callable[[], Context],
) -> None:
    async def dying(seconds: float) -> None:
        assert 0 < seconds <= QUIET_SECONDS
        raise Killed

    for _ in range(TRUSTED):
        await die(process(), raising(Killed()))
    for _ in range(KILLS):
        await die(replace(process(), sleep=dying), succeed)
    assert await counted(process()) == TRUSTED
    assert await limited_attempt(process(), "a", succeed) == "done"


# --- work beside work that kills the process ----------------------------------------------------------


async def life(context: Context, jobs: dict[str, Work], ended: dict[str, str]) -> None:
    """A process works on all jobs at once, until one kills it or all have ended."""

    async def run(key: str, work: Work) -> None:
        try:
            ended[key] = await limited_attempt(context, key, work)
        except ExhaustedError:
            ended[key] = "given up"

    tasks = [asyncio.create_task(run(key, work)) for key, work in jobs.items() if key not in ended]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        assert task.exception() is None or isinstance(task.exception(), Killed)


@pytest.mark.parametrize("deadly_first", [True, False])
async def test_healthy_work_is_not_given_up_with_what_kills_the_process(
    process: Callable[[], Context], deadly_first: bool
) -> None:
    """The deadly work kills the process before any other has ended."""
    killed = itertools.count()

    async def deadly(_: Context) -> str:
        await asyncio.sleep(0.02)
        next(killed)
        raise Killed

    async def healthy(_: Context) -> str:
        await asyncio.sleep(0.1)
        return "done"

    healthy_jobs: dict[str, Work] = {f"healthy {number}": healthy for number in range(5)}
    jobs = {"deadly": deadly, **healthy_jobs} if deadly_first else {**healthy_jobs, "deadly": deadly}
    ended: dict[str, str] = {}
    while len(ended) < len(jobs):
        await life(process(), jobs, ended)
    assert ended == {"deadly": "given up", **dict.fromkeys(healthy_jobs, "done")}
    assert next(killed) == MAX_ATTEMPTS


@pytest.mark.parametrize("how", ["ends", "waits", "progresses", "fails"])
async def test_the_next_suspect_is_tried_when_the_one_before(process: Callable[[], Context], how: str) -> None:
    for key in ("one", "two"):
        for _ in range(TRUSTED):
            with pytest.raises(Killed):
                await limited_attempt(process(), key, raising(Killed()))
    context = process()
    begun, go_on, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def one(attempt: Context) -> str:
        begun.set()
        await go_on.wait()
        match how:
            case "waits":
                await attempt.sleep(60.0)
            case "progresses":
                await attempt.progressed()
            case "fails":
                raise ValueError
            case _:
                return "done"
        await never.wait()
        return "never"

    async def sleep(seconds: float) -> None:
        if seconds == 60.0:
            await never.wait()

    context = replace(context, sleep=sleep)
    first = asyncio.create_task(limited_attempt(context, "one", one))
    await begun.wait()
    second = asyncio.create_task(limited_attempt(context, "two", succeed))
    done, _ = await asyncio.wait({second}, timeout=0.2)
    assert not done
    go_on.set()
    async with asyncio.timeout(20):
        assert await second == "done"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
