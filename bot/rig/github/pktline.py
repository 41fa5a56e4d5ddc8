"""git's pkt-line format: the commands of a push, and the report on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MAX_DATA = 65_515  # bytes of data in one side-band line


@dataclass(frozen=True, slots=True)
class Command:
    old: str
    new: str
    ref: str


def commands(body: bytes) -> list[Command]:
    """The ref updates in the head of a push's body."""
    found = []
    for line in _lines(body):
        if line is None:
            break
        if line.startswith(b"shallow "):  # a push from a shallow repository begins with these
            continue
        old, new, ref = line.split(b"\0", 1)[0].decode("utf-8", "replace").strip().split(" ", 2)
        found.append(Command(old, new, ref))
    return found


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a push: for each ref "ok" or the reason, and git's other output."""

    unpack: str
    results: dict[str, str | None]  # None: accepted
    messages: bytes  # shown to the user as "remote: …"
    banded: bool

    @classmethod
    def parse(cls, body: bytes) -> Report:
        banded = any(line is not None and line[:1] in (b"\1", b"\2") for line in _lines(body))
        report, messages = body, b""
        if banded:
            bands = [line for line in _lines(body) if line is not None]
            report = b"".join(line[1:] for line in bands if line[:1] == b"\1")
            messages = b"".join(line[1:] for line in bands if line[:1] == b"\2")
        unpack = ""
        results: dict[str, str | None] = {}
        for line in _lines(report):
            if line is None:
                continue
            word, _, rest = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
            if word == "unpack":
                unpack = rest
            elif word == "ok":
                results[rest] = None
            elif word == "ng":
                ref, _, reason = rest.partition(" ")
                results[ref] = reason
        return cls(unpack, results, messages, banded)

    def encode(self) -> bytes:
        lines = [f"unpack {self.unpack}\n"]
        lines += [f"ok {ref}\n" if reason is None else f"ng {ref} {reason}\n" for ref, reason in self.results.items()]
        report = b"".join(_line(line.encode()) for line in lines) + b"0000"
        if not self.banded:
            return report
        return _band(b"\2", self.messages) + _band(b"\1", report) + b"0000"


def _lines(data: bytes) -> Iterator[bytes | None]:
    """The payloads; None for a flush."""
    at = 0
    while at + 4 <= len(data):
        size = int(data[at : at + 4], 16)
        if size < 4:
            yield None
            at += 4
        else:
            yield data[at + 4 : at + size]
            at += size


def _line(payload: bytes) -> bytes:
    return f"{len(payload) + 4:04x}".encode() + payload


def _band(number: bytes, data: bytes) -> bytes:
    return b"".join(_line(number + data[at : at + _MAX_DATA]) for at in range(0, len(data), _MAX_DATA))
