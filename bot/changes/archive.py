"""Reads the files of a gzipped tar from an untrusted machine, in memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection

_BLOCK = 512
_SIZE = re.compile(rb"([0-7]{1,11})[ \0]")
_PLAIN_FILE = (b"0", b"\0")


class MalformedError(ValueError):
    """The archive is not in the agreed format. The message says where, for the log."""


def require(condition: object, message: str) -> None:
    """Raises MalformedError with this message if the condition is false."""
    if not condition:
        raise MalformedError(message)


def read_members(archive: bytes, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    """Content by name. There must be exactly these names, all plain files, at most `max_bytes` unpacked.

    Not with `tarfile`: sparse files and pax headers can make it expand, recurse or loop:
    https://nvd.nist.gov/vuln/detail/CVE-2025-8194

    Raises: MalformedError.
    """
    data = _gunzip(archive, max_bytes)
    members: dict[str, bytes] = {}
    at = 0
    while any(header := data[at : at + _BLOCK]):
        name = header[:100].rstrip(b"\0").decode("latin-1")
        require(name in names and name not in members, f"a member {name!r}, unknown or twice")
        size = _SIZE.fullmatch(header[124:136])
        if size is None or header[156:157] not in _PLAIN_FILE:
            raise MalformedError(f"member {name} is not a plain file")
        start, length = at + _BLOCK, int(size[1], 8)
        require(start + length <= len(data), f"member {name} is cut short")
        members[name] = data[start : start + length]
        at = start + -(-length // _BLOCK) * _BLOCK
    require(not data[at:].strip(b"\0"), "something behind the end")
    require(len(members) == len(names), "a member is missing")
    return members


def _gunzip(archive: bytes, max_bytes: int) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(archive, max_bytes + 1)
    except zlib.error as error:
        raise MalformedError(f"not gzip: {error}") from error
    require(len(data) <= max_bytes, f"more than {max_bytes} bytes unpacked")
    require(unzip.eof and not unzip.unused_data, "cut short, or followed by something")
    return data
