"""The files of a gzipped tar from a machine that is not trusted. Pure; nothing is ever unpacked to disk."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection

_BLOCK = 512
_SIZE = re.compile(rb"([0-7]{1,11})[ \0]")
_PLAIN_FILE = (b"0", b"\0")


class MalformedError(ValueError):
    """What came is not what was agreed; the text says where, for a log."""


def demand(held: object, what: str) -> None:
    """Raises MalformedError unless `held`."""
    if not held:
        raise MalformedError(what)


def read_members(archive: bytes, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    """Content by name: plain files, exactly these names, `max_bytes` unpacked at most. Raises MalformedError.

    Not `tarfile`: its extensions (sparse files, pax headers) can be made to expand, recurse and loop,
    see https://nvd.nist.gov/vuln/detail/CVE-2025-8194.
    """
    data = _gunzip(archive, max_bytes)
    found: dict[str, bytes] = {}
    at = 0
    while any(header := data[at : at + _BLOCK]):
        name = header[:100].rstrip(b"\0").decode("latin-1")
        demand(name in names and name not in found, f"a member {name!r}, unknown or twice")
        size = _SIZE.fullmatch(header[124:136])
        if size is None or header[156:157] not in _PLAIN_FILE:
            raise MalformedError(f"member {name} is not a plain file")
        start, length = at + _BLOCK, int(size[1], 8)
        demand(start + length <= len(data), f"member {name} is cut short")
        found[name] = data[start : start + length]
        at = start + -(-length // _BLOCK) * _BLOCK
    demand(not data[at:].strip(b"\0"), "something behind the end")
    demand(len(found) == len(names), "a member is missing")
    return found


def _gunzip(archive: bytes, cap: int) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(archive, cap + 1)
    except zlib.error as error:
        raise MalformedError(f"not gzip: {error}") from error
    demand(len(data) <= cap, f"more than {cap} bytes unpacked")
    demand(unzip.eof and not unzip.unused_data, "cut short, or followed by something")
    return data
