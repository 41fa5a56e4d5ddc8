"""A sandbox's file system, read and changed through the SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import e2b
import pytest
from e2b import AsyncSandbox, FileType

from bot.rig.e2b.server import E2B


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    return await client.AsyncSandbox.create()


async def test_an_entry_says_what_it_is(sandbox: AsyncSandbox) -> None:
    await sandbox.commands.run("mkdir d; printf 12345 > d/f; chmod 754 d/f; ln -s f d/l")

    file = await sandbox.files.get_info("d/f")
    folder = await sandbox.files.get_info("/home/user/d/")
    link = await sandbox.files.get_info("~/d/l")

    assert (file.name, file.type, file.path, file.size) == ("f", FileType.FILE, "/home/user/d/f", 5)
    assert (file.mode, file.permissions, file.owner, file.group) == (0o754, "-rwxr-xr--", "user", "user")
    assert datetime.now(UTC) - file.modified_time < timedelta(seconds=30)
    assert (folder.name, folder.type, folder.permissions) == ("d", FileType.DIR, "drwxr-xr-x")
    assert (link.type, link.symlink_target) == (FileType.FILE, "/home/user/d/f")


async def test_listing_goes_as_deep_as_asked_and_not_through_links(sandbox: AsyncSandbox) -> None:
    await sandbox.commands.run("mkdir -p top/b/c; touch top/a top/b/d top/b/c/e; ln -s b top/link")

    async def listed(depth: int) -> list[str]:
        return [entry.path.removeprefix("/home/user/top/") for entry in await sandbox.files.list("top", depth=depth)]

    assert await listed(1) == ["a", "b", "link"]
    assert await listed(2) == ["a", "b", "b/c", "b/d", "link"]
    assert await listed(9) == ["a", "b", "b/c", "b/c/e", "b/d", "link"]


async def test_a_linked_directory_is_listed_under_its_own_name(sandbox: AsyncSandbox) -> None:
    await sandbox.commands.run("mkdir real; touch real/f; ln -s real link")

    assert [entry.path for entry in await sandbox.files.list("link")] == ["/home/user/link/f"]


async def test_exists_tells_files_directories_and_nothing_apart(sandbox: AsyncSandbox) -> None:
    assert [await sandbox.files.exists(path) for path in (".bashrc", "/tmp", "nothing", "nothing/deep")] == [
        True,
        True,
        False,
        False,
    ]


async def test_making_a_directory_says_whether_it_was_new(sandbox: AsyncSandbox) -> None:
    assert await sandbox.files.make_dir("a/b/c") is True
    assert await sandbox.files.make_dir("a/b/c") is False
    with pytest.raises(e2b.InvalidArgumentException, match="not a directory"):
        await sandbox.files.make_dir(".bashrc")


async def test_renaming_makes_the_way_and_replaces(sandbox: AsyncSandbox) -> None:
    await sandbox.files.write("old", "1")
    await sandbox.files.write("new/name", "2")

    entry = await sandbox.files.rename("old", "new/name")

    assert (entry.path, await sandbox.files.read("new/name")) == ("/home/user/new/name", "1")
    assert await sandbox.files.exists("old") is False


async def test_removing_takes_trees_links_and_nothing(sandbox: AsyncSandbox) -> None:
    await sandbox.commands.run("mkdir -p keep d/e; touch keep/f d/e/g; ln -s ../keep d/link")
    for path in ("d", "d", ".bashrc"):
        await sandbox.files.remove(path)

    assert [entry.path for entry in await sandbox.files.list("/home/user", depth=2)] == [
        "/home/user/keep",
        "/home/user/keep/f",
    ]


Call = Callable[[AsyncSandbox], Awaitable[object]]


@pytest.mark.parametrize(
    "call",
    [
        lambda sandbox: sandbox.files.get_info("nothing"),
        lambda sandbox: sandbox.files.list("nothing"),
        lambda sandbox: sandbox.files.rename("nothing", "else"),
        lambda sandbox: sandbox.files.read("nothing"),
        lambda sandbox: sandbox.files.read("/etc/passwd"),
        lambda sandbox: sandbox.files.get_info("/etc"),
    ],
)
async def test_what_is_not_there_is_not_found(sandbox: AsyncSandbox, call: Call) -> None:
    with pytest.raises(e2b.FileNotFoundException):
        await call(sandbox)


async def test_a_file_is_no_directory(sandbox: AsyncSandbox) -> None:
    with pytest.raises(e2b.InvalidArgumentException, match="not a directory"):
        await sandbox.files.list(".bashrc")


@pytest.mark.parametrize("path", ["~other/x", "a\0b"])
async def test_a_path_that_says_nothing_is_refused(sandbox: AsyncSandbox, path: str) -> None:
    with pytest.raises(e2b.InvalidArgumentException):
        await sandbox.files.get_info(path)


async def test_a_sandbox_keeps_its_top_directories(rig: E2B, sandbox: AsyncSandbox) -> None:
    for path in ("/", "/home", "/tmp", "/tmp/.."):
        with pytest.raises(e2b.SandboxException, match="permission denied"):
            await sandbox.files.remove(path)
    assert rig.sandboxes[sandbox.sandbox_id].home.is_dir()
