"""Access to a sandbox's files from outside. No path, even with links, leaves the sandbox's folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HOME = "/home/user"
TOPS = (
    "home",
    "root",
    "tmp",
)  # a sandbox's own top directories; nothing else can be reached here
_MAX_LINKS = 40  # as Linux


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in an opened directory of a sandbox. The name need not exist."""

    parent: int
    name: str
    path: str  # inside the sandbox, with all links but the last name resolved
    owner: int | None = None

    def stat(self) -> os.stat_result:
        """Stat without following links. Raises FileNotFoundError."""
        return os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)

    def open(self, flags: int) -> int:
        """Open without following links and without waiting for the other end of a pipe."""
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.name, flags, 0o644, dir_fd=self.parent)
        if flags & os.O_CREAT and self.owner is not None:
            os.fchown(descriptor, self.owner, self.owner)
        return descriptor


class Tree:
    """Resolves paths as a process inside would, with the folder as `/` (as openat2 with RESOLVE_IN_ROOT).

    Each step starts from an opened directory and follows no link, so replacing a directory by a link at the same
    time does not lead outside.
    """

    def __init__(self, folder: Path, owner: int | None = None) -> None:
        """`owner`: to whom new files and directories belong; None: to us."""
        self.folder = folder
        self._owner = owner

    @contextmanager
    def spot(self, path: str, *, follow: bool = True, make: bool = False) -> Iterator[Spot]:
        """Resolve `path`. `follow`: also follow a link at its end. `make`: create its directories.

        Raises FileNotFoundError, NotADirectoryError, PermissionError or OSError(ELOOP).
        """
        with _Walk(self.folder, self._owner) as walk:
            yield walk.to(path, follow=follow, make=make)

    def make_directories(self, path: str) -> None:
        """As `mkdir -p`. Raises OSError."""
        with self.spot(path + "/.", make=True):
            pass

    def walk(self, path: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
        """Relative path and status of every entry down to `depth`, in lexical order."""
        with self.spot(path) as spot:
            top = os.open(spot.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=spot.parent)
        yield from _below(top, "", depth)


def is_own(path: str) -> bool:
    """Whether an absolute path is in a sandbox's own top directories."""
    return os.path.normpath(path).lstrip("/").partition("/")[0] in TOPS


def expand(path: str) -> str:
    """The absolute path of a client's path; relative ones start at the home. Raises ValueError for `~name`."""
    if path.startswith("~"):
        if path[1:2] not in ("", "/"):
            raise ValueError(f"failed to expand path '{path}' for user 'user': cannot expand user-specific home dir")
        path = HOME + path[1:]
    if "\0" in path:
        raise ValueError("path holds a NUL character")
    return path if path.startswith("/") else os.path.normpath(f"{HOME}/{path}")


class _Walk:
    def __init__(self, folder: Path, owner: int | None) -> None:
        self._owner = owner
        self._trail: list[tuple[str, int]] = [("", os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._back_to(0)

    def to(self, path: str, *, follow: bool, make: bool) -> Spot:
        ahead = _parts(path)
        links = 0
        while ahead:
            name = ahead.pop()
            if name == "..":
                self._back_to(max(len(self._trail) - 1, 1))
                continue
            info = self._stat(name)
            if info is not None and stat.S_ISLNK(info.st_mode) and (ahead or follow):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(name, dir_fd=self._here)
                if target.startswith("/"):
                    self._back_to(1)
                ahead += _parts(target)
                continue
            if make and len(self._trail) == 1 and name not in (*TOPS, "."):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"/{name}")
            if not ahead:
                return Spot(self._here, name, self._path(name), self._owner)
            if info is None and make:
                os.mkdir(name, 0o755, dir_fd=self._here)
                if self._owner is not None:
                    os.chown(name, self._owner, self._owner, dir_fd=self._here, follow_symlinks=False)
            if name != ".":
                self._enter(name)
        return Spot(self._here, ".", self._path(""))

    @property
    def _here(self) -> int:
        return self._trail[-1][1]

    def _path(self, name: str) -> str:
        return "/" + "/".join(part for part in [*(part for part, _ in self._trail[1:]), name] if part not in ("", "."))

    def _stat(self, name: str) -> os.stat_result | None:
        if len(self._trail) == 1 and name not in (*TOPS, "."):
            return None
        try:
            return os.stat(name, dir_fd=self._here, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _enter(self, name: str) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._trail.append((name, os.open(name, flags, dir_fd=self._here)))

    def _back_to(self, length: int) -> None:
        while len(self._trail) > length:
            os.close(self._trail.pop()[1])


def _parts(path: str) -> list[str]:
    """The names of a path, last first. A slash at the end means the directory itself."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if path.endswith(("/", "/.")) or path in ("", "."):
        names.append(".")
    return names[::-1]


def _below(directory: int, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    try:
        for name in sorted(os.listdir(directory)):
            try:
                info = os.stat(name, dir_fd=directory, follow_symlinks=False)
                inner = None
                if stat.S_ISDIR(info.st_mode) and depth > 1:
                    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            except FileNotFoundError:  # removed in the meantime
                continue
            yield prefix + name, info
            if inner is not None:
                yield from _below(inner, f"{prefix}{name}/", depth - 1)
    finally:
        os.close(directory)
