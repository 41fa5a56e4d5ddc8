"""A hostile archive is refused with a reason; it never expands, loops or reaches a disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.changes import archive as reader
from bot.changes.archive import MalformedError

NAMES = frozenset({"a", "b"})


def tar(*members: tuple[str, bytes], form: int = tarfile.GNU_FORMAT, **fields: object) -> bytes:
    """What Python's own library writes, so that the reader is not judged by itself."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            out.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read_members(archive: bytes, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    return {member.name: member.read(member.left) for member in reader.read_members(archive, names, max_bytes)}


GOOD = tar(("a", b"1" * 600), ("b", b""))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_the_members_come_out(form: int) -> None:
    archive = gzip.compress(tar(("b", b"x\0\n"), ("a", b"1" * 1024), form=form))
    assert read_members(archive, NAMES, 100_000) == {"a": b"1" * 1024, "b": b"x\0\n"}


def header(change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(GOOD)
    change(data)
    return bytes(data)


def with_size(field: bytes) -> bytes:
    return header(lambda data: data.__setitem__(slice(124, 136), field))


REFUSED: dict[str, tuple[bytes, str]] = {
    "not gzip": (GOOD, "not gzip: "),
    "empty": (b"", "cut short, or followed by something"),
    "cut": (gzip.compress(GOOD)[:-9], "cut short, or followed by something"),
    "something behind": (gzip.compress(GOOD) + b"x", "cut short, or followed by something"),
    "two gzip streams": (gzip.compress(GOOD) * 2, "cut short, or followed by something"),
    "wrong check sum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "not gzip: "),
    "bomb": (gzip.compress(bytes(50_000_000), 9), "more than 100000 bytes unpacked"),
    "no members": (gzip.compress(bytes(10240)), "a member is missing"),
    "a member missing": (gzip.compress(tar(("a", b""))), "a member is missing"),
    "a member twice": (gzip.compress(tar(("a", b""), ("a", b""))), "a member 'a', unknown or twice"),
    "an unknown member": (gzip.compress(tar(("c", b""))), "a member 'c', unknown or twice"),
    "parent folder": (gzip.compress(tar(("../a", b""))), "a member '../a', unknown or twice"),
    "absolute": (gzip.compress(tar(("/a", b""))), "a member '/a', unknown or twice"),
    "a long name": (gzip.compress(tar(("a" * 200, b""))), "a member '././@LongLink', unknown or twice"),
    "pax header": (
        gzip.compress(tar(("a" * 200, b""), form=tarfile.PAX_FORMAT)),
        "a member '././@PaxHeader'",
    ),
    "symbolic link": (
        gzip.compress(tar(("a", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "member a is not a plain file",
    ),
    "hard link": (gzip.compress(tar(("a", b""), type=tarfile.LNKTYPE)), "member a is not a plain file"),
    "folder": (gzip.compress(tar(("a", b""), type=tarfile.DIRTYPE)), "a member 'a/', unknown or twice"),
    "device": (gzip.compress(tar(("a", b""), type=tarfile.CHRTYPE)), "member a is not a plain file"),
    "sparse file": (
        gzip.compress(tar(("a", b""), type=tarfile.GNUTYPE_SPARSE)),
        "member a is not a plain file",
    ),
    "negative size": (gzip.compress(with_size(b"-0000001000\0")), "member a is not a plain file"),
    "binary size": (gzip.compress(with_size(b"\x80" + bytes(11))), "member a is not a plain file"),
    "negative binary size": (gzip.compress(with_size(b"\xff" * 12)), "member a is not a plain file"),
    "size beyond the end": (gzip.compress(with_size(b"00000077777\0")), "member a is cut short"),
    "size beyond the limit": (
        gzip.compress(with_size(b"77777777777\0")),
        "member a is longer than the whole archive may be",
    ),
    "cut member": (gzip.compress(GOOD[:700]), "member a is cut short"),
    "hidden behind the end": (gzip.compress(GOOD + tar(("a", b""))), "something behind the end"),
}


@pytest.mark.parametrize(("archive", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_archive_is_refused(archive: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_members(archive, NAMES, 100_000)
    assert str(caught.value).startswith(reason)


def test_a_bomb_takes_no_more_memory_than_its_limit() -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    tracemalloc.start()
    with pytest.raises(MalformedError):
        read_members(bomb, NAMES, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000 + len(bomb)


@given(st.data())
def test_a_damaged_archive_is_refused_or_holds_the_named_members(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, 1600))] = data.draw(st.integers(0, 255))
    try:
        found = read_members(gzip.compress(bytes(damaged), 1), NAMES, 100_000)
    except MalformedError:
        return
    assert found.keys() == NAMES


@given(st.binary())
def test_arbitrary_bytes_are_refused(junk: bytes) -> None:
    for archive in (junk, gzip.compress(junk, 1)):
        with pytest.raises(MalformedError):
            read_members(archive, NAMES, 100_000)
