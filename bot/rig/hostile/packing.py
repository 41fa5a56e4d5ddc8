"""Packs what a hostile sandbox could leave: gzip, tar headers that may lie, entries, blobs."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping, Sequence

BASE_TREE = "2ce1eef76631e82282e0f7f0cf9e6f3e9a4a0b1e"
NEW_TREE = "ef94e674f1f63f04cd24e0e57f5794b03011b1a1"
NO_ID = "0" * 40
PIECE = 1_000_000


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def blob(content: bytes) -> bytes:
    """As `git cat-file --batch` prints it."""
    return b"%s blob %d\n%s\n" % (blob_id(content).encode(), len(content), content)


def entry(path: bytes, blob: str, mode: str = "100644", letter: str = "A") -> bytes:
    """As `git diff-tree --raw -z` prints an added path."""
    return f":000000 {mode} {NO_ID} {blob} {letter}\0".encode() + path + b"\0"


def attributes(paths: Sequence[bytes], value: bytes = b"unspecified") -> bytes:
    """As `git check-attr -z filter` prints them, before and after."""
    return b"".join(path + b"\0filter\0" + value + b"\0" for path in paths) * 2


def added(files: Mapping[bytes, bytes], mode: str = "100644") -> dict[str, bytes]:
    """The members of an archive that adds these files."""
    unique = {blob_id(content): content for content in files.values()}
    return {
        "tree": NEW_TREE.encode() + b"\n",
        "raw": b"".join(entry(path, blob_id(content), mode) for path, content in sorted(files.items())),
        "left": b"",
        "attrs": attributes(sorted(files)),
        "ignored": b"2\0build/\0x.o\0",
        "blobs": b"".join(map(blob, unique.values())),
    }


def header(name: bytes, size: int, kind: bytes = b"0", size_field: bytes | None = None) -> bytes:
    """A tar header: https://www.gnu.org/software/tar/manual/html_node/Standard.html"""
    fields = bytearray(512)
    fields[: len(name[:100])] = name[:100]
    fields[100:124] = b"0000600\0" + b"0000000\0" * 2
    fields[124:136] = size_field if size_field is not None else b"%011o\0" % size
    fields[136:148] = b"00000000000\0"
    fields[156:157] = kind
    fields[257:265] = b"ustar  \0"
    fields[148:156] = b"%06o\0 " % (sum(fields) + 8 * 32)
    return bytes(fields)


def file(name: bytes, content: bytes, kind: bytes = b"0", size_field: bytes | None = None) -> bytes:
    return header(name, len(content), kind, size_field) + content + bytes(-len(content) % 512)


def tar(members: Mapping[str, bytes]) -> bytes:
    return b"".join(file(name.encode(), content) for name, content in members.items()) + bytes(10_240)


def zipped(data: bytes | bytearray) -> bytes:
    return gzip.compress(data, 1, mtime=0)  # the same for the same data


def packed(members: Mapping[str, bytes]) -> bytes:
    return zipped(tar(members))


def repeated(start: bytes, piece: bytes, times: int) -> bytes:
    """gzip of `start` and many times `piece`, without the work: the same packed bytes again and again. The check sum is
    wrong, which a reader notices at the very end."""
    packer = zlib.compressobj(9, wbits=31)
    begun = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return begun + again * times + b"\x03\x00" + bytes(8)


def endless(member: str, piece: bytes, length: int) -> bytes:
    """An archive whose member repeats `piece` up to this length."""
    lists = {"tree": NEW_TREE.encode() + b"\n", "raw": b"", "left": b"", "attrs": b"", "ignored": b"", "blobs": b""}
    before = b"".join(file(name.encode(), content) for name, content in lists.items() if name != member)
    times = -(-length // len(piece))
    return repeated(before + header(member.encode(), times * len(piece)), piece, times)
