"""Parses the archive that bot/sandbox/shell/collect.sh made into a ChangeSet, and validates it. No I/O.

The archive is untrusted: a stranger's text may have controlled the sandbox. The database stores the archive itself;
`read` it again with the limits of its run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from bot.changes import paths
from bot.changes.archive import MalformedError, Member, Packed, read_members, require
from bot.changes.collisions import collisions
from bot.changes.left_out import NO_RULES, Rules
from bot.changes.limits import (
    DEFAULT_LIMITS,
    IGNORED_NAMES,
    LATER_MEMBERS,
    LINE_BYTES,
    MEMBERS,
    Limits,
    TooLargeError,
    too_large,
    within,
)
from bot.model import Problem

Status = Literal["added", "modified", "deleted", "type changed"]
SymlinkRule = Literal["refuse", "inside"]

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
SYMLINK, SUBMODULE, ABSENT = "120000", "160000", "000000"
_MODES = frozenset({"100644", "100755", SYMLINK, SUBMODULE, ABSENT})
_NO_ID = "0" * 40

_SHA1 = re.compile(r"[0-9a-f]{40}")
_ENTRY = re.compile(rb":([0-7]{6}) ([0-7]{6}) ([0-9a-f]{40}) ([0-9a-f]{40}) ([ADMT])")
_BLOB = re.compile(rb"([0-9a-f]{40}) blob (0|[1-9][0-9]*)")
_STATUS = re.compile(r"(ok|over-files|over-bytes) ([0-9]{1,18}) ([0-9]{1,18})|failed (.*)")


@dataclass(frozen=True, slots=True)
class Change:
    """One path of the change set.

    For a deletion, `mode` is "000000" and `blob` the old one. If the name is not UTF-8, `path` contains surrogates
    (`surrogateescape`), which `check` refuses.
    """

    path: str
    mode: str
    old_mode: str | None  # None when added
    blob: str  # of a submodule: the commit
    content: bytes | None  # of a symlink: its target; None for a deletion or a submodule
    status: Status


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Every difference between the pinned tree and the worktree after the agent's work, sorted by the paths' bytes."""

    tree: str  # git's id of the whole new tree; the published tree must have the same
    base_tree: str
    changes: tuple[Change, ...]
    lfs: frozenset[str]  # changed paths that `.gitattributes` puts into Git LFS, before or after the change
    left_out: tuple[str, ...]  # paths that git could not add; a folder ends in a slash
    digest: str  # sha-256, hex, over all of the above
    ignored: tuple[str, ...] = ()  # paths that are not part of it, the first of many; a folder ends in a slash
    ignored_count: int = 0  # how many there are, as the sandbox says

    @property
    def total_bytes(self) -> int:
        """The size of all contents; equal ones count once."""
        return sum({change.blob: len(change.content or b"") for change in self.changes}.values())


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a change set is refused. `reason` is a phrase after the path ("is below …")."""

    path: str  # printable; "" if the reason is about the whole change set
    reason: str


def parse_status(status: str) -> Problem | None:
    """Parse the status line of collect.sh. None: the archive can be read."""
    match = _STATUS.fullmatch(status.strip())
    if match is None or match[4] is not None:
        detail = paths.printable(match[4] if match else status, 400)
        return Problem("The changes could not be collected from the sandbox.", detail)
    if match[1] == "ok":
        return None
    return too_large(int(match[2]), "files" if match[1] == "over-files" else "bytes", int(match[3]))


# --- reading --------------------------------------------------------------------------------------


def read(archive: Packed, *, base_tree: str, limits: Limits = DEFAULT_LIMITS) -> ChangeSet | Problem:
    """The change set in an archive. Checks every blob id.

    Takes memory for the contents, and for names as `limits` allows; the larger part of the time without Python's lock.
    """
    if not _SHA1.fullmatch(base_tree):
        return Problem("Repositories with SHA-256 object ids are not supported yet.", f"tree {base_tree!r}")
    try:
        return _read(archive, base_tree, limits)
    except TooLargeError as error:
        return error.problem
    except MalformedError as error:
        return Problem("What came out of the sandbox is damaged; nothing was published.", str(error))


def _read(archive: Packed, base_tree: str, limits: Limits) -> ChangeSet:
    lists: dict[str, bytes] = {}
    blobs: dict[str, bytes] = {}
    digests: dict[str, bytes] = {}
    for member in read_members(archive, MEMBERS, limits.archive_bytes, optional=LATER_MEMBERS):
        if member.name == "blobs":
            blobs = _blobs(member, limits)
            digests[member.name] = hashlib.sha256(b"".join(f"{blob}\n".encode() for blob in blobs)).digest()
            continue
        within(member.left, "bytes of file names", limits.member_bytes(member.name))
        lists[member.name] = data = member.read(member.left)
        digests[member.name] = hashlib.sha256(data).digest()
    tree = lists["tree"].decode("latin-1").removesuffix("\n")
    require(_SHA1.fullmatch(tree), "no id of a tree")
    left_out = tuple(dict.fromkeys(map(_text, _fields(lists["left"], limits.files))))
    require("" not in left_out, "an empty name")
    changes = sorted(_changes(lists["raw"], blobs, limits), key=lambda change: _bytes(change.path))
    within(len(changes) + len(left_out), "files", limits.files)
    require(len({change.path for change in changes}) == len(changes), "a path twice")
    require((tree == base_tree) == (not changes), "the tree and the list of changes disagree")
    named = {change.blob for change in changes if change.content is not None}
    require(named == blobs.keys(), "a blob that no path names")
    within(paths.folders(change.path for change in changes if change.status == "added"), "folders", limits.folders)
    lfs = _lfs(lists["attrs"], limits) & {change.path for change in changes}
    digest = hashlib.sha256(base_tree.encode() + b"".join(part for _, part in sorted(digests.items())))
    ignored, count = _ignored(lists.get("ignored", b""))
    return ChangeSet(tree, base_tree, tuple(changes), lfs, left_out, digest.hexdigest(), ignored, count)


def _ignored(data: bytes) -> tuple[tuple[str, ...], int]:
    """The paths, and how many there are: their number comes first."""
    fields = _fields(data, IGNORED_NAMES + 1)
    if not fields:
        return (), 0
    count, *names = fields
    require(re.fullmatch(rb"0|[1-9][0-9]{0,8}", count), "a number of ignored paths")
    require(len(names) == min(int(count), IGNORED_NAMES) and b"" not in names, "ignored paths that do not add up")
    return tuple(map(_text, names)), int(count)


def _blobs(member: Member, limits: Limits) -> dict[str, bytes]:
    """Content by blob id, from the output of `git cat-file --batch`."""
    blobs: dict[str, bytes] = {}
    total = 0
    while member.left:
        head = _BLOB.fullmatch(member.line(LINE_BYTES))
        if head is None:
            raise MalformedError("a blob without a header, or a missing one")
        total += int(head[2])
        within(total, "bytes", limits.total_bytes)
        within(len(blobs) + 1, "files", limits.files)
        content = member.read(int(head[2]))
        require(member.read(1) == b"\n", "a blob that is cut short")
        blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        blob.update(content)
        require(blob.hexdigest().encode() == head[1], "a blob whose content is not what its id says")
        require(blob.hexdigest() not in blobs, "a blob twice")
        blobs[blob.hexdigest()] = content
    return blobs


def _changes(raw: bytes, blobs: dict[str, bytes], limits: Limits) -> Iterator[Change]:
    """From the output of `git diff-tree -r --raw -z`."""
    fields = _fields(raw, limits.files, each=2)
    require(len(fields) % 2 == 0, "an entry without a path")
    for entry, path in zip(fields[::2], fields[1::2], strict=True):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise MalformedError("a malformed entry")
        old_mode, mode, old_id, new_id, letter = (group.decode() for group in match.groups())
        status = _status(old_mode, mode)
        require({old_mode, mode} <= _MODES, f"mode {old_mode} or {mode}")
        require(
            (old_mode, old_id) != (mode, new_id) and letter == status[0].upper(),
            "an entry that changes nothing, or another status",
        )
        require((old_mode == ABSENT) == (old_id == _NO_ID) and (mode == ABSENT) == (new_id == _NO_ID), "an id")
        content = None
        if mode not in (ABSENT, SUBMODULE):
            content = blobs.get(new_id)
            require(content is not None, "a path without its blob")
        blob = old_id if status == "deleted" else new_id
        yield Change(_text(path), mode, None if old_mode == ABSENT else old_mode, blob, content, status)


def _status(old_mode: str, mode: str) -> Status:
    if old_mode == ABSENT:
        return "added"
    if mode == ABSENT:
        return "deleted"
    return "modified" if old_mode[:2] == mode[:2] else "type changed"


def _lfs(attrs: bytes, limits: Limits) -> frozenset[str]:
    """From the output of `git check-attr -z filter`, twice: path, attribute, value."""
    fields = _fields(attrs, limits.files, each=6)
    require(len(fields) % 3 == 0, "an attribute without a value")
    values = zip(fields[::3], fields[2::3], strict=True)
    return frozenset(_text(path) for path, value in values if value == b"lfs")


def _fields(data: bytes, files: int, *, each: int = 1) -> list[bytes]:
    """The fields of a list with `each` fields for a file. They are counted first: each costs fifty times its NUL."""
    require(not data or data.endswith(b"\0"), "a list that is cut short")
    within(-(-data.count(b"\0") // each), "files", files)
    return data.split(b"\0")[:-1]


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


# --- rules ----------------------------------------------------------------------------------------


def check(
    changes: ChangeSet,
    *,
    limits: Limits = DEFAULT_LIMITS,
    symlinks: SymlinkRule = "refuse",
    base_paths: Iterable[str] = (),
    leaks: Callable[[bytes], object] = lambda _: False,
    left_out: Rules = NO_RULES,
    theirs: AbstractSet[str] = frozenset(),
) -> tuple[Violation, ...]:
    """Why the change set may not be published; empty if it may.

    The rules apply to what it adds or changes. `base_paths`: the files of the pinned tree, to find names that collide
    with unchanged ones. `leaks`: whether bytes contain a secret of ours. `left_out`: what collect.sh had to leave out.
    `theirs`: paths that are as in the commit of the base branch that Amp merged: they are the base branch's business.
    """
    entries = changes.changes
    if any(leaks(_bytes(path)) for path in (*changes.left_out, *(change.path for change in entries))):
        return (Violation("", "the name of a file holds a secret of this installation"),)  # do not show any name
    violations = [Violation(paths.printable(path), _left_out_reason(path)) for path in changes.left_out]
    for change in entries:
        own = change.path not in theirs
        reason = _reason(change, changes.lfs, limits, symlinks) if own else None
        if own and reason is None and change.status == "added" and (kind := left_out.reason(change.path)):
            reason = f"is left out: {kind}"
        if reason is None and leaks(change.content or b""):
            reason = "holds a secret of this installation"
        if reason:
            violations.append(Violation(paths.printable(change.path), reason))
    old = (change.path for change in entries if change.old_mode is not None or change.path in theirs)
    deleted = frozenset(change.path for change in entries if change.status == "deleted")
    added = [change.path for change in entries if change.status == "added" and change.path not in theirs]
    shallow = [path for path in added if paths.folder_count(path) <= paths.MAX_FOLDERS]
    found = collisions(chain(base_paths, old), deleted, shallow)
    violations += [Violation(paths.printable(path), reason) for path, reason in found]
    if entries and changes.tree == EMPTY_TREE:
        violations.append(Violation("", "nothing would be left in the repository"))
    return tuple(violations)


def _left_out_reason(path: str) -> str:
    if path.endswith("/"):
        return "is a repository of its own, or a submodule"
    return paths.path_problem(path) or "is no regular file, or cannot be read"


def _reason(change: Change, lfs: frozenset[str], limits: Limits, symlinks: SymlinkRule) -> str | None:
    path, content = change.path, change.content
    if SUBMODULE in (change.mode, change.old_mode):
        return "is a submodule, or a repository of its own"
    if reason := paths.protected(path):
        return reason
    if content is None:  # a file with a bad name may be deleted, but GitHub accepts only UTF-8
        return None if paths.is_text(path) else paths.path_problem(path)
    if reason := paths.path_problem(path):
        return reason
    if change.mode == SYMLINK:
        if symlinks == "refuse":
            return "is a symbolic link"
        if len(content) > paths.MAX_BYTES:
            return f"is a symbolic link whose target is longer than {paths.MAX_BYTES} bytes"
        if reason := paths.link_problem(path, _text(content)):
            return f"is a symbolic link whose target {reason}"
    if path in lfs:
        return "is stored in Git LFS"
    if len(content) > limits.file_bytes:
        return f"has {len(content):,} bytes, where the limit for one file is {limits.file_bytes:,}"
    return None
