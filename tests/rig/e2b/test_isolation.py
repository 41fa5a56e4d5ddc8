"""What a sandbox can see of its host, and what it leaves on the host."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import e2b
import pytest

import bot
from bot.rig.e2b import isolation
from bot.rig.e2b.server import E2B
from bot.rig.e2b.templates import AMP_PROGRAM

from .conftest import client_of, until

private = pytest.mark.skipif(not isolation.detect().private, reason=isolation.detect().note)

ordinary = pytest.mark.skipif(not isolation.detect().as_user, reason=isolation.detect().note)


@pytest.fixture(params=[pytest.param(True, marks=private, id="private"), pytest.param(False, id="plain")])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[E2B]:
    monkeypatch.setenv("HOST_CANARY", "canary-of-the-host")
    with E2B(isolated=request.param) as running:
        yield running
    assert running.server.errors == ()


async def test_two_sandboxes_have_nothing_in_common(either: E2B) -> None:
    client = client_of(either)
    one, two = await client.AsyncSandbox.create(), await client.AsyncSandbox.create()
    await one.commands.run("echo 1 > ~/mine; mkdir -p ~/d; echo 1 > d/too")

    assert (await two.commands.run("ls -A ~")).stdout.split() == [".bashrc"]
    assert await one.files.read("/home/user/mine") == "1\n"
    assert await two.files.exists("/home/user/mine") is False


async def test_the_variables_of_the_host_stay_outside(either: E2B) -> None:
    sandbox = await client_of(either).AsyncSandbox.create()

    assert "canary" not in (await sandbox.commands.run("env; cat /proc/self/environ | tr '\\0' '\\n'")).stdout


async def test_amp_and_git_work_in_either(either: E2B) -> None:
    sandbox = await client_of(either).AsyncSandbox.create("amp")

    result = await sandbox.commands.run("amp --version && git --version && python3 -c 'print(1)'")

    assert result.exit_code == 0


async def test_a_killed_sandbox_leaves_no_process_behind(either: E2B) -> None:
    sandbox = await client_of(either).AsyncSandbox.create()
    marked = f"sleep {os.getpid()}.5"
    await sandbox.commands.run(f"setsid {marked} >/dev/null 2>&1 & (setsid {marked} >/dev/null 2>&1 &)")
    await until(lambda: _processes().count(marked) >= 2)

    await sandbox.kill()

    assert marked not in _processes()


async def test_nothing_is_left_on_disk(either: E2B) -> None:
    sandbox = await client_of(either).AsyncSandbox.create()
    await sandbox.commands.run("touch ~/f")
    folder = either.records[0].folder.parent.parent
    assert folder.is_dir()

    await asyncio.to_thread(either.stop)

    assert not folder.exists()


@private
class TestPrivate:
    async def test_absolute_paths_are_the_sandboxs_own(self, rig: E2B, client: e2b.E2B) -> None:
        mark = f"ampbot-rig-{os.getpid()}"
        sandbox = await client.AsyncSandbox.create()

        await sandbox.commands.run(f"echo 1 | tee /home/user/{mark} /tmp/{mark} /root/{mark}", user="root")

        record = rig.sandboxes[sandbox.sandbox_id]
        assert [(record.folder / top / mark).read_text() for top in ("home/user", "tmp", "root")] == ["1\n"] * 3
        assert not any(_there(f"{top}/{mark}") for top in ("/home/user", "/home", "/tmp", "/root"))

    async def test_the_rest_of_the_host_cannot_be_changed(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()

        with pytest.raises(e2b.CommandExitException):
            await sandbox.commands.run(f"touch /etc/ampbot-rig {AMP_PROGRAM.parent}/new")

        assert not _there("/etc/ampbot-rig")
        assert not _there(f"{AMP_PROGRAM.parent}/new")

    async def test_the_homes_of_the_host_are_not_shown(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()

        seen = (await sandbox.commands.run("ls -A /home /tmp; ls -A /root", user="root")).stdout

        assert "user" in seen
        folder = Path(tempfile.gettempdir())
        # The checkout may be there, too: then the files that Amp needs are visible.
        needed = {AMP_PROGRAM.relative_to(folder).parts[0]} if AMP_PROGRAM.is_relative_to(folder) else set()
        assert not (_names(str(folder)) - needed) & set(seen.split())

    async def test_the_processes_of_the_host_are_not_shown(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create(envs={"OWN": "canary-of-the-sandbox"})
        look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"

        seen = (await sandbox.commands.run(look)).stdout

        assert "canary-of-the-sandbox" in seen
        assert "pytest" not in seen
        assert str(os.environ.get("VIRTUAL_ENV", "no such thing")) not in seen

    async def test_what_amp_needs_is_shown_though_it_lies_under_what_is_hidden(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create("amp")

        assert (await sandbox.commands.run(f"test -r {AMP_PROGRAM} && echo readable")).stdout == "readable\n"

    async def test_daemons_of_one_command_live_on_for_the_next(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.commands.run("setsid sleep 30 >/dev/null 2>&1 & echo $! > pid")

        assert (await sandbox.commands.run("kill -0 $(cat pid) && echo there")).stdout == "there\n"

    async def test_the_dead_are_collected(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.commands.run("for n in 1 2 3 4 5; do (setsid true &) ; done; sleep 0.1")

        async def none() -> bool:
            return "Z" not in (await sandbox.commands.run("ps -eo stat=")).stdout

        await until(none)

    async def test_a_checkout_under_a_hidden_directory_works(self, tmp_path: Path) -> None:
        shutil.copytree(Path(bot.__file__).parent, tmp_path / "bot", ignore=shutil.ignore_patterns("__pycache__"))
        script = f"""
            assert bot.__file__.startswith({str(tmp_path)!r})
            print(sandbox.commands.run("amp --version && echo works").stdout)
            rig.stop()
        """

        done = await _elsewhere(tmp_path, script, path=tmp_path)

        assert done.stdout.endswith("works\n\n"), done.stderr

    async def test_sandboxes_end_with_the_stand_in_even_when_it_is_killed(self, tmp_path: Path) -> None:
        marked = f"sleep {os.getpid()}.7"
        script = f"""
            sandbox.commands.run("setsid {marked} >/dev/null 2>&1 &")
            while {marked!r} not in os.popen("ps -eo args").read(): pass
            os.kill(os.getpid(), 9)
        """

        done = await _elsewhere(tmp_path, script)

        assert done.returncode == -9, done.stderr
        await until(lambda: marked not in _processes())


@ordinary
class TestUser:
    """The sandbox's user is an ordinary one, as E2B's is; E2B's files API is not bound by that."""

    async def test_it_is_number_1000(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()

        seen = await sandbox.commands.run("id -u; id -g; touch ~/mine; stat -c %u:%g ~ ~/.bashrc ~/mine")
        as_root = await sandbox.commands.run("id -u", user="root")

        assert (seen.stdout.split(), as_root.stdout) == (["1000", "1000", *["1000:1000"] * 3], "0\n")

    async def test_what_nobody_may_read_it_cannot_read(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.commands.run("mkdir d; echo 1 > d/f; echo 1 > g; chmod 000 g d")

        for path in ("d/f", "g", "/root"):
            with pytest.raises(e2b.CommandExitException, match="Permission denied"):
                await sandbox.commands.run(f"ls {path}; cat {path}")
        assert await sandbox.files.read("g") == "1\n"

    async def test_the_host_is_not_its_to_change(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()

        for path in ("/etc/new", "/usr/new", "/home/new", str(AMP_PROGRAM)):
            with pytest.raises(e2b.CommandExitException):
                await sandbox.commands.run(f"touch {path}")

    async def test_what_is_uploaded_is_its_own(self, rig: E2B, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.files.write("a/b/c", "1\n")
        await sandbox.files.make_dir("e/f")
        rig.append(sandbox.sandbox_id, "g/h", b"1\n")

        await sandbox.commands.run("for path in a/b/c g/h; do echo 2 >> $path; done; rm -r a e g")

        assert [each.name for each in await sandbox.files.list("/home/user")] == [".bashrc"]

    async def test_its_processes_are_not_roots_to_fear(self, client: e2b.E2B) -> None:
        sandbox = await client.AsyncSandbox.create()
        await sandbox.commands.run("setsid sleep 900 >/dev/null 2>&1 & echo $! > /tmp/pid", user="root")

        with pytest.raises(e2b.CommandExitException, match="not permitted"):
            await sandbox.commands.run("kill $(cat /tmp/pid)")

    async def test_the_note_says_so(self, rig: E2B) -> None:
        assert rig.note.endswith("and an ordinary user")

    async def test_a_umask_that_closes_all_does_not_matter(self) -> None:
        before = os.umask(0o077)
        try:
            with E2B() as rig:
                sandbox = await client_of(rig).AsyncSandbox.create("amp")
                result = await sandbox.commands.run("amp --version && touch ~/f /tmp/f && id -u")
        finally:
            os.umask(before)
        assert result.stdout.endswith("1000\n")


def test_where_there_is_no_second_user_the_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    works = isolation._works
    monkeypatch.setattr(isolation, "_works", lambda how: not how.as_user and works(how))
    found = isolation.detect.__wrapped__()
    assert found.as_user == ()
    assert "their user is root" in found.note or not found.private


class TestPlain:
    async def test_the_note_says_what_is_missing(self) -> None:
        with E2B(isolated=False) as rig:
            assert rig.isolated is False
            assert "share the host's file system" in rig.note

    async def test_home_and_the_start_directory_still_are_the_sandboxs_own(self) -> None:
        with E2B(isolated=False) as rig:
            sandbox = await client_of(rig).AsyncSandbox.create("amp")
            folder = rig.records[0].folder
            result = await sandbox.commands.run("pwd; echo $HOME; command -v amp", cwd="/home/user")

        home = f"{folder}/home/user"
        assert result.stdout.split() == [home, home, f"{home}/.local/bin/amp"]


def _processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def _there(path: str) -> bool:
    return Path(path).exists()


def _names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


async def _elsewhere(folder: Path, script: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a script in a separate process with a stand-in `rig` and its `sandbox`."""
    opening = """
        import os, e2b, bot
        from bot.rig.e2b.server import E2B
        rig = E2B()
        rig.start()
        client = e2b.E2B(api_key=rig.api_key, api_url=rig.url, sandbox_url=rig.url)
        sandbox = client.Sandbox.create("amp")
    """
    file = folder / "script.py"
    file.write_text(textwrap.dedent(opening) + textwrap.dedent(script))
    (folder / "temporary").mkdir()
    search = [str(each) for each in (path, *sys.path) if each]
    own = {**os.environ, "TMPDIR": str(folder / "temporary"), "PYTHONPATH": os.pathsep.join(search)}
    command = [sys.executable, str(file)]
    return await asyncio.to_thread(subprocess.run, command, env=own, capture_output=True, text=True, check=False)
