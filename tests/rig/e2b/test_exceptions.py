"""The SDK's exception for each failure of E2B. The bot's retry rules rely on this table."""

from __future__ import annotations

import asyncio
import json
import time

import e2b
import httpx
import pytest
from e2b import AsyncSandbox

from bot.rig.e2b.server import E2B
from bot.rig.http.faults import Fault, Side

from .conftest import client_of, until

CREATE = "/v2/sandboxes$"
START = "/process.Process/Start"


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    return await client.AsyncSandbox.create()


def tries(rig: E2B, path: str) -> list[int | None]:
    return [entry.status for entry in rig.server.request_log.entries if entry.path == path]


class TestControl:
    async def test_503_is_tried_four_times_and_is_no_sandbox_exception(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("error", path=CREATE, status=503, message="no capacity", times=0))

        with pytest.raises(e2b.ServiceBusyException, match="no capacity"):
            await client.AsyncSandbox.create()

        assert e2b.SandboxException not in e2b.ServiceBusyException.__mro__
        assert tries(rig, "/v2/sandboxes") == [503] * 4

    async def test_a_passing_503_is_not_noticed(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("error", path=CREATE, status=503, times=2))

        await client.AsyncSandbox.create()

        assert tries(rig, "/v2/sandboxes") == [503, 503, 201]

    async def test_500_is_not_tried_again(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("error", path=CREATE, status=500, message="Failed to place sandbox"))

        with pytest.raises(e2b.SandboxException, match="Failed to place sandbox") as caught:
            await client.AsyncSandbox.create()

        assert caught.value.status_code == 500
        assert tries(rig, "/v2/sandboxes") == [500]

    async def test_a_504_that_is_no_json_ends_in_a_json_error(self, rig: E2B, client: e2b.E2B) -> None:
        fault = Fault("error", path=CREATE, status=504, plain=True, message="upstream request timeout", times=0)
        rig.server.faults.add(fault)

        with pytest.raises(json.JSONDecodeError):
            await client.AsyncSandbox.create()

        assert tries(rig, "/v2/sandboxes") == [504] * 4

    async def test_an_error_after_the_effect_leaves_a_sandbox_behind(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("error", Side.AFTER, path=CREATE, status=500))

        with pytest.raises(e2b.SandboxException):
            await client.AsyncSandbox.create()

        assert len(rig.sandboxes) == 1

    async def test_a_refused_connection_is_a_plain_httpx_error(self) -> None:
        with E2B() as rig:
            client = client_of(rig)
        with pytest.raises(httpx.ConnectError):
            await client.AsyncSandbox.create()

    async def test_an_answer_that_does_not_come_is_a_plain_httpx_error(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("timeout", path=CREATE, seconds=30))

        with pytest.raises(httpx.TimeoutException):
            await client.AsyncSandbox.create(request_timeout=0.3)

    async def test_nonsense_is_a_json_error(self, rig: E2B, client: e2b.E2B) -> None:
        rig.server.faults.add(Fault("wrong_json", path="/sandboxes/"))
        sandbox = await client.AsyncSandbox.create()

        with pytest.raises(json.JSONDecodeError):
            await sandbox.get_info()


class TestCommands:
    async def test_a_sandbox_that_is_gone_is_not_running(self, sandbox: AsyncSandbox) -> None:
        await sandbox.kill()

        with pytest.raises(e2b.SandboxNotRunningException, match="was not found"):
            await sandbox.commands.run("true")
        with pytest.raises(e2b.SandboxNotRunningException):
            await sandbox.files.read(".bashrc")

    async def test_a_closed_port_is_unreachable(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        said = "The sandbox is running but port is not open"
        rig.server.faults.add(Fault("error", path=START, status=502, message=said))

        with pytest.raises(e2b.SandboxUnreachableException, match="could not be reached"):
            await sandbox.commands.run("true")

    @pytest.mark.parametrize("gone", [False, True])
    async def test_an_unclear_502_is_cleared_up_by_asking_for_health(
        self, rig: E2B, sandbox: AsyncSandbox, gone: bool
    ) -> None:
        rig.server.faults.add(Fault("error", path=START, status=502, plain=True))
        if gone:
            await asyncio.to_thread(rig.vanish, sandbox.sandbox_id)

        wanted = e2b.SandboxNotRunningException if gone else e2b.SandboxUnreachableException
        with pytest.raises(wanted):
            await sandbox.commands.run("true")
        assert tries(rig, "/health") == [502 if gone else 204]

    async def test_a_stream_that_breaks_off_while_the_sandbox_lives_is_unreachable(
        self, rig: E2B, sandbox: AsyncSandbox
    ) -> None:
        handle = await sandbox.commands.run("echo begun; sleep 30", background=True, timeout=0)
        await until(lambda: handle.stdout == "begun\n")

        await asyncio.to_thread(rig.cut, sandbox.sandbox_id)

        with pytest.raises(Exception, match=r"(?i)error") as caught:
            await handle.wait()
        assert tries(rig, "/health") == [204]
        assert not isinstance(caught.value, e2b.SandboxNotRunningException)
        assert [each.pid for each in await sandbox.commands.list()] == [handle.pid]

    async def test_a_stream_that_ends_in_good_form_without_an_end_is_a_bare_exception(
        self, rig: E2B, sandbox: AsyncSandbox
    ) -> None:
        rig.server.faults.add(Fault("stop", path=START))

        with pytest.raises(Exception, match="Command ended without an end event") as caught:
            await sandbox.commands.run("sleep 5")

        assert type(caught.value) is Exception
        assert tries(rig, "/health") == []

    async def test_too_many_requests_are_told(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        rig.server.faults.add(Fault("error", path=START, status=429))

        with pytest.raises(e2b.RateLimitException):
            await sandbox.commands.run("true")

    async def test_another_token_is_refused(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        rig.sandboxes[sandbox.sandbox_id].token = "another"

        with pytest.raises(e2b.AuthenticationException):
            await sandbox.commands.run("true")
        with pytest.raises(e2b.AuthenticationException):
            await sandbox.files.read(".bashrc")

    async def test_the_callers_own_deadline_is_exactly_a_timeout(self, sandbox: AsyncSandbox) -> None:
        started = time.perf_counter()
        with pytest.raises(e2b.TimeoutException) as caught:
            await sandbox.commands.run("sleep 30", timeout=0.5)

        assert type(caught.value) is e2b.TimeoutException
        assert time.perf_counter() - started < 10

    async def test_a_stream_that_does_not_open_is_a_timeout(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        rig.server.faults.add(Fault("delay", path=START, seconds=2))

        with pytest.raises(e2b.TimeoutException, match="didn't open within"):
            await sandbox.commands.run("true", request_timeout=0.3)

    async def test_a_raising_listener_is_heard_and_the_process_goes_on(self, sandbox: AsyncSandbox) -> None:
        def fail(_chunk: str) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await sandbox.commands.run("echo begun; exec sleep 30", on_stdout=fail, timeout=0)

        assert len(await sandbox.commands.list()) == 1

    async def test_half_a_download_is_an_error(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("f", "x" * 1000)
        rig.server.faults.add(Fault("cut", path="/files", method="GET"))

        with pytest.raises(httpx.HTTPError):
            await sandbox.files.read("f")
