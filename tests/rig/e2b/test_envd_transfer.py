"""Upload and download of whole files."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import e2b
import pytest
from e2b import AsyncSandbox

from bot.rig.e2b.server import E2B

from .conftest import http


@pytest.fixture
async def sandbox(client: e2b.E2B) -> AsyncSandbox:
    return await client.AsyncSandbox.create()


LARGE = bytes(range(256)) * 8_000  # 2 MB that do not decode


async def _pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(LARGE), 100_000):
        yield LARGE[start : start + 100_000]


WAYS: dict[str, Any] = {
    "a form": lambda: {"data": LARGE},
    "raw": lambda: {"data": LARGE, "use_octet_stream": True},
    "raw and packed": lambda: {"data": LARGE, "gzip": True},
    "a file": lambda: {"data": io.BytesIO(LARGE)},
    "a stream": lambda: {"data": _pieces()},
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_goes_up_comes_down_again(sandbox: AsyncSandbox, way: str) -> None:
    written = await sandbox.files.write("deep/er/file.bin", **WAYS[way]())

    assert (written.name, written.path) == ("file.bin", "/home/user/deep/er/file.bin")
    assert bytes(await sandbox.files.read("deep/er/file.bin", format="bytes")) == LARGE
    assert bytes(await sandbox.files.read("deep/er/file.bin", format="bytes", gzip=True)) == LARGE
    async with await sandbox.files.read("deep/er/file.bin", format="stream") as stream:
        assert b"".join([piece async for piece in stream]) == LARGE


async def test_several_files_go_up_in_one_request(rig: E2B, sandbox: AsyncSandbox) -> None:
    files: list[Any] = [{"path": f"d/ü {number}.txt", "data": str(number)} for number in range(3)]

    written = await sandbox.files.write_files(files)

    assert [each.path for each in written] == [f"/home/user/d/ü {number}.txt" for number in range(3)]
    assert [await sandbox.files.read(each.path) for each in written] == ["0", "1", "2"]
    assert sum(entry.method == "POST" and entry.path == "/files" for entry in rig.server.request_log.entries) == 1


async def test_writing_replaces_the_whole_file(sandbox: AsyncSandbox) -> None:
    await sandbox.files.write("f", "a long text")
    await sandbox.files.write("f", "short")

    assert await sandbox.files.read("f") == "short"


async def test_commands_see_what_was_written_and_files_what_commands_wrote(sandbox: AsyncSandbox) -> None:
    await sandbox.files.write("/tmp/from-outside", "1")
    seen = await sandbox.commands.run("cat /tmp/from-outside; echo 2 > /tmp/from-inside")

    assert (seen.stdout, await sandbox.files.read("/tmp/from-inside")) == ("1", "2\n")


async def test_metadata_stays_with_the_file(sandbox: AsyncSandbox) -> None:
    written = await sandbox.files.write("f", "x", metadata={"Job": "1"})

    assert written.metadata == {"job": "1"}
    assert (await sandbox.files.get_info("f")).metadata == {"job": "1"}


async def test_a_directory_is_no_file(sandbox: AsyncSandbox) -> None:
    with pytest.raises(e2b.InvalidArgumentException, match="path '/tmp' is a directory"):
        await sandbox.files.read("/tmp")
    with pytest.raises(e2b.InvalidArgumentException, match="path is a directory: /tmp"):
        await sandbox.files.write("/tmp", "x")


async def test_a_full_disk_is_told(rig: E2B, sandbox: AsyncSandbox) -> None:
    rig.fill_disk(sandbox.sandbox_id)
    with pytest.raises(e2b.NotEnoughSpaceException, match="not enough disk space available"):
        await sandbox.files.write("f", "x")

    rig.fill_disk(sandbox.sandbox_id, full=False)
    assert await sandbox.files.write("f", "x")


async def test_an_unknown_user_is_refused(sandbox: AsyncSandbox) -> None:
    with pytest.raises(e2b.AuthenticationException, match="unknown user nobody"):
        await sandbox.files.read(".bashrc", user="nobody")


class TestSignedAddresses:
    async def test_a_signature_is_enough(self, rig: E2B, client: e2b.E2B, sandbox: AsyncSandbox) -> None:
        await client.AsyncSandbox.create()  # a second sandbox: the signature decides which one is meant
        await sandbox.files.write("f", "of mine")

        down = await http("GET", sandbox.download_url("f", use_signature_expiration=60))
        up = await http("POST", sandbox.upload_url("g"), files={"file": ("g", b"new")})

        assert (down.status_code, down.text, up.status_code) == (200, "of mine", 200)
        assert await sandbox.files.read("g") == "new"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda url: url.replace("path=f", "path=g"), "invalid signature"),
            (lambda url: url.replace("signature=v1_", "signature=v1_x"), "invalid signature"),
            (lambda url: url.partition("&signature")[0], "missing signature query parameter"),
        ],
    )
    async def test_another_signature_is_not(self, sandbox: AsyncSandbox, change: Any, message: str) -> None:
        answer = await http("GET", change(sandbox.download_url("f")))

        assert (answer.status_code, answer.json()) == (401, {"code": 401, "message": message})

    async def test_an_old_one_is_not(self, sandbox: AsyncSandbox) -> None:
        answer = await http("GET", sandbox.download_url("f", use_signature_expiration=-1))

        assert (answer.status_code, answer.json()["message"]) == (401, "signature is already expired")

    async def test_reading_does_not_allow_writing(self, sandbox: AsyncSandbox) -> None:
        answer = await http("POST", sandbox.download_url("f"), files={"file": ("f", b"x")})

        assert answer.status_code == 401

    async def test_that_of_a_sandbox_that_is_gone_finds_no_sandbox(self, sandbox: AsyncSandbox) -> None:
        address = sandbox.download_url("f")
        await sandbox.kill()

        answer = await http("GET", address)

        assert (answer.status_code, answer.json()["message"]) == (502, "The sandbox was not found")

    @pytest.mark.parametrize(
        ("asked", "status", "body", "says"),
        [
            ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
            ("bytes=7-", 206, b"789", "bytes 7-9/10"),
            ("bytes=-2", 206, b"89", "bytes 8-9/10"),
            ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
            ("bytes=10-", 416, b"", "bytes */10"),
        ],
    )
    async def test_part_of_a_file_can_be_asked_for(
        self, sandbox: AsyncSandbox, asked: str, status: int, body: bytes, says: str
    ) -> None:
        await sandbox.files.write("f", "0123456789")

        answer = await http("GET", sandbox.download_url("f"), headers={"range": asked})

        assert (answer.status_code, answer.content, answer.headers["content-range"]) == (status, body, says)


class TestHostileSandboxes:
    """A hostile sandbox must not reach the host's files through the stand-in."""

    @pytest.fixture
    def outside(self, tmp_path: Any) -> Any:
        secret = tmp_path / "secret"
        secret.write_text("of the host")
        return secret

    async def test_links_lead_nowhere_outside(self, rig: E2B, sandbox: AsyncSandbox, outside: Any) -> None:
        home = rig.sandboxes[sandbox.sandbox_id].home
        (home / "file").symlink_to(outside)
        (home / "folder").symlink_to(outside.parent)
        (home / "up").symlink_to("../../../../../../../../../../" + str(outside))

        for path in ("file", "folder/secret", "up"):
            with pytest.raises(e2b.FileNotFoundException):
                await sandbox.files.read(path)
        with pytest.raises(e2b.FileNotFoundException):
            await sandbox.files.list("folder")
        for path in ("file", "folder/new", "folder/secret", "up"):
            await sandbox.files.write(path, "in the sandbox's own /tmp")
        for path in ("folder/secret", "folder/new", "folder"):
            await sandbox.files.remove(path)
        assert outside.read_text() == "of the host"
        assert list(outside.parent.iterdir()) == [outside]

    async def test_links_are_followed_as_the_sandbox_sees_them(self, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("real", "1")
        await sandbox.commands.run("ln -s /home/user/real absolute; ln -s ../user/real relative; ln -s real/../x odd")

        assert [await sandbox.files.read(path) for path in ("absolute", "relative")] == ["1", "1"]
        await sandbox.files.write("absolute", "2")
        assert await sandbox.files.read("real") == "2"

    async def test_a_ring_of_links_is_an_error(self, sandbox: AsyncSandbox) -> None:
        await sandbox.commands.run("ln -s a b; ln -s b a")

        with pytest.raises(e2b.SandboxException, match="too many levels of symbolic links"):
            await sandbox.files.read("a")

    async def test_going_up_ends_at_the_top(self, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("../../../../tmp/f", "1")

        assert await sandbox.files.read("/../../home/user/../../tmp/f") == "1"

    async def test_pipes_and_devices_hang_nobody(self, sandbox: AsyncSandbox) -> None:
        await sandbox.commands.run("mkfifo pipe; mknod null c 1 3 || mkfifo null")

        for path in ("pipe", "null"):
            with pytest.raises(e2b.SandboxException, match="not a regular file"):
                await sandbox.files.read(path, request_timeout=5)
            with pytest.raises(e2b.SandboxException, match="not a regular file"):
                await sandbox.files.write(path, "x", request_timeout=5)

    async def test_new_top_directories_cannot_be_made(self, rig: E2B, sandbox: AsyncSandbox) -> None:
        for path in ("/etc/new", "/new"):
            with pytest.raises(e2b.SandboxException, match="permission denied"):
                await sandbox.files.write(path, "x")
        assert sorted(path.name for path in rig.sandboxes[sandbox.sandbox_id].folder.iterdir()) == [
            "home",
            "root",
            "tmp",
        ]


@pytest.mark.parametrize(
    ("headers", "content", "status", "message"),
    [
        ({"content-type": "text/plain"}, b"x", 400, "unsupported content type: text/plain"),
        ({"content-type": "application/octet-stream", "content-encoding": "br"}, b"x", 400, "unsupported encoding br"),
        ({"content-type": "application/octet-stream", "content-encoding": "gzip"}, b"x", 500, "error writing file"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--x", 500, "error reading form"),
    ],
)
async def test_a_malformed_upload_is_refused(
    rig: E2B, sandbox: AsyncSandbox, headers: dict[str, str], content: bytes, status: int, message: str
) -> None:
    address = {"e2b-sandbox-id": sandbox.sandbox_id, "x-access-token": rig.sandboxes[sandbox.sandbox_id].token}

    answer = await http("POST", f"{rig.url}/files?path=f", content=content, headers={**headers, **address})

    assert answer.status_code == status
    assert message in answer.text
