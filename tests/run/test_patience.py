"""While an agent works, E2B's trouble is outlasted as long as the sandbox may live; what is final ends the run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bot.context import Context
from bot.engine.retry import E2B_WAIT, retry_e2b
from bot.model import RunState
from bot.run import workflow
from bot.run.prepare import lifetime
from bot.sandbox.errors import (
    CommandTimeoutError,
    MissingFileError,
    OutputError,
    SandboxBusyError,
    SandboxError,
    SandboxGoneError,
    SandboxRefusedError,
    SandboxUnavailableError,
)
from bot.store import runs
from bot.store.runs import Run
from tests.factory import run_request

REQUEST = run_request()


@dataclass
class Time:
    """Passes only while somebody sleeps."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Outage:
    """Work that E2B's trouble keeps from being done until `ends`."""

    time: Time
    error: SandboxError
    ends: float
    tries: int = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.time.now < self.ends:
            raise self.error
        return "result"


@pytest.mark.parametrize(
    "error", [SandboxUnavailableError("away"), SandboxBusyError("busy")], ids=lambda error: type(error).__name__
)
async def test_an_outage_of_half_an_hour_is_outlasted(error: SandboxError) -> None:
    time = Time()
    outage = Outage(time, error, ends=time.now + 1_800)
    assert await retry_e2b(time.sleep, outage, until=time.now + 3_600, clock=time) == "result"
    assert set(time.slept) == {E2B_WAIT}


async def test_nobody_waits_for_longer_than_the_sandbox_may_live() -> None:
    time = Time()
    outage, until = Outage(time, SandboxUnavailableError("away"), ends=float("inf")), time.now + 600
    with pytest.raises(SandboxUnavailableError):
        await retry_e2b(time.sleep, outage, until=until, clock=time)
    assert until - E2B_WAIT <= time.now < until


@pytest.mark.parametrize(
    "kind", [SandboxGoneError, SandboxRefusedError, CommandTimeoutError, OutputError, MissingFileError]
)
async def test_what_waiting_does_not_cure_is_raised_at_once(kind: type[SandboxError]) -> None:
    time = Time()
    outage = Outage(time, kind("x"), ends=float("inf"))
    with pytest.raises(kind):
        await retry_e2b(time.sleep, outage, until=float("inf"), clock=time)
    assert (outage.tries, time.slept) == (1, [])


# --- the stages ---


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in ("bot.engine.retry", "bot.run.workflow", "bot.store.runs"):
        monkeypatch.setattr(f"{module}.now", time)
    # A default argument was bound before.
    monkeypatch.setattr("bot.engine.retry.retry_e2b.__kwdefaults__", {"clock": time})
    return time


async def begun(context: Context) -> None:
    await context.database.write(runs.add, REQUEST)
    await context.database.write(runs.set_state, REQUEST.id, RunState.PREPARING)


async def ended(context: Context) -> tuple[RunState, bool]:
    """The run's state, and whether its end is decided."""
    row = await context.database.read(runs.get, REQUEST.id)
    return row.state, row.ending is not None


@pytest.mark.parametrize("name", ["work", "collect"])
async def test_a_stage_with_work_to_lose_outlasts_e2b(
    context: Context, time: Time, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    context = replace(context, sleep=time.sleep)
    await begun(context)
    outage = Outage(time, SandboxUnavailableError("away"), ends=time.now + 1_800)

    async def stage(_world: Context, _run: Run) -> None:
        await outage()

    monkeypatch.setattr(workflow, name, stage)
    assert await workflow.attempt(context, REQUEST.id, stage) is False
    assert await ended(context) == (RunState.PREPARING, False)
    assert outage.tries > 100


@pytest.mark.parametrize("name", ["work", "collect"])
async def test_with_the_sandbox_gone_for_sure_the_run_ends(
    context: Context, time: Time, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    context = replace(context, sleep=time.sleep)
    await begun(context)
    began = time.now
    outage = Outage(time, SandboxUnavailableError("away"), ends=float("inf"))

    async def stage(_world: Context, _run: Run) -> None:
        await outage()

    monkeypatch.setattr(workflow, name, stage)
    assert await workflow.attempt(context, REQUEST.id, stage) is True
    assert await ended(context) == (RunState.FAILED, True)
    assert time.now - began <= lifetime(context.settings)


async def test_before_the_agent_works_nobody_waits_so_long(
    context: Context, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = replace(context, sleep=time.sleep)
    await begun(context)
    outage = Outage(time, SandboxUnavailableError("away"), ends=float("inf"))

    async def stage(_world: Context, _run: Run) -> None:
        await outage()

    monkeypatch.setattr(workflow, "prepare", stage)
    assert await workflow.attempt(context, REQUEST.id, stage) is True
    assert (outage.tries, time.slept) == (1, [])
