"""Watching a directory, with a stream and by request."""

from __future__ import annotations

import asyncio
from typing import Any

import e2b
import pytest
from e2b import AsyncSandbox, FilesystemEvent

from bot.rig.e2b.server import E2B

from .conftest import stream, until


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    sandbox = await client.AsyncSandbox.create()
    await sandbox.commands.run("mkdir -p d/inner; echo 1 > d/old")
    return sandbox


class Watched:
    """Events of one directory, in order. Keep the handles: a watch ends silently when its handle is collected."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.entries: list[Any] = []
        self.ends: list[Exception | None] = []

    def note(self, event: FilesystemEvent) -> None:
        self.events.append((event.name, event.type.value))
        self.entries.append(event.entry)

    async def until(self, *wanted: tuple[str, str]) -> None:
        await until(lambda: set(wanted) <= set(self.events))


async def _stop(handle: Any) -> None:
    await handle.stop()  # untyped in the SDK


async def test_changes_are_told_as_they_happen(sandbox: AsyncSandbox) -> None:
    watched = Watched()
    handle = await sandbox.files.watch_dir("d", watched.note, include_entry=True)
    await sandbox.files.write("d/new", "x")
    await watched.until(("new", "create"), ("new", "write"))
    await sandbox.commands.run("echo 2 >> d/old")
    await watched.until(("old", "write"))
    await sandbox.commands.run("chmod 600 d/old")
    await watched.until(("old", "chmod"))
    await sandbox.commands.run("mv d/old d/moved")
    await watched.until(("old", "rename"), ("moved", "create"))
    await sandbox.commands.run("rm d/moved; touch d/inner/unseen")
    await watched.until(("moved", "remove"))
    await _stop(handle)

    assert not any("unseen" in name for name, _ in watched.events)
    assert watched.entries[0].path == "/home/user/d/new"


async def test_deeper_changes_are_told_when_asked_for(sandbox: AsyncSandbox) -> None:
    watched = Watched()
    handle = await sandbox.files.watch_dir("d", watched.note, recursive=True)
    await sandbox.files.write("d/inner/deep", "x")
    await watched.until(("inner/deep", "create"))
    await _stop(handle)


async def test_the_watch_ends_with_the_sandbox(rig: E2B, sandbox: AsyncSandbox) -> None:
    watched = Watched()
    handle = await sandbox.files.watch_dir("d", watched.note, on_exit=watched.ends.append, timeout=0)
    await asyncio.to_thread(rig.kill, sandbox.sandbox_id)
    await until(lambda: bool(watched.ends) and handle is not None)

    assert isinstance(watched.ends[0], e2b.SandboxNotRunningException)


async def test_the_watch_ends_at_its_timeout(rig: E2B, sandbox: AsyncSandbox) -> None:
    # Not by the SDK: from Python 3.12 on, the timeout of its watch cancels the task that called watch_dir.
    answer = await stream(
        rig, sandbox.sandbox_id, "filesystem.Filesystem/WatchDir", b'{"path":"d"}', connect_timeout_ms="300"
    )

    assert answer.startswith(b'\x00\x00\x00\x00\x0c{"start":{}}\x02')
    assert answer.endswith(b'{"error":{"code":"deadline_exceeded","message":"context deadline exceeded"}}')


@pytest.mark.parametrize(
    ("path", "error"), [("nothing", e2b.FileNotFoundException), (".bashrc", e2b.InvalidArgumentException)]
)
async def test_what_is_no_directory_cannot_be_watched(sandbox: AsyncSandbox, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await sandbox.files.watch_dir(path, lambda event: None)


def test_changes_can_be_asked_for_instead(client: e2b.E2B) -> None:
    sandbox = client.Sandbox.create()
    sandbox.commands.run("mkdir d")
    handle = sandbox.files.watch_dir("d")
    sandbox.files.write("d/f", "x")

    assert [(event.name, event.type.value) for event in handle.get_new_events()] == [("f", "create"), ("f", "write")]
    assert handle.get_new_events() == []
    handle.stop()
    with pytest.raises(e2b.SandboxException):
        handle.get_new_events()
