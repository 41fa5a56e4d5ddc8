"""What comes out of a sandbox takes memory for the contents that it may have, and little besides."""

from __future__ import annotations

import gzip
import zlib

import pytest

from bot.changes import changeset, paths
from bot.changes.archive import MAX_NAME_BYTES, read_names
from bot.changes.changeset import Change, ChangeSet
from bot.changes.limits import Limits
from bot.model import Problem
from tests.changes.archives import BASE, ENTRY, MEMBERS, packed
from tests.changes.memory import peak
from tests.sandbox.checkout import object_id

SMALL = Limits(files=3_000, total_bytes=1_000_000)
MEGABYTE = 1_000_000


def blob(content: bytes) -> bytes:
    return f"{object_id('blob', content)} blob {len(content)}\n".encode() + content + b"\n"


HOSTILE = {
    "a list of NULs": {"left": bytes(60 * MEGABYTE)},
    "a list of NULs within its limit": {"left": bytes(SMALL.name_bytes)},
    "entries of NULs": {"raw": bytes(60 * MEGABYTE)},
    "entries of NULs within their limit": {"raw": bytes(SMALL.member_bytes("raw"))},
    "attributes of NULs within their limit": {"attrs": bytes(SMALL.member_bytes("attrs"))},
    "ignored names of NULs": {"ignored": bytes(60 * MEGABYTE)},
    "ignored names of NULs within their limit": {"ignored": bytes(SMALL.member_bytes("ignored"))},
    "one entry many times": {"raw": ENTRY * 20_000},
    "a name that is too long": {"left": b"x" * 60 * MEGABYTE + b"\0"},
    "a blob that is too long": {"blobs": blob(bytes(60 * MEGABYTE))},
    "a blob that says it is longer": {"blobs": f"{'1' * 40} blob {60 * MEGABYTE}\nx\n".encode()},
    "a blob whose length has no end": {"blobs": f"{'1' * 40} blob ".encode() + b"9" * 60 * MEGABYTE},
    "many small blobs": {"blobs": b"".join(blob(b"%d" % number) for number in range(20_000))},
    "an id of a tree without end": {"tree": b"1" * 60 * MEGABYTE},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_too_much_is_refused_before_memory_is_taken(members: dict[str, bytes]) -> None:
    archive = packed(MEMBERS | members)
    found, memory = peak(lambda: changeset.read(archive, base_tree=BASE, limits=SMALL))
    assert isinstance(found, Problem)
    assert memory < 20 * MEGABYTE


def test_contents_are_in_memory_once() -> None:
    content = bytes(30 * MEGABYTE)
    raw = ENTRY.replace(MEMBERS["blobs"][:40], object_id("blob", content).encode())
    archive = packed(MEMBERS | {"raw": raw, "blobs": blob(content)})
    found, memory = peak(lambda: changeset.read(archive, base_tree=BASE))
    assert isinstance(found, ChangeSet)
    assert memory < 32 * MEGABYTE


def test_the_largest_change_of_names_alone_takes_tens_of_megabytes() -> None:
    """As many files, as deep and as long, as the limits allow, with characters that Python keeps in four bytes."""
    limits = Limits()
    part = "\U0001f600" + "x" * 240
    names = [f"{number:04}/" + "a/" * 7 + "/".join([part] * 3) for number in range(limits.files)]
    assert len("".join(names).encode()) <= limits.name_bytes
    assert paths.folders(names) <= limits.folders
    entries = tuple(Change(name, "100644", None, "0" * 40, b"", "added") for name in names)
    change_set = ChangeSet("1" * 40, "2" * 40, entries, frozenset(), (), "")
    found, memory = peak(lambda: changeset.check(change_set, limits=limits))
    assert found == ()
    assert memory < 80 * MEGABYTE


def test_folders_in_folders_take_no_memory() -> None:
    """200 added files below 2,000 folders each took 1.7 GB."""
    names = [f"{number:03}/" + "a/" * 1_999 + "f" for number in range(200)]
    entries = tuple(Change(name, "100644", None, "0" * 40, b"x", "added") for name in names)
    found, memory = peak(lambda: changeset.check(ChangeSet("1" * 40, "2" * 40, entries, frozenset(), (), "")))
    assert {violation.reason for violation in found} == {"is below more than 100 folders"}
    assert len(found) == 200
    assert memory < 5 * MEGABYTE


def test_a_link_without_end_is_not_taken_apart() -> None:
    link = Change("l", "120000", None, "0" * 40, b"/" * 50 * MEGABYTE, "added")
    change_set = ChangeSet("1" * 40, "2" * 40, (link,), frozenset(), (), "")
    found, memory = peak(lambda: changeset.check(change_set, symlinks="inside"))
    assert [violation.reason for violation in found] == ["is a symbolic link whose target is longer than 4096 bytes"]
    assert memory < MEGABYTE


def test_a_status_line_without_end_is_not_shown() -> None:
    found, memory = peak(lambda: changeset.parse_status("failed " + "\x1b" * MEGABYTE))
    assert found is not None
    assert len(found.detail) <= 400
    assert memory < 3 * MEGABYTE


# --- the names of the base ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", []),
        (b"a\0b/c\0", ["a", "b/c"]),
        (b"a\xff\0", ["a\udcff"]),
        (b"a\0b", ["a"]),  # the last is cut
        (b"a\0\0b\0", ["a"]),
        (b"a\0" + b"x" * (MAX_NAME_BYTES + 300_000) + b"\0", ["a"]),
    ],
    ids=["none", "two", "not UTF-8", "cut", "empty", "too long"],
)
def test_names_are_read_up_to_the_first_damage(data: bytes, names: list[str]) -> None:
    assert list(read_names(gzip.compress(data))) == names


@pytest.mark.parametrize("data", [b"", b"no gzip"])
def test_no_list_of_names_is_none(data: bytes) -> None:
    assert list(read_names(data)) == []


def test_two_hundred_megabytes_of_nuls_are_no_names() -> None:
    packer = zlib.compressobj(9, wbits=31)
    data = b"".join([*(packer.compress(bytes(MEGABYTE)) for _ in range(200)), packer.flush()])
    found, memory = peak(lambda: list(read_names(data)))
    assert found == []
    assert memory < 20 * MEGABYTE
