"""Reads gzipped data from an untrusted machine: a tar of few files, or a list of names.

It is unpacked a piece at a time, and every length is compared with its limit before memory is taken for it.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

PIECE = 256 * 1024  # bytes unpacked at a time
MAX_NAMES = 2_000_000
MAX_NAMES_BYTES = 200_000_000  # unpacked
MAX_NAME_BYTES = 64 * 1024

_BLOCK = 512
_PACKED_PIECE = 64 * 1024
_SIZE = re.compile(rb"([0-7]{1,11})[ \0]")
_PLAIN_FILE = (b"0", b"\0")


Packed = bytes | Iterable[bytes]  # gzipped; in pieces, so that it is never in memory as a whole


class MalformedError(ValueError):
    """The archive is not in the agreed format. The message says where, for the log."""


def require(condition: object, message: str) -> None:
    """Raises MalformedError with this message if the condition is false."""
    if not condition:
        raise MalformedError(message)


class Member:
    """A file of the archive, to be read from its beginning to its end."""

    def __init__(self, name: str, size: int, stream: io.BufferedReader[_Unzipped]) -> None:
        self.name = name
        self.left = size  # bytes that are not read yet
        self._stream = stream

    def read(self, size: int) -> bytes:
        """The next `size` bytes. The caller has compared `size` with a limit. Raises: MalformedError if there are
        fewer."""
        require(size <= self.left, f"member {self.name} is too short for what it holds")
        return self._taken(self._stream.read(size), size)

    def line(self, max_bytes: int) -> bytes:
        """The next line without its end. Raises: MalformedError if there is none of at most `max_bytes`."""
        line = self._stream.readline(min(max_bytes, self.left))
        require(line.endswith(b"\n"), f"member {self.name} has no line where one should be")
        return self._taken(line, len(line))[:-1]

    def _taken(self, data: bytes, size: int) -> bytes:
        require(len(data) == size, f"member {self.name} is cut short")
        self.left -= size
        return data


def read_members(
    archive: Packed, names: Collection[str], max_bytes: int, *, optional: Collection[str] = ()
) -> Iterator[Member]:
    """The members of the archive. There must be exactly these names in any order, all plain files, at most `max_bytes`
    unpacked; the optional ones may be missing. The caller reads each member to its end before it asks for the next.

    Not with `tarfile`: sparse files and pax headers can make it expand, recurse or loop:
    https://nvd.nist.gov/vuln/detail/CVE-2025-8194

    Raises: MalformedError.
    """
    unzipped = _Unzipped(archive, max_bytes)
    stream = io.BufferedReader(unzipped, PIECE)
    seen: set[str] = set()
    while (header := stream.read(_BLOCK)).strip(b"\0"):
        name = header[:100].rstrip(b"\0").decode("latin-1")
        require((name in names or name in optional) and name not in seen, f"a member {name!r}, unknown or twice")
        seen.add(name)
        size = _SIZE.fullmatch(header[124:136])
        if size is None or header[156:157] not in _PLAIN_FILE:
            raise MalformedError(f"member {name} is not a plain file")
        length = int(size[1], 8)
        require(length <= max_bytes, f"member {name} is longer than the whole archive may be")
        member = Member(name, length, stream)
        yield member
        require(member.left == 0, f"member {name} holds more than it should")
        stream.read(-length % _BLOCK)
    while rest := stream.read(PIECE):
        require(not rest.strip(b"\0"), "something behind the end")
    require(unzipped.complete, "cut short, or followed by something")
    require(seen.issuperset(names), "a member is missing")


def read_names(packed: Packed) -> Iterator[str]:
    """File names of a tree, as bot/sandbox/shell/checkout.sh packs them, up to the first damage or limit."""
    stream = io.BufferedReader(_Unzipped(packed, MAX_NAMES_BYTES), PIECE)
    count, rest = 0, b""
    try:
        while piece := stream.read(PIECE):
            *names, rest = (rest + piece).split(b"\0")
            for name in names:
                count += 1
                if not name or count > MAX_NAMES:
                    return
                yield name.decode("utf-8", "surrogateescape")
            require(len(rest) <= MAX_NAME_BYTES, "a name that is too long")
    except MalformedError:
        return


class _Unzipped(io.RawIOBase):
    """The unpacked bytes. Reading raises MalformedError at damage, and where more than `max_bytes` come out."""

    def __init__(self, packed: Packed, max_bytes: int) -> None:
        self._pieces = _small(packed)
        self._unzip = zlib.decompressobj(wbits=31)
        self._max_bytes = self._left = max_bytes

    def readable(self) -> bool:
        return True

    @property
    def complete(self) -> bool:
        """Whether the stream has ended, and nothing follows it."""
        return self._unzip.eof and not self._unzip.unused_data and next(self._pieces, None) is None

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        data = self._unpack(min(len(view), PIECE))
        self._left -= len(data)
        require(self._left >= 0, f"more than {self._max_bytes} bytes unpacked")
        view[: len(data)] = data
        return len(data)

    def _unpack(self, max_bytes: int) -> bytes:
        while not self._unzip.eof:
            packed = self._unzip.unconsumed_tail or next(self._pieces, b"")
            try:
                data = self._unzip.decompress(packed, max_bytes)
            except zlib.error as error:
                raise MalformedError(f"not gzip: {error}") from error
            if data:
                return data
            require(packed or self._unzip.eof, "cut short, or followed by something")
        return b""


def _small(packed: Packed) -> Iterator[memoryview]:
    for piece in [packed] if isinstance(packed, bytes) else packed:
        for at in range(0, len(piece), _PACKED_PIECE):
            yield memoryview(piece)[at : at + _PACKED_PIECE]
