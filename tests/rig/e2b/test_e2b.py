"""The stand-in as a whole: starting, stopping, its methods, and many sandboxes at once."""

from __future__ import annotations

import asyncio
import time

import e2b
import pytest

from bot.rig.e2b.fleet import Refusal
from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Settings

from .conftest import client_of


async def test_text_can_be_added_to_a_file_from_outside(rig: E2B, client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()

    rig.append(sandbox.sandbox_id, "run/out.jsonl", b"one\n")
    rig.append(sandbox.sandbox_id, "/home/user/run/out.jsonl", b"two\n")

    assert (await sandbox.commands.run("cat ~/run/out.jsonl")).stdout == "one\ntwo\n"


def test_it_can_be_stopped_twice_and_started_again() -> None:
    rig = E2B()
    with rig:
        client_of(rig).Sandbox.create()
        first = rig.url
    rig.stop()
    with rig:
        assert rig.url == first
        assert client_of(rig).Sandbox.create().commands.run("echo again").stdout == "again\n"
    assert len(rig.records) == 2


async def test_it_can_be_made_as_new(rig: E2B, client: e2b.E2B) -> None:
    rig.add_template("mine", lambda home: None)
    sandbox = await client.AsyncSandbox.create("mine", idempotency_key="job-1")

    await asyncio.to_thread(rig.clear)

    assert (rig.sandboxes, rig.records, rig.server.request_log.entries) == ({}, (), ())
    with pytest.raises(e2b.SandboxException, match="template 'mine' not found"):
        await client.AsyncSandbox.create("mine")
    assert (await client.AsyncSandbox.create("amp", idempotency_key="job-1")).sandbox_id != sandbox.sandbox_id


def test_what_is_not_running_cannot_be_told_anything() -> None:
    with pytest.raises(Refusal, match="doesn't exist"):
        E2B().expire("nothing")
    with pytest.raises(RuntimeError, match="not running"):
        E2B().kill("nothing")


def test_two_of_them_know_nothing_of_each_other() -> None:
    with E2B() as one, E2B() as two:
        sandbox = client_of(one).Sandbox.create()

        assert (len(one.sandboxes), len(two.sandboxes)) == (1, 0)
        with pytest.raises(e2b.AuthenticationException):
            e2b.E2B(api_key=one.api_key, api_url=two.url).Sandbox.kill(sandbox.sandbox_id)


async def test_two_hundred_sandboxes_live_at_once_without_a_thread_each() -> None:
    with E2B(Settings(max_concurrent=1_000)) as rig:
        client = client_of(rig)
        sandboxes = await asyncio.gather(*(client.AsyncSandbox.create("amp") for _ in range(200)))

        async def work(sandbox: e2b.AsyncSandbox) -> str:
            return (await sandbox.commands.run("echo $HOME > ~/f; cat ~/f")).stdout

        started = time.perf_counter()
        outputs = await asyncio.gather(*(work(sandbox) for sandbox in sandboxes))
        took = time.perf_counter() - started
        await asyncio.gather(*(sandbox.kill() for sandbox in sandboxes))

        assert len(set(outputs)) == (1 if rig.isolated else 200)
        assert took < 60
        assert rig.sandboxes == {}
