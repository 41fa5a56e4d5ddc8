"""Commands in a sandbox, started, followed and ended through the SDK."""

from __future__ import annotations

import asyncio
import json

import e2b
import pytest
from e2b import AsyncSandbox

from bot.rig.e2b.server import E2B

from .conftest import http, stream, until


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    return await client.AsyncSandbox.create(envs={"OF_SANDBOX": "sandbox", "BOTH": "sandbox"})


class TestResults:
    async def test_output_is_split_and_the_exit_code_told(self, sandbox: AsyncSandbox) -> None:
        result = await sandbox.commands.run("echo out; echo err >&2")
        with pytest.raises(e2b.CommandExitException) as caught:
            await sandbox.commands.run("echo some; echo more >&2; exit 7")

        assert (result.stdout, result.stderr, result.exit_code, result.error) == ("out\n", "err\n", 0, None)
        failed = caught.value
        assert (failed.stdout, failed.stderr, failed.exit_code) == ("some\n", "more\n", 7)
        assert failed.error == "exit status 7"

    async def test_output_comes_while_the_command_runs(self, sandbox: AsyncSandbox) -> None:
        seen: list[str] = []

        async def answer(chunk: str) -> None:
            seen.append(chunk)
            await sandbox.files.write("go", "")

        result = await sandbox.commands.run(
            "echo first; while [ ! -e go ]; do sleep 0.01; done; echo second", on_stdout=answer
        )

        assert (seen, result.exit_code) == (["first\n", "second\n"], 0)

    async def test_nothing_of_a_large_output_is_lost(self, sandbox: AsyncSandbox) -> None:
        sizes: list[int] = []
        result = await sandbox.commands.run(
            "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end", on_stdout=lambda chunk: sizes.append(len(chunk))
        )

        assert len(result.stdout) == 3_000_005
        assert max(sizes) <= 32 * 1024

    async def test_output_need_not_be_kept(self, sandbox: AsyncSandbox) -> None:
        seen: list[str] = []
        result = await sandbox.commands.run("echo one", on_stdout=seen.append, retain_output=False)

        assert (result.stdout, seen) == (None, ["one\n"])

    async def test_bytes_that_are_no_text_do_not_stop_the_stream(self, sandbox: AsyncSandbox) -> None:
        result = await sandbox.commands.run(r"printf '\xff\xfeok\n'")

        assert result.stdout == "\ufffd\ufffdok\n"

    async def test_a_background_child_holds_the_end_up_and_is_heard(self, sandbox: AsyncSandbox) -> None:
        seen: list[str] = []
        wait = "until [ -e go ]; do sleep 0.01; done"

        async def answer(chunk: str) -> None:
            seen.append(chunk)
            await sandbox.files.write("go", "")

        result = await sandbox.commands.run(f"({wait}; echo late) & echo now; exit 3 | exit 0", on_stdout=answer)

        assert (result.stdout, seen) == ("now\nlate\n", ["now\n", "late\n"])

    @pytest.mark.parametrize("held", ["2>&1 >/dev/null", "2>/dev/null"], ids=["stderr", "stdout"])
    async def test_one_held_stream_is_enough(self, sandbox: AsyncSandbox, held: str) -> None:
        with pytest.raises(e2b.TimeoutException) as caught:
            await sandbox.commands.run(f"(sleep 30) {held} & echo started", timeout=1)

        assert type(caught.value) is e2b.TimeoutException

    async def test_a_child_that_holds_neither_stream_does_not(self, sandbox: AsyncSandbox) -> None:
        result = await sandbox.commands.run("sleep 900 >/dev/null 2>&1 & echo started", timeout=30)

        assert (result.stdout, result.exit_code) == ("started\n", 0)

    async def test_the_exit_code_is_the_commands_however_late_the_end(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(e2b.CommandExitException) as caught:
            await sandbox.commands.run("sleep 0.3 & exit 5", timeout=30)

        assert caught.value.exit_code == 5

    async def test_what_is_said_after_a_signal_is_passed_on(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        script = "trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.01; done"
        handle = await sandbox.commands.run(script, background=True, timeout=0)
        await until(lambda: handle.stdout == "ready\n")
        body = {"process": {"pid": handle.pid}, "signal": "SIGNAL_SIGTERM"}
        whose = {"e2b-sandbox-id": sandbox.sandbox_id, "x-access-token": rig.sandboxes[sandbox.sandbox_id].token}
        await http("POST", f"{rig.url}/process.Process/SendSignal", json=body, headers=whose)

        with pytest.raises(e2b.CommandExitException) as caught:
            await handle.wait()
        assert (caught.value.stdout, caught.value.exit_code) == ("ready\nbye\n", 6)

    async def test_a_sandbox_ends_though_a_child_holds_the_output(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("setsid sleep 900 & echo started", background=True, timeout=0)
        await until(lambda: handle.stdout == "started\n")

        assert await sandbox.kill() is True


class TestSurroundings:
    async def test_a_command_gets_five_variables_and_what_it_was_given(
        self, sandbox: AsyncSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = await sandbox.commands.run("env", envs={"OF_COMMAND": "command", "BOTH": "command"})

        env = dict(line.split("=", 1) for line in result.stdout.splitlines())
        assert env.pop("PATH").startswith("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        for of_bash in ("PWD", "SHLVL", "_"):
            del env[of_bash]
        assert env == {
            "HOME": "/home/user",
            "USER": "user",
            "LOGNAME": "user",
            "E2B_SANDBOX": "true",
            "OF_SANDBOX": "sandbox",
            "OF_COMMAND": "command",
            "BOTH": "command",
        }

    async def test_commands_start_at_home_or_where_they_are_told_to(self, sandbox: AsyncSandbox) -> None:
        await sandbox.commands.run("mkdir -p deep/er; ln -s deep short")

        async def at(cwd: str | None) -> str:
            return (await sandbox.commands.run("pwd -P", cwd=cwd)).stdout.strip()

        assert await at(None) == "/home/user"
        assert await at("/tmp") == "/tmp"
        assert await at("deep/er") == "/home/user/deep/er"
        assert await at("~/short/er") == "/home/user/deep/er"

    @pytest.mark.parametrize("cwd", ["/home/user/nowhere", "nowhere", "/nowhere"])
    async def test_a_missing_directory_to_start_in_is_refused(self, sandbox: AsyncSandbox, cwd: str) -> None:
        with pytest.raises(e2b.InvalidArgumentException, match=r"cwd '/.*' does not exist"):
            await sandbox.commands.run("true", cwd=cwd)

    async def test_a_login_shell_reads_the_profile_of_the_sandbox(self, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write(".bash_profile", "export FROM_PROFILE=yes")

        assert (await sandbox.commands.run("echo $FROM_PROFILE")).stdout == "yes\n"

    async def test_the_login_shell_resets_the_path(self, sandbox: AsyncSandbox) -> None:
        result = await sandbox.commands.run("echo $PATH", envs={"PATH": "/nowhere"})

        assert "/nowhere" not in result.stdout

    async def test_root_has_a_home_of_its_own(self, sandbox: AsyncSandbox) -> None:
        assert (await sandbox.commands.run("echo $HOME $USER", user="root")).stdout == "/root root\n"

    async def test_an_unknown_user_is_refused(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(e2b.AuthenticationException, match="nobody"):
            await sandbox.commands.run("true", user="nobody")

    async def test_git_is_there(self, sandbox: AsyncSandbox) -> None:
        await sandbox.commands.run(
            "git init -q r && cd r && git -c user.name=n -c user.email=e commit -q --allow-empty -m m"
        )

        assert (await sandbox.git.status("/home/user/r")).is_clean

    async def test_what_was_run_is_recorded_with_its_variables(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        with pytest.raises(e2b.CommandExitException):
            await sandbox.commands.run("exit 3", envs={"TOKEN": "t"}, cwd="/tmp")

        (command,) = rig.sandboxes[sandbox.sandbox_id].commands
        assert (command.text, command.envs, command.cwd, command.user, command.status) == (
            "exit 3",
            {"TOKEN": "t"},
            "/tmp",
            "user",
            "exit status 3",
        )


class TestTimeouts:
    async def test_at_its_timeout_the_process_is_killed_not_only_the_call(
        self, rig: E2B, sandbox: AsyncSandbox
    ) -> None:
        with pytest.raises(e2b.TimeoutException) as caught:
            await sandbox.commands.run("while :; do date >> ticks; sleep 0.02; done", timeout=1)

        async def killed() -> bool:
            return rig.sandboxes[sandbox.sandbox_id].commands[0].status == "signal: killed"

        assert type(caught.value) is e2b.TimeoutException
        await until(killed)
        assert await sandbox.commands.list() == []

    async def test_a_background_process_dies_at_its_timeout_too_though_nobody_listens(
        self, rig: E2B, sandbox: AsyncSandbox
    ) -> None:
        handle = await sandbox.commands.run("exec sleep 30", background=True, timeout=1)
        await handle.disconnect()

        async def killed() -> bool:
            return rig.sandboxes[sandbox.sandbox_id].commands[0].status == "signal: killed"

        await until(killed)

    async def test_the_timeout_kills_the_shell_and_not_its_children(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(e2b.TimeoutException):
            await sandbox.commands.run("sleep 30 & echo $! > child; wait", timeout=1)

        assert (await sandbox.commands.run("kill -0 $(cat child) && echo alive")).stdout == "alive\n"

    async def test_a_connection_has_a_timeout_of_its_own_that_harms_nobody(self, sandbox: AsyncSandbox) -> None:
        started = await sandbox.commands.run("exec sleep 30", background=True, timeout=0)
        await started.disconnect()
        connected = await sandbox.commands.connect(started.pid, timeout=1)

        with pytest.raises(e2b.TimeoutException):
            await connected.wait()
        assert [each.pid for each in await sandbox.commands.list()] == [started.pid]


class TestReconnecting:
    async def test_leaving_kills_nothing_and_what_is_said_meanwhile_is_lost(
        self, client: e2b.E2B, sandbox: AsyncSandbox
    ) -> None:
        wait = "until [ -e {} ]; do sleep 0.01; done"
        script = f"echo one; {wait.format('go')}; echo two; {wait.format('on')}; echo three; exit 5"
        handle = await sandbox.commands.run(script, background=True, timeout=0)

        async def has_spoken() -> bool:
            return handle.stdout == "one\n"

        await until(has_spoken)
        await handle.disconnect()
        await sandbox.files.write("go", "")
        await asyncio.sleep(0.2)

        again = await client.AsyncSandbox.connect(sandbox.sandbox_id)
        connected = await again.commands.connect(handle.pid, timeout=0)
        await again.files.write("on", "")

        with pytest.raises(e2b.CommandExitException) as caught:
            await connected.wait()
        assert (caught.value.stdout, caught.value.exit_code) == ("three\n", 5)

    async def test_cancelling_the_call_leaves_the_process_running(self, sandbox: AsyncSandbox) -> None:
        calling = asyncio.create_task(sandbox.commands.run("echo $$ > pid; exec sleep 30", timeout=0))

        async def begun() -> bool:
            return await sandbox.files.exists("pid") and await sandbox.files.read("pid") != ""

        await until(begun)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

        pid = int(await sandbox.files.read("pid"))
        assert [each.pid for each in await sandbox.commands.list()] == [pid]

    async def test_a_caller_that_leaves_before_the_start_holds_nothing_up(
        self, rig: E2B, sandbox: AsyncSandbox
    ) -> None:
        script = "head -c 10000000 /dev/zero; touch done"
        message = json.dumps({"process": {"cmd": "/bin/bash", "args": ["-l", "-c", script]}}).encode()
        head = (
            "POST /process.Process/Start HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\n"
            f"E2b-Sandbox-Id: {sandbox.sandbox_id}\r\nX-Access-Token: {rig.sandboxes[sandbox.sandbox_id].token}\r\n"
            f"Content-Length: {len(message) + 5}\r\n\r\n"
        )
        _, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
        writer.write(head.encode() + b"\0" + len(message).to_bytes(4, "big") + message)
        await writer.drain()
        writer.transport.abort()

        await until(lambda: sandbox.files.exists("done"))

    async def test_the_end_of_a_process_nobody_watched_can_be_asked_for(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("echo unheard; exit 4", background=True, timeout=0)
        await handle.disconnect()

        async def ended() -> bool:
            return await sandbox.commands.list() == []

        await until(ended)

        connected = await sandbox.commands.connect(handle.pid)

        with pytest.raises(e2b.CommandExitException) as caught:
            await connected.wait()
        assert (caught.value.stdout, caught.value.exit_code) == ("", 4)

    async def test_after_a_while_it_is_forgotten(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        rig.settings.exit_event_seconds = 0.0
        handle = await sandbox.commands.run("true", background=True, timeout=0)
        await handle.wait()

        with pytest.raises(e2b.NotFoundException, match=f"process with pid {handle.pid} not found"):
            await sandbox.commands.connect(handle.pid)

    async def test_two_may_listen_at_once(self, sandbox: AsyncSandbox) -> None:
        handle = await sandbox.commands.run("cat", background=True, timeout=0, stdin=True)
        other = await sandbox.commands.connect(handle.pid, timeout=0)
        await handle.send_stdin("both\n")
        await handle.close_stdin()

        assert [(await each.wait()).stdout for each in (handle, other)] == ["both\n", "both\n"]

    async def test_a_silent_stream_says_that_it_is_alive(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        message = b'{"process":{"cmd":"/bin/bash","args":["-l","-c","sleep 1.2"]}}'

        answer = await stream(rig, sandbox.sandbox_id, "process.Process/Start", message, keepalive_ping_interval="1")

        assert answer.count(b'{"event":{"keepalive":{}}}') == 1
        assert answer.endswith(b"\x02\x00\x00\x00\x02{}")


def test_the_synchronous_sdk_works_too(client: e2b.E2B) -> None:
    sandbox = client.Sandbox.create("base")
    seen: list[str] = []
    result = sandbox.commands.run("echo one; echo two", on_stdout=seen.append)
    handle = sandbox.commands.run("read x; echo got $x", background=True, stdin=True)
    sandbox.commands.send_stdin(handle.pid, "this\n")

    assert (result.stdout, "".join(seen), handle.wait().stdout) == ("one\ntwo\n", "one\ntwo\n", "got this\n")
    assert sandbox.kill() is True
