"""Finds names that a change adds and that collide with others. No I/O.

A file or folder collides with a name that is the same where letter case and Unicode form do not count, and a file with
a folder of its name. The base may have millions of files: they are looked at one by one, and only what is like an added
name is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from bot.changes.paths import folded, printable


@dataclass(slots=True, eq=False)
class _Alike:
    """All names that are the same but for letter case and Unicode form."""

    below: dict[str, _Alike] = field(default_factory=dict)  # by the folded next part
    added: list[_Name] = field(default_factory=list)
    unchanged: str = ""  # one that only the base has, printable


@dataclass(slots=True, eq=False)
class _Name:
    """A file or folder of an added path."""

    part: str
    parent: _Name | None
    alike: _Alike
    below: dict[str, _Name] = field(default_factory=dict)
    old: bool = False
    file: bool = False
    folder: bool = False

    @property
    def path(self) -> str:
        parts = [self.part]
        parent = self.parent
        while parent is not None and parent.parent is not None:
            parts.append(parent.part)
            parent = parent.parent
        return "/".join(reversed(parts))


def collisions(base: Iterable[str], deleted: AbstractSet[str], added: Collection[str]) -> Iterator[tuple[str, str]]:
    """Paths that collide once `added` is there and `deleted` is gone, each with the reason.

    Of an added path, only the first part that collides is named. Memory grows with the folders of `added` alone.
    """
    if not added:
        return
    root = _Name("", None, _Alike())
    for path in sorted(added):
        _add(root, path)
    for path in base:
        _compare(root, path, stays=path not in deleted)
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if reason := _reason(name):
            yield name.path, reason
        else:
            waiting += reversed(name.below.values())


def _add(root: _Name, path: str) -> None:
    name = root
    for part in path.split("/"):
        if part not in name.below:
            alike = name.alike.below.setdefault(folded(part), _Alike())
            name.below[part] = _Name(part, name, alike)
            alike.added.append(name.below[part])
        name.folder = True
        name = name.below[part]
    name.file = True


def _compare(root: _Name, path: str, *, stays: bool) -> None:
    name: _Name | None = root
    alike = root.alike
    parts = path.split("/")
    for count, part in enumerate(parts, 1):
        below = alike.below.get(folded(part))
        if below is None:
            return
        alike = below
        name = name.below.get(part) if name is not None else None
        if name is None:
            if stays and not alike.unchanged:
                alike.unchanged = printable("/".join(parts[:count]))
            continue
        name.old = True
        name.file = name.file or (stays and count == len(parts))
        name.folder = name.folder or (stays and count < len(parts))


def _reason(name: _Name) -> str | None:
    if name.file and name.folder and name.parent is not None:
        return "is both a file and a folder"
    if name.old:
        return None
    others = (printable(other.path) for other in name.alike.added if other is not name)
    other = name.alike.unchanged or next(others, "")
    return f"is the same as `{other}` where letter case and Unicode form do not count" if other else None
