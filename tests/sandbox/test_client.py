"""Commands run through our client, in the rig's sandboxes: how they end, and what ends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from bot.rig.e2b.server import E2B
from bot.rig.http.faults import Fault
from bot.sandbox import client
from bot.sandbox.client import Sandbox, Sandboxes
from bot.sandbox.errors import CommandTimeoutError

START = r"/process\.Process/Start"


@dataclass
class Sleep:
    """Waits for nothing, and notes how long it should have."""

    slept: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(scope="module")
def rig() -> Iterator[E2B]:
    with E2B() as running:
        yield running


@pytest.fixture
def sleep() -> Sleep:
    return Sleep()


@pytest.fixture
async def sandbox(rig: E2B, sleep: Sleep) -> AsyncIterator[Sandbox]:
    sandboxes = Sandboxes(rig.api_key, instance="test", api_url=rig.url, sandbox_url=rig.url, sleep=sleep)
    yield await sandboxes.create("run", "amp", seconds=300, repository=1)
    rig.clear()


async def test_a_command_that_overruns_is_no_outage(sandbox: Sandbox, sleep: Sleep) -> None:
    with pytest.raises(CommandTimeoutError):
        await sandbox.run("sleep 30", seconds=1)
    assert sleep.slept == []


async def test_a_stream_that_does_not_open_is_an_outage(
    rig: E2B, sandbox: Sandbox, sleep: Sleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.5)
    rig.server.faults.add(Fault("delay", method="POST", path=START, seconds=5))
    assert (await sandbox.run("echo here", seconds=30)).stdout == "here\n"
    assert sleep.slept == [client.WAITS[0]]


async def test_a_short_command_whose_stream_does_not_open_is_an_outage_too(
    rig: E2B, sandbox: Sandbox, sleep: Sleep
) -> None:
    rig.server.faults.add(Fault("delay", method="POST", path=START, seconds=8))
    assert (await sandbox.run("echo here", seconds=4)).stdout == "here\n"
    assert sleep.slept == [client.WAITS[0]]
