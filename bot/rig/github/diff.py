"""Differences between commits: changed files, patches, and the lines that a review comment may refer to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

from bot.rig.github.git import EMPTY_TREE, Bare, GitError

_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_RENAMES = "--find-renames"
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class FileChange:
    path: str
    status: str
    oid: str  # of the new blob; of the old one for a removed file
    mode: str
    additions: int
    deletions: int
    before: str | None  # former path of a rename
    patch: str | None  # hunks only; None for binary files and pure renames

    @cached_property
    def hunks(self) -> tuple[Hunk, ...]:
        return _hunks(self.patch or "")

    def hunk_at(self, line: int, side: str) -> Hunk | None:
        """The hunk that shows `line` of the new (RIGHT) or old (LEFT) file."""
        return next((hunk for hunk in self.hunks if hunk.index(line, side) is not None), None)


@dataclass(frozen=True, slots=True)
class Hunk:
    lines: tuple[str, ...]  # the first is the @@ line
    numbers: tuple[tuple[int | None, int | None], ...]  # (old, new) of each line; the first has none
    offset: int  # lines of the patch before this hunk: positions count through

    def index(self, line: int, side: str) -> int | None:
        wanted = 1 if side == "RIGHT" else 0
        return next((at for at, pair in enumerate(self.numbers) if pair[wanted] == line), None)

    def upto(self, line: int, side: str) -> str:
        """The hunk from its header to the line, as a comment quotes it."""
        index = self.index(line, side) or 0
        return "\n".join(self.lines[: index + 1])


@dataclass(frozen=True, slots=True)
class Comparison:
    merge_base: str | None  # None: no common history
    ahead: tuple[str, ...]  # commits, oldest first
    behind: int
    files: list[FileChange]


# Commits never change, so comparisons are cached.
_CACHE: WeakKeyDictionary[Bare, dict[tuple[str, str], Comparison]] = WeakKeyDictionary()


def _comparisons(bare: Bare) -> dict[tuple[str, str], Comparison]:
    return _CACHE.setdefault(bare, {})


def compare(bare: Bare, base: str, head: str) -> Comparison:
    """`base...head`: what head has and base has not. The result is cached."""
    key = (base, head)
    if key not in _comparisons(bare):
        merge_base = bare.merge_base(base, head)
        _comparisons(bare)[key] = Comparison(
            merge_base,
            tuple(bare.log(f"{base}..{head}")),
            len(bare.log(f"{head}..{base}")),
            files(bare, merge_base, head),
        )
    return _comparisons(bare)[key]


def files(bare: Bare, old: str | None, new: str) -> list[FileChange]:
    """What changed from commit or tree `old` to `new`, in git's order."""
    base = old or EMPTY_TREE
    raw = bare.run("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-abbrev", _RENAMES, base, new)
    fields = raw.decode("utf-8", "surrogateescape").split("\0")
    patches = iter(_patches(diff(bare, old, new)))
    kinds: list[tuple[str, str, str, str, str | None]] = []
    position = 0
    while position < len(fields) and fields[position].startswith(":"):
        mode_before, mode, oid_before, oid, status = fields[position][1:].split(" ")
        if status == "D":
            mode, oid = mode_before, oid_before
        before = fields[position + 1] if status[0] in "RC" else None
        position += 3 if before is not None else 2
        kinds.append((fields[position - 1], status[0], oid, mode, before))
    counts: dict[str, tuple[int, int]] = {}
    while position < len(fields) and fields[position]:
        added, deleted, path = fields[position].split("\t")
        if not path:  # a rename, followed by both names
            path, position = fields[position + 2], position + 2
        counts[path] = (_count(added), _count(deleted))
        position += 1
    found = []
    for path, status, oid, mode, before in kinds:
        hunks = next(patches)
        if status == "T":  # shown as a removed and an added file
            hunks = next(patches)
        found.append(FileChange(path, _STATUS[status], oid, mode, *counts[path], before, hunks))
    return found


def diff(bare: Bare, old: str | None, new: str) -> str:
    """The unified diff, as `Accept: application/vnd.github.diff` shows it."""
    raw = bare.run("-c", "core.quotePath=true", "diff-tree", "-r", "-p", _RENAMES, old or EMPTY_TREE, new)
    return raw.decode("utf-8", "replace")


def patch(bare: Bare, old: str, new: str) -> str:
    """The commits as emails, as `Accept: application/vnd.github.patch` shows them."""
    raw = bare.run("format-patch", "--stdout", "--no-signature", f"{old}..{new}")
    return raw.decode("utf-8", "replace")


def mergeable(bare: Bare, base: str, head: str) -> bool | None:
    """Whether the two merge without a conflict; None if git is older than 2.38 and cannot tell."""
    try:
        bare.run("merge-tree", "--write-tree", "--no-messages", base, head)
    except GitError as error:
        return False if error.code == 1 else None
    return True


def _count(number: str) -> int:
    return 0 if number == "-" else int(number)  # binary files have no lines


def _patches(text: str) -> list[str | None]:
    """Each file's hunks, in the diff's order."""
    found: list[str | None] = []
    # A line of content begins with a space, +, - or \, so only a header can begin like this.
    for section in re.split(r"^diff --git .*\n", text, flags=re.MULTILINE)[1:]:
        start = re.search(r"^@@ ", section, flags=re.MULTILINE)
        found.append(section[start.start() :].removesuffix("\n") if start else None)
    return found


def _hunks(text: str) -> tuple[Hunk, ...]:
    hunks: list[Hunk] = []
    lines: list[str] = []
    numbers: list[tuple[int | None, int | None]] = []
    offset = old = new = 0
    for at, line in enumerate(text.split("\n") if text else []):
        head = _HUNK.match(line)
        if head is not None:
            if lines:
                hunks.append(Hunk(tuple(lines), tuple(numbers), offset))
            lines, numbers, offset = [], [], at
            old, new = int(head[1]), int(head[3])
            numbers.append((None, None))
        elif line.startswith("-"):
            numbers.append((old, None))
            old += 1
        elif line.startswith("+"):
            numbers.append((None, new))
            new += 1
        elif line.startswith("\\"):
            numbers.append((None, None))
        else:
            numbers.append((old, new))
            old, new = old + 1, new + 1
        lines.append(line)
    if lines:
        hunks.append(Hunk(tuple(lines), tuple(numbers), offset))
    return tuple(hunks)
