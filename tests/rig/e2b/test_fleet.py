"""The life cycle of sandboxes: idempotency, limits, timeouts, pauses and unexpected ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import e2b
import httpx
import pytest
from e2b import SandboxState

from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Ending, Settings, State
from bot.rig.http.faults import Fault, Side

from .conftest import client_of, until


class Clock:
    """A clock that advances only when told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> Iterator[E2B]:
    with E2B(Settings(clock=clock)) as running:
        yield running


class TestIdempotency:
    async def test_the_same_key_gives_the_same_sandbox(self, rig: E2B, client: e2b.E2B) -> None:
        first = await client.AsyncSandbox.create("amp", idempotency_key="job-1")
        second = await client.AsyncSandbox.create("amp", idempotency_key="job-1")
        third = await client.AsyncSandbox.create("amp", idempotency_key="job-2")

        assert first.sandbox_id == second.sandbox_id != third.sandbox_id
        assert len(rig.records) == 2

    async def test_the_same_key_with_another_request_is_refused(self, client: e2b.E2B) -> None:
        await client.AsyncSandbox.create("amp", idempotency_key="job-1")

        with pytest.raises(e2b.SandboxException, match="different request") as caught:
            await client.AsyncSandbox.create("base", idempotency_key="job-1")
        assert caught.value.status_code == 422

    async def test_the_same_key_while_the_first_is_under_way_is_refused(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.create_delay_seconds = 0.5

        answers = await asyncio.gather(
            *(client.AsyncSandbox.create("amp", idempotency_key="job-1") for _ in range(2)), return_exceptions=True
        )

        refused = [each for each in answers if isinstance(each, e2b.SandboxException)]
        assert [each.status_code for each in refused] == [409]
        assert len(rig.records) == 1

    async def test_a_refused_creation_does_not_use_the_key_up(self, client: e2b.E2B) -> None:
        with pytest.raises(e2b.SandboxException):
            await client.AsyncSandbox.create("nothing", idempotency_key="job-1")

        assert await client.AsyncSandbox.create("amp", idempotency_key="job-1")

    async def test_a_creation_whose_answer_was_lost_is_found_again(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("timeout", Side.AFTER, "POST", "/v2/sandboxes", seconds=0.1))
        with pytest.raises(httpx.HTTPError):
            await client.AsyncSandbox.create("amp", idempotency_key="job-1", request_timeout=5)

        sandbox = await client.AsyncSandbox.create("amp", idempotency_key="job-1")

        assert [record.id for record in rig.records] == [sandbox.sandbox_id]

    async def test_a_key_brings_no_sandbox_back_to_life(self, rig: E2B, client: e2b.E2B) -> None:
        first = await client.AsyncSandbox.create("amp", idempotency_key="job-1")
        await first.kill()

        again = await client.AsyncSandbox.create("amp", idempotency_key="job-1")

        assert (again.sandbox_id, await again.is_running(), rig.sandboxes) == (first.sandbox_id, False, {})


class TestLimits:
    async def test_one_sandbox_too_many_is_refused_until_another_ends(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.max_concurrent = 1
        first = await client.AsyncSandbox.create()

        with pytest.raises(e2b.RateLimitException, match=r"maximum number of concurrent E2B sandboxes \(1\)"):
            await client.AsyncSandbox.create(retries=0)
        await first.kill()
        assert await client.AsyncSandbox.create(retries=0)

    async def test_the_sdk_waits_as_it_is_told_and_tries_again(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.max_concurrent = 1
        first = await client.AsyncSandbox.create()
        waiting = asyncio.create_task(client.AsyncSandbox.create())
        await until(lambda: any(entry.status == 429 for entry in rig.server.request_log.entries))
        await first.kill()

        await waiting

        posts = [entry for entry in rig.server.request_log.entries if entry.method == "POST"]
        assert [entry.status for entry in posts] == [201, 429, 201]
        assert posts[1].answer_headers["retry-after"] == "1"
        assert posts[2].at - posts[1].at >= 1

    async def test_a_paused_sandbox_does_not_count_until_it_is_resumed(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.max_concurrent = 1
        first = await client.AsyncSandbox.create()
        await first.pause()
        await client.AsyncSandbox.create(retries=0)

        with pytest.raises(e2b.RateLimitException):
            await first.connect(retries=0)

    async def test_sandboxes_under_construction_count(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.max_concurrent, rig.settings.create_delay_seconds = 2, 0.3

        answers = await asyncio.gather(
            *(client.AsyncSandbox.create(retries=0) for _ in range(4)), return_exceptions=True
        )

        assert sum(isinstance(each, e2b.RateLimitException) for each in answers) == 2

    async def test_creations_a_second_can_be_limited(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.create_rate = 2

        answers = await asyncio.gather(
            *(client.AsyncSandbox.create(retries=0) for _ in range(5)), return_exceptions=True
        )

        assert sum(isinstance(each, e2b.RateLimitException) for each in answers) == 3

    async def test_creation_takes_as_long_as_it_is_set_to(self, rig: E2B, client: e2b.E2B) -> None:
        rig.settings.create_delay_seconds = 0.4
        started = time.perf_counter()

        await client.AsyncSandbox.create()

        assert time.perf_counter() - started >= 0.4


class TestTime:
    async def test_a_sandbox_ends_when_its_time_is_up(self, timed: E2B, clock: Clock) -> None:
        sandbox = await client_of(timed).AsyncSandbox.create(timeout=60)
        await sandbox.commands.run("true")
        clock.now += 59
        assert await sandbox.is_running() is True
        clock.now += 2
        await until(lambda: not timed.sandboxes)

        assert [record.ending for record in timed.records] == [Ending.EXPIRED]
        with pytest.raises(e2b.SandboxNotRunningException):
            await sandbox.commands.run("true")

    async def test_activity_does_not_lengthen_a_life_and_set_timeout_does(self, timed: E2B, clock: Clock) -> None:
        client = client_of(timed)
        busy = await client.AsyncSandbox.create(timeout=60)
        renewed = await client.AsyncSandbox.create(timeout=60)
        clock.now += 50
        await busy.commands.run("true")
        await renewed.set_timeout(60)
        clock.now += 20
        await until(lambda: len(timed.sandboxes) == 1)

        assert list(timed.sandboxes) == [renewed.sandbox_id]

    async def test_a_sandbox_that_is_to_be_paused_waits_with_its_files(self, timed: E2B, clock: Clock) -> None:
        sandbox = await client_of(timed).AsyncSandbox.create(timeout=60, lifecycle={"on_timeout": "pause"})
        await sandbox.files.write("kept", "1")
        clock.now += 61
        await until(lambda: timed.records[0].state is State.PAUSED)
        assert (await sandbox.get_info()).state is SandboxState.PAUSED
        again = await sandbox.connect(timeout=60)

        assert await again.files.read("kept") == "1"
        assert timed.records[0].ends == clock.now + 60

    async def test_a_sandbox_can_be_expired_at_will(self, rig: E2B, client: e2b.E2B) -> None:
        kill = await client.AsyncSandbox.create()
        pause = await client.AsyncSandbox.create(lifecycle={"on_timeout": "pause"})

        rig.expire(kill.sandbox_id)
        rig.expire(pause.sandbox_id)

        assert [(record.state, record.ending) for record in rig.records] == [
            (State.ENDED, Ending.EXPIRED),
            (State.PAUSED, None),
        ]


class TestPause:
    async def test_a_paused_sandbox_cannot_be_reached_or_paused_again(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()

        assert await sandbox.pause() is True
        assert await sandbox.pause() is False
        assert await sandbox.is_running() is False
        with pytest.raises(e2b.SandboxNotRunningException):
            await sandbox.commands.run("true")
        with pytest.raises(e2b.SandboxNotFoundException):
            await sandbox.set_timeout(60)

    async def test_processes_stand_still_and_go_on(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        counting = "n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.02; done"
        handle = await sandbox.commands.run(counting, background=True, timeout=0)
        await sandbox.pause()
        with pytest.raises(e2b.SandboxNotRunningException):
            await handle.wait()

        again = await sandbox.connect()
        counts: list[str] = []
        async with asyncio.timeout(10):
            while len(set(counts)) < 3:
                counts.append(await again.files.read("count"))

        assert [process.pid for process in await again.commands.list()] == [handle.pid]
        assert await again.commands.kill(handle.pid) is True

    async def test_without_memory_processes_end_and_files_stay(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        handle = await sandbox.commands.run("echo here > file; echo done; sleep 60", background=True, timeout=0)
        await until(lambda: handle.stdout == "done\n")
        await sandbox.pause(mode="filesystem")
        with pytest.raises(e2b.SandboxNotRunningException):
            await handle.wait()

        again = await sandbox.connect()

        assert await again.commands.list() == []
        assert (await again.commands.run("cat file")).stdout == "here\n"

    async def test_traffic_wakes_a_sandbox_that_resumes_by_itself(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create(lifecycle={"on_timeout": "pause", "auto_resume": True})
        await sandbox.pause()

        assert (await sandbox.commands.run("echo awake")).stdout == "awake\n"
        assert [record.state for record in rig.records] == [State.RUNNING]

    async def test_a_paused_sandbox_can_be_killed(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        handle = await sandbox.commands.run("sleep 60", background=True, timeout=0)
        await sandbox.pause()
        with pytest.raises(e2b.SandboxNotRunningException):
            await handle.wait()

        assert await sandbox.kill() is True
        assert rig.records[0].commands[0].status == "signal: killed"


class TestEnds:
    @pytest.mark.parametrize("end", ["kill", "expire", "vanish"])
    async def test_a_sandbox_that_ends_mid_stream_is_told_as_not_running(
        self, rig: E2B, client: e2b.E2B, end: str
    ) -> None:
        sandbox = await client.AsyncSandbox.create()
        handle = await sandbox.commands.run("echo begun; sleep 60", background=True, timeout=0)
        await until(lambda: handle.stdout == "begun\n")

        await asyncio.to_thread(getattr(rig, end), sandbox.sandbox_id)

        with pytest.raises(e2b.SandboxNotRunningException):
            await handle.wait()
        assert rig.records[0].commands[0].status == "signal: killed"
        assert await sandbox.is_running() is False

    async def test_every_process_ends_with_its_sandbox_daemons_too(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.commands.run("setsid nohup sh -c 'while :; do date >> ticks; sleep 0.02; done' >/dev/null 2>&1 &")
        await until(lambda: sandbox.files.exists("ticks"))
        ticks = rig.records[0].home / "ticks"
        with ticks.open() as open_file:
            await sandbox.kill()
            open_file.seek(0, 2)
            size = open_file.tell()
            await asyncio.sleep(0.2)
            assert open_file.seek(0, 2) == size

    async def test_the_folder_goes_with_the_sandbox(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        folder = rig.records[0].folder
        assert folder.is_dir()
        await sandbox.kill()
        await until(lambda: not folder.exists())

    async def test_stopping_the_stand_in_ends_all(self) -> None:
        with E2B() as rig:
            sandbox = await client_of(rig).AsyncSandbox.create()
            handle = await sandbox.commands.run("sleep 60", background=True, timeout=0)
            folder = rig.records[0].folder
            await asyncio.to_thread(rig.stop)
        with pytest.raises(e2b.TimeoutException):  # not running or not reachable, depending on timing
            await handle.wait()

        assert not folder.parent.exists()
        assert [(record.ending, record.commands[0].status) for record in rig.records] == [
            (Ending.STOPPED, "signal: killed")
        ]

    async def test_killing_from_many_threads_at_once_kills_once(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        outcomes: list[str] = []

        def kill() -> None:
            try:
                rig.kill(sandbox.sandbox_id)
                outcomes.append("killed")
            except Exception as error:  # noqa: BLE001 - counted by name
                outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=kill) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)

        assert sorted(outcomes) == ["Refusal"] * 4 + ["killed"]
