"""Parses a pull request's diff: which lines can have a review comment, and how to shorten it.

It never raises: text that is no diff becomes a Diff without files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Side = Literal["LEFT", "RIGHT"]
Status = Literal["added", "modified", "deleted", "renamed", "copied"]

MAX_CHARS = 20_000_000  # far more than GitHub returns; the rest is not parsed

_FILE = re.compile(r"^diff --git ", re.MULTILINE)
_HUNK = re.compile(r"@@ -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))? @@")
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines with their marks (space, plus, minus; backslash for a note), and their line numbers in both files."""

    old: range
    new: range
    lines: tuple[str, ...]

    def covers(self, line: int, side: Side) -> bool:
        return line in (self.old if side == "LEFT" else self.new)


@dataclass(frozen=True, slots=True)
class FileDiff:
    path: str  # of the new file; if deleted, of the old one
    old_path: str | None  # None when added
    status: Status
    binary: bool
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    files: tuple[FileDiff, ...]

    @classmethod
    def parse(cls, text: str) -> Diff:
        return cls(tuple(file for part in _split(text[:MAX_CHARS])[1] if (file := _file(part))))

    def accepts(self, path: str, line: int, side: Side = "RIGHT", start_line: int | None = None) -> bool:
        """Whether GitHub accepts a review comment on this line, or on the lines from `start_line` to it.

        A range must have at least two lines and stay in one hunk. For one line, omit `start_line`.
        """
        hunk = self._hunk(path, line, side)
        return hunk is not None and (start_line is None or (start_line < line and hunk.covers(start_line, side)))

    def _hunk(self, path: str, line: int, side: Side) -> Hunk | None:
        # A file that became a symbolic link is in the diff twice: deleted, then added.
        hunks = (hunk for file in self.files if file.path == path for hunk in file.hunks)
        return next((hunk for hunk in hunks if hunk.covers(line, side)), None)


def text_limit(text: str, max_chars: int) -> str:
    """The first files of the diff that fit into `max_chars`, and a note about the others.

    If even the first file is too long, its beginning.
    """
    if len(text) <= max_chars:
        return text
    head, parts = _split(text)
    note = "\n[The diff is cut here: {} of {} files are left out or shown in part.]\n"
    available = max_chars - len(note.format(len(parts), len(parts)))
    if available <= 0:
        return text[:max_chars]
    kept, size = 0, len(head)
    while kept < len(parts) and size + len(parts[kept]) <= available:
        size += len(parts[kept])
        kept += 1
    if kept == 0:
        size = text.rfind("\n", 0, available) + 1 or available
    return text[:size] + note.format(len(parts) - kept, len(parts))


def _split(text: str) -> tuple[str, list[str]]:
    """The text before the first file, and the text of each file."""
    starts = [match.start() for match in _FILE.finditer(text)]
    edges = [*starts, len(text)]
    return text[: edges[0]], [text[start:end] for start, end in pairwise(edges)]


def _file(text: str) -> FileDiff | None:
    lines = text.split("\n")  # not splitlines(): a carriage return or a form feed belongs to its line
    if lines[-1] == "":
        lines.pop()
    names = _header_names(lines[0].removeprefix("diff --git "))
    old, new = names or ("", "")
    status: Status = "modified"
    binary = False
    at = 1
    while at < len(lines) and not lines[at].startswith("@@ "):
        word, _, rest = lines[at].partition(" ")
        match word:
            case "new" if rest.startswith("file"):
                status = "added"
            case "deleted":
                status = "deleted"
            case "rename" | "copy":
                status = "renamed" if word == "rename" else "copied"
                which, _, name = rest.partition(" ")
                old, new = (_unquoted(name), new) if which == "from" else (old, _unquoted(name))
            case "---":
                old = _side_name(rest, old)
            case "+++":
                new = _side_name(rest, new)
            case "Binary" | "GIT":
                binary = True
            case _:
                pass
        at += 1
    path = old if status == "deleted" else new
    if not path:
        return None
    return FileDiff(path, None if status == "added" else old, status, binary, tuple(_hunks(lines, at)))


def _hunks(lines: list[str], at: int) -> Iterator[Hunk]:
    while at < len(lines):
        head = _HUNK.match(lines[at])
        at += 1
        if head is None:
            continue
        old_start, old_count, new_start, new_count = (1 if n is None else int(n) for n in head.groups())
        old = new = 0
        start = at
        # The counts say where a hunk ends, not the lines: a removed line "-- x" looks like a header, "--- x".
        while at < len(lines) and (old < old_count or new < new_count):
            mark = lines[at][:1]
            if mark not in ("", " ", "+", "-", "\\"):
                break
            old += mark in ("", " ", "-")
            new += mark in ("", " ", "+")
            at += 1
        yield Hunk(range(old_start, old_start + old), range(new_start, new_start + new), tuple(lines[start:at]))


def _header_names(text: str) -> tuple[str, str] | None:
    """Both names in a `diff --git` line. Only a change of mode has no other line with them; then they are equal."""
    if text.endswith('"') and (middle := text.find(' "b/')) > 0:
        return _strip(_unquoted(text[:middle])), _strip(_unquoted(text[middle + 1 :]))
    half, odd = divmod(len(text), 2)
    if odd and text[2:half] == text[half + 3 :]:
        return text[2:half], text[half + 3 :]
    return None


def _side_name(text: str, otherwise: str) -> str:
    """The name in a `---` or `+++` line. If it contains a space, git adds a tab after it."""
    text = text.removesuffix("\t")
    return otherwise if text == "/dev/null" else _strip(_unquoted(text))


def _strip(name: str) -> str:
    return name[2:] if name.startswith(("a/", "b/")) else name


def _unquoted(text: str) -> str:
    """Decode a name. Git writes unusual characters as C escapes, in quotes."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    return _ESCAPE.sub(_unescaped, text[1:-1].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _LETTERS.get(code, code)
