"""The script that ends what the agent left running: what it ends, and what it spares."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator

import e2b
import pytest

from bot.rig.e2b import isolation
from bot.rig.e2b.server import E2B
from bot.sandbox import host
from bot.sandbox.scripts import script

how = isolation.detect()
pytestmark = pytest.mark.skipif(not how.as_user, reason=how.note)

QUIET = ">/dev/null 2>&1 </dev/null"
BEGIN = "mkdir -p ~/.ampbot/agent; cut -d ' ' -f 22 /proc/self/stat > ~/.ampbot/agent/since"


@pytest.fixture(scope="module")
def rig() -> Iterator[E2B]:
    with E2B() as running:
        yield running


@pytest.fixture
async def sandbox(rig: E2B) -> AsyncIterator[e2b.AsyncSandbox]:
    yield await e2b.E2B(api_key=rig.api_key, api_url=rig.url, sandbox_url=rig.url).AsyncSandbox.create("amp")
    rig.clear()


async def start(sandbox: e2b.AsyncSandbox, name: str, *, user: str = "user", command: str = "") -> None:
    """A process that is known by its name, in a session of its own."""
    await sandbox.commands.run(
        f"cp /bin/sleep /tmp/{name}; {command or f'setsid /tmp/{name} 900 {QUIET} &'}", user=user
    )


async def end(sandbox: e2b.AsyncSandbox, *, user: str = "user", machine: str = "elsewhere") -> None:
    text = f"HOME=/home/user\n{script('end_processes')}\necho over"
    assert (await sandbox.commands.run(text, user=user, envs={"AMPBOT_MACHINE": machine})).stdout == "over\n"


async def alive(sandbox: e2b.AsyncSandbox) -> set[str]:
    seen = (await sandbox.commands.run("ps -eo args=", user="root")).stdout
    return {line.split()[0].removeprefix("/tmp/") for line in seen.splitlines() if line.startswith("/tmp/")}


async def test_all_of_the_users_own_are_ended_and_none_of_anybody_elses(sandbox: e2b.AsyncSandbox) -> None:
    await start(sandbox, "roots-old", user="root")
    await start(sandbox, "users-old")
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "users-new")
    await start(sandbox, "roots-new", user="root")
    await end(sandbox)
    assert await alive(sandbox) == {"roots-old", "roots-new"}


async def test_nothing_waits_for_the_end_of_what_cannot_be_ended(sandbox: e2b.AsyncSandbox) -> None:
    """Without root's rights another user's process lives on. Each wait for an end would be one `sleep`."""
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "roots-new", user="root")
    await sandbox.commands.run(
        "mkdir bin; printf '#!/bin/sh\necho >> ~/waits\nexec /bin/sleep \"$1\"\n' > bin/sleep; chmod +x bin/sleep"
    )
    text = f"HOME=/home/user PATH=/home/user/bin:$PATH\n{script('end_processes')}\ncat ~/waits | wc -l"
    done = await sandbox.commands.run(text, envs={"AMPBOT_MACHINE": "elsewhere"})
    assert int(done.stdout) < 20  # of a hundred
    assert await alive(sandbox) == {"roots-new"}


async def test_a_pipe_in_the_place_of_the_agents_time_is_not_waited_for(sandbox: e2b.AsyncSandbox) -> None:
    await sandbox.commands.run(f"{BEGIN}; cd ~/.ampbot/agent; rm since; mkfifo since pid")
    await start(sandbox, "users-new")
    await end(sandbox)
    assert await alive(sandbox) == set()


async def test_with_roots_rights_whatever_began_after_the_agent_is_ended(sandbox: e2b.AsyncSandbox) -> None:
    """As through sudo, which E2B's sandboxes have."""
    await start(sandbox, "roots-old", user="root")
    await sandbox.commands.run("sleep 0.05")
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "users-new")
    await start(sandbox, "roots-new", user="root")
    await end(sandbox, user="root")
    assert await alive(sandbox) == {"roots-old"}


@pytest.mark.parametrize(
    "command",
    [
        f"setsid bash -c \"trap '' TERM HUP INT; while :; do /tmp/it 0.01; done\" {QUIET} &",
        f"env -i setsid /tmp/it 900 {QUIET} & (setsid setsid /tmp/it 901 {QUIET} &)",
        f"setsid bash -c 'while :; do setsid /tmp/it 60 & sleep 0.005; done' {QUIET} & sleep 0.3",
        f"setsid /tmp/it 900 {QUIET} & sleep 0.3; kill -STOP $!",
        f"cp /bin/sleep '/tmp/it) R 1 (x'; setsid '/tmp/it) R 1 (x' 900 {QUIET} &",
    ],
    ids=["deaf", "orphans", "breeding", "stopped", "misleading name"],
)
async def test_none_gets_away(sandbox: e2b.AsyncSandbox, command: str) -> None:
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "it", command=command)
    await end(sandbox)
    assert await alive(sandbox) == set()


@pytest.mark.parametrize("since", ["", "rm -rf /", "9" * 40, "-5", "08"])
async def test_a_time_that_the_agent_made_up_saves_none_of_its_own(sandbox: e2b.AsyncSandbox, since: str) -> None:
    await sandbox.commands.run(BEGIN)
    await sandbox.files.write(".ampbot/agent/since", since)
    await start(sandbox, "users-new")
    await end(sandbox)
    assert await alive(sandbox) == set()


async def test_on_the_bots_own_machine_only_the_agents_group_is_ended(sandbox: e2b.AsyncSandbox) -> None:
    name = "cat /proc/sys/kernel/random/boot_id; readlink /proc/self/ns/pid"
    machine = " ".join((await sandbox.commands.run(name)).stdout.split())
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "bystander")
    await start(sandbox, "agent", command=f"setsid /tmp/agent 900 {QUIET} & echo $! > ~/.ampbot/agent/pid; sleep 0.2")
    await end(sandbox, machine=machine)
    assert await alive(sandbox) == {"bystander"}


async def test_without_the_machines_name_nothing_is_ended(sandbox: e2b.AsyncSandbox) -> None:
    await sandbox.commands.run(BEGIN)
    await start(sandbox, "users-new")
    with pytest.raises(e2b.CommandExitException):
        await sandbox.commands.run(f"( {script('end_processes')})")
    assert await alive(sandbox) == {"users-new"}


def test_our_machine_is_named_as_a_shell_on_it_names_it() -> None:
    look = "echo $(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/pid)"
    assert host.name() == subprocess.run(["sh", "-c", look], capture_output=True, text=True).stdout.strip()


async def test_a_sandbox_with_processes_of_its_own_is_no_part_of_our_machine(sandbox: e2b.AsyncSandbox) -> None:
    there = (await sandbox.commands.run("readlink /proc/self/ns/pid")).stdout.strip()
    assert there != os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the target is no path
