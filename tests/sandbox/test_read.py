"""A file is taken out of a sandbox up to a limit, in pieces of a size of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.client import PIECE, RetryPolicy, Sandbox


class FakeFiles:
    """Sends a file in the parts that it was given."""

    def __init__(self, part: bytes, count: int) -> None:
        self._part = part
        self._count = count
        self.sent = 0

    async def read(self, _path: str, **_: object) -> AsyncIterator[bytes]:
        return self._send()

    async def _send(self) -> AsyncIterator[bytes]:
        for _ in range(self._count):
            self.sent += len(self._part)
            yield self._part


def opened(files: FakeFiles) -> Sandbox:
    made: Any = type("FakeSandbox", (), {"files": files})()
    return Sandbox(made, RetryPolicy(asyncio.sleep))


@pytest.mark.parametrize(
    ("part", "count", "sizes"),
    [
        (b"", 0, [0]),
        (b"x", 10_000, [10_000]),  # a sandbox may send single bytes
        (b"x" * PIECE, 2, [PIECE, PIECE, 0]),
        (b"x" * (PIECE - 1), 3, [2 * PIECE - 2, PIECE - 1]),
    ],
)
async def test_its_parts_become_few_pieces(part: bytes, count: int, sizes: list[int]) -> None:
    pieces = await opened(FakeFiles(part, count)).read("file", max_bytes=3 * PIECE)
    assert pieces is not None
    assert [len(piece) for piece in pieces] == sizes
    assert b"".join(pieces) == part * count


async def test_what_is_longer_than_its_limit_is_not_read_to_its_end() -> None:
    files = FakeFiles(b"x" * 1_000, 1_000)
    assert await opened(files).read("file", max_bytes=10_000) is None
    assert files.sent == 11_000
