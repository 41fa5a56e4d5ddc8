"""Signals to running commands, their input, and many of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import e2b
import pytest
from e2b import AsyncSandbox

from bot.rig.e2b.server import E2B

from .conftest import until


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    return await client.AsyncSandbox.create()


class TestSignalsAndInput:
    async def test_kill_tells_the_code_minus_one(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("exec sleep 30", background=True, timeout=0)

        assert await handle.kill() is True
        with pytest.raises(e2b.CommandExitException) as caught:
            await handle.wait()
        assert (caught.value.exit_code, caught.value.error) == (-1, "signal: killed")
        assert await handle.kill() is False

    @pytest.mark.parametrize(("group", "alive"), [(False, "alive\n"), (True, "dead\n")])
    async def test_kill_reaches_the_process_and_its_group_only_when_set_so(
        self, rig: E2B, sandbox: AsyncSandbox, group: bool, alive: str
    ) -> None:
        rig.settings.kill_group = group
        handle = await sandbox.commands.run(
            "sleep 30 >/dev/null 2>&1 & echo $! > child; wait", background=True, timeout=0
        )

        async def begun() -> bool:
            return await sandbox.files.exists("child") and await sandbox.files.read("child") != ""

        await until(begun)
        await handle.kill()
        with pytest.raises(e2b.CommandExitException):
            await handle.wait()

        look = "kill -0 $(cat child) 2>/dev/null && echo alive || echo dead"

        async def seen() -> bool:
            return (await sandbox.commands.run(look)).stdout == alive

        await until(seen)

    async def test_a_process_id_is_what_the_sandbox_itself_calls_it(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("echo $$; exec sleep 30", background=True, timeout=0)

        async def has_spoken() -> bool:
            return handle.stdout != ""

        await until(has_spoken)

        assert handle.stdout == f"{handle.pid}\n"
        await sandbox.commands.run(f"kill -TERM {handle.pid}")
        with pytest.raises(e2b.CommandExitException) as caught:
            await handle.wait()
        assert (caught.value.exit_code, caught.value.error) == (-1, "signal: terminated")

    async def test_running_processes_are_listed_as_they_were_started(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("sleep 30", background=True, timeout=0, envs={"A": "1"}, cwd="/tmp")

        (listed,) = await sandbox.commands.list()

        assert (listed.pid, listed.cmd, listed.args, listed.envs, listed.cwd, listed.tag) == (
            handle.pid,
            "/bin/bash",
            ["-l", "-c", "sleep 30"],
            {"A": "1"},
            "/tmp",
            None,
        )

    async def test_input_goes_in_until_it_is_closed(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("wc -c", background=True, timeout=0, stdin=True)
        await handle.send_stdin("x" * 300_000)
        await handle.send_stdin(b"\xff")
        await handle.close_stdin()

        assert (await handle.wait()).stdout == "300001\n"

    async def test_input_can_come_as_a_stream(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("head -n 2", background=True, timeout=0, stdin=True)
        async with sandbox.commands.stream_input(handle.pid) as stream:
            await stream.send("one\n")
            await stream.send("two\n")

        assert (await handle.wait()).stdout == "one\ntwo\n"

    async def test_without_stdin_there_is_nothing_to_read_and_nowhere_to_write(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("cat; exec sleep 30", background=True, timeout=0)

        with pytest.raises(e2b.SandboxException, match="stdin not enabled or closed"):
            await handle.send_stdin("x")

    @pytest.mark.parametrize(
        "feed",
        [
            lambda commands: commands.send_stdin(4242, "x"),
            lambda commands: commands.close_stdin(4242),
            lambda commands: commands.stream_input(4242).close(),
        ],
    )
    async def test_input_for_a_process_that_is_not_there_is_refused(
        self, sandbox: AsyncSandbox, feed: Callable[[Any], Awaitable[None]]
    ) -> None:
        with pytest.raises(e2b.NotFoundException, match="process with pid 4242 not found"):
            await feed(sandbox.commands)

    async def test_a_terminal_has_a_size_and_echoes(self, sandbox: AsyncSandbox) -> None:
        seen = bytearray()
        terminal = await sandbox.pty.create(e2b.PtySize(rows=24, cols=80), on_data=seen.extend, timeout=0)
        await sandbox.pty.resize(terminal.pid, e2b.PtySize(rows=40, cols=100))
        await sandbox.pty.send_stdin(terminal.pid, b"stty size; exit 3\n")

        with pytest.raises(e2b.CommandExitException) as caught:
            await terminal.wait()
        assert caught.value.exit_code == 3
        assert b"40 100" in seen


class TestManyAtOnce:
    async def test_sixty_commands_at_once_keep_their_outputs_apart(self, sandbox: AsyncSandbox) -> None:
        results = await asyncio.gather(*(sandbox.commands.run(f"echo {number}") for number in range(60)))

        assert [each.stdout for each in results] == [f"{number}\n" for number in range(60)]

    async def test_a_slow_listener_holds_the_process_up_and_loses_nothing(self, sandbox: AsyncSandbox) -> None:
        async def slow(chunk: str) -> None:
            await asyncio.sleep(0.001)

        result = await sandbox.commands.run("head -c 20000000 /dev/zero | tr '\\0' x", on_stdout=slow)

        assert len(result.stdout) == 20_000_000

    async def test_descriptors_are_given_back(self, sandbox: AsyncSandbox) -> None:
        await sandbox.commands.run("true")
        before = _open_files()
        for _ in range(30):
            await sandbox.commands.run("true")

        assert _open_files() <= before + 3


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
