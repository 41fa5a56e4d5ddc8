"""Commands run through our client, in the rig's sandboxes: how they end, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from bot.rig.e2b.server import E2B
from bot.rig.http.faults import Fault, Side
from bot.sandbox import client
from bot.sandbox.answer import CommandResult
from bot.sandbox.client import Sandbox, Sandboxes
from bot.sandbox.errors import CommandTimeoutError, OutputError

CREATE = "^/v2/sandboxes$"
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


@pytest.fixture
def sandboxes(rig: E2B, sleep: Sleep) -> Iterator[Sandboxes]:
    yield Sandboxes(rig.api_key, instance="test", api_url=rig.url, sandbox_url=rig.url, sleep=sleep)
    rig.clear()


async def test_what_an_earlier_call_made_is_found_and_not_made_again(rig: E2B, sandboxes: Sandboxes) -> None:
    first = await sandboxes.create("run", "amp", seconds=300, repository=1)
    again = await sandboxes.create("run", "base", seconds=300, repository=1, again=True)  # other request, same key
    assert (again.id, list(rig.sandboxes)) == (first.id, [first.id])
    other = await sandboxes.create("other", "amp", seconds=300, repository=1, again=True)
    assert list(rig.sandboxes) == [first.id, other.id]
    assert [found.id for found in await sandboxes.list_own(run="run")] == [first.id]


async def test_a_sandbox_whose_answer_was_lost_is_found(rig: E2B, sandboxes: Sandboxes) -> None:
    rig.server.faults.add(Fault("timeout", Side.AFTER, "POST", CREATE, seconds=0.1))
    mark = len(rig.server.request_log.entries)
    sandbox = await sandboxes.create("lost", "amp", seconds=300, repository=1)
    assert list(rig.sandboxes) == [sandbox.id]
    made = [entry.path for entry in rig.server.request_log.since(mark) if entry.method == "POST"]
    assert made == ["/v2/sandboxes", f"/v2/sandboxes/{sandbox.id}/connect"], "it was not asked for twice"


async def test_a_key_whose_outcome_nobody_knows_is_given_up(rig: E2B, sandboxes: Sandboxes, sleep: Sleep) -> None:
    unknown = "The outcome of the request with this Idempotency-Key is unknown"
    rig.server.faults.add(Fault("error", method="POST", path=CREATE, status=409, message=unknown, times=2))
    sandbox = await sandboxes.create("unknown", "amp", seconds=300, repository=1)
    assert [record.options.idempotency_key for record in rig.records if record.id == sandbox.id] == ["unknown-2"]
    assert sleep.slept == list(client.WAITS[:2])


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


async def profile(sandbox: Sandbox, text: str) -> None:
    """What every command's shell runs first from now on."""
    await sandbox.write(".bash_profile", text.encode())


async def test_output_and_exit_code_are_told_whatever_they_are(sandbox: Sandbox) -> None:
    script = (
        "printf 'a\\0b\\n\\n'; head -c 100000 /dev/zero | tr '\\0' x >&2; printf '\\377'; set -e; false; echo not here"
    )
    assert await sandbox.run(script) == CommandResult(1, "a\0b\n\n\ufffd", "x" * 100_000)
    assert await sandbox.run("exit 137") == CommandResult(137, "", "")
    assert await sandbox.run("exec true") == CommandResult(0, "", "")


async def test_a_command_leaves_nothing_behind(sandbox: Sandbox) -> None:
    await sandbox.run("echo out; echo err >&2")
    assert (await sandbox.run("ls -A /tmp | grep -v $(ls -At /tmp | head -1 | cut -d. -f1)")).stdout == ""


async def test_a_process_that_holds_the_output_holds_nothing_up(sandbox: Sandbox, sleep: Sleep) -> None:
    await profile(sandbox, "sleep 900 &\n")
    async with asyncio.timeout(60):  # patience, and far less than what the commands are given
        for _ in range(3):
            assert await sandbox.run("echo here; exit 3", seconds=3600) == CommandResult(3, "here\n", "")
    assert sleep.slept == []


async def test_what_others_print_meanwhile_is_not_the_commands(sandbox: Sandbox) -> None:
    chatter = "while sleep 0.001; do echo -n noise; echo more; echo noise >&2; done &\n"
    await profile(sandbox, chatter)
    script = "for n in $(seq 20000); do echo $n; done; sleep 0.1"
    result = await sandbox.run(script, seconds=30)
    assert (result.exit_code, result.stdout.split(), result.stderr) == (0, [str(n + 1) for n in range(20_000)], "")


async def test_an_end_that_is_not_this_commands_is_not_believed(sandbox: Sandbox) -> None:
    """Whatever the agent prints: marks of its own invention, and those of a command that it saw."""
    seen = "~/seen"
    await profile(
        sandbox,
        f"if [ -e {seen} ]; then sed -n 's/.*\\(ampbot-[0-9a-f]*\\).*/\\1/p' {seen} | sort -u |\n"
        "while read -r mark; do\n"
        'printf \'\\n%s out Zm9yZ2Vk\\n\\n%s end 0 6\\n\' "$mark" "$mark"; done; fi\n'
        "printf '\\nampbot-%032d end 0 0\\n' 0\n",
    )
    assert (await sandbox.run(f"tr '\\0' '\\n' < /proc/$$/cmdline > {seen}; echo first")).stdout == "first\n"
    assert (await sandbox.run(f"grep -c ampbot- {seen}")).stdout != "0\n"
    assert await sandbox.run("echo second; exit 4") == CommandResult(4, "second\n", "")


async def test_what_the_command_prints_is_never_taken_for_its_end(sandbox: Sandbox) -> None:
    mark = "tr '\\0' '\\n' < /proc/$$/cmdline | grep -o -m1 'ampbot-[0-9a-f]*' | head -1"
    script = f"printf '\\n%s end 0 0\\n' $({mark}); exit 5"
    result = await sandbox.run(script)
    assert (result.exit_code, result.stdout.split()[1:]) == (5, ["end", "0", "0"])


@pytest.mark.parametrize("text", ["exit 0\n", "exec 1>&-\n", "exec true\n"], ids=["exits", "closes", "replaced"])
async def test_a_shell_that_does_not_run_it_is_told(sandbox: Sandbox, sleep: Sleep, text: str) -> None:
    await profile(sandbox, text)
    with pytest.raises(OutputError):
        await sandbox.run("echo here", seconds=20)
    assert sleep.slept == []


async def test_a_shell_that_floods_is_told(sandbox: Sandbox, sleep: Sleep) -> None:
    await profile(sandbox, "yes &\nsleep 900\n")
    with pytest.raises(OutputError):
        await sandbox.run("echo here", seconds=60)
    assert sleep.slept == []
