"""What the collecting script's tests stand on: a sandbox's folders, the script itself, and a judge.

The judge is Python: it lists the worktree itself and computes git's tree ids on its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.changes import changeset
from bot.changes.changeset import ChangeSet
from bot.changes.limits import Limits
from bot.sandbox import scripts

SCRIPT = Path(scripts.__file__).parent / "shell" / "collect.sh"
CLEAN = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
IDENTITY = ["-c", "user.name=agent", "-c", "user.email=agent@example.invalid", "-c", "commit.gpgSign=false"]

Tree = dict[bytes, tuple[str, bytes]]  # mode and content by path


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder as the sandbox has it: pinned objects, the agent's checkout, a home, and the result."""

    root: Path
    tree: str

    @property
    def worktree(self) -> Path:
        return self.root / "work"

    @property
    def canary(self) -> Path:
        return self.root / "canary"

    def git(self, *args: str, stdin: bytes = b"") -> str:
        return git(self.worktree, *args, stdin=stdin)


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    status: str
    found: ChangeSet | None


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    """A socket."""
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may be no longer than 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def git(folder: Path, *args: str, stdin: bytes = b"") -> str:
    command = ["git", *IDENTITY, *args]
    done = subprocess.run(command, cwd=folder, env=CLEAN, input=stdin, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace").strip()


def write(folder: Path, files: Mapping[bytes, tuple[str, bytes]]) -> None:
    for name, (mode, content) in files.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode == "120000":
            path.symlink_to(os.fsdecode(content))
        else:
            path.write_bytes(content)
            path.chmod(0o755 if mode == "100755" else 0o644)


def emptied(worktree: Path) -> None:
    for path in worktree.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def listed(folder: Path) -> Tree:
    """Every file below the folder, without the folder's own `.git`."""
    files: Tree = {}
    for parent, folders, names in os.walk(folder):
        for part in (folders, names) if Path(parent) == folder else ():
            part[:] = [name for name in part if name != ".git"]
        for path in (Path(parent, name) for name in [*folders, *names]):
            name, mode = os.fsencode(path.relative_to(folder)), path.lstat().st_mode
            if stat.S_ISLNK(mode):
                files[name] = ("120000", os.fsencode(os.readlink(path)))  # noqa: PTH115 - Path tidies targets
            elif stat.S_ISREG(mode):
                files[name] = ("100755" if mode & 0o100 else "100644", path.read_bytes())
    return files


def object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest()


def tree_id(files: Tree) -> str:
    """Git's id of these files as a tree, worked out without git."""
    entries: list[tuple[bytes, bytes]] = []
    below: dict[bytes, Tree] = {}
    for path, (mode, content) in files.items():
        name, slash, rest = path.partition(b"/")
        if slash:
            below.setdefault(name, {})[rest] = (mode, content)
        else:
            blob = bytes.fromhex(object_id("blob", content))
            entries.append((name, mode.encode() + b" " + name + b"\0" + blob))
    for name, inner in below.items():
        entries.append((name + b"/", b"40000 " + name + b"\0" + bytes.fromhex(tree_id(inner))))
    return object_id("tree", b"".join(entry for _, entry in sorted(entries)))


def as_paths(found: ChangeSet) -> dict[bytes, tuple[str | None, str, bytes | None]]:
    return {os.fsencode(change.path): (change.old_mode, change.mode, change.content) for change in found.changes}


def differences(before: Tree, after: Tree) -> dict[bytes, tuple[str | None, str, bytes | None]]:
    found: dict[bytes, tuple[str | None, str, bytes | None]] = {}
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if old != new:
            found[path] = (old and old[0], new[0] if new else "000000", new and new[1])
    return found


def prepare(root: Path, files: Mapping[bytes, tuple[str, bytes]]) -> Ground:
    """What the bot's prepare step leaves behind, for a repository with these files."""
    work = root / "work"
    work.mkdir()
    write(work, files)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A", "-f")
    return pinned(root)


def pinned(root: Path) -> Ground:
    """Commits what is in the index, and puts the pinned objects and a home beside the checkout."""
    work = root / "work"
    git(work, "commit", "-q", "--allow-empty", "-m", "pinned")
    git(root, "clone", "-q", "--bare", "--no-local", str(work), str(root / "base.git"))
    (root / "home").mkdir()
    return Ground(root, git(work, "rev-parse", "HEAD^{tree}"))


def ordinary_user() -> tuple[str, ...] | None:
    """What to put before a command so that an ordinary user runs it, to whom files of its caller belong. None: no way.

    In a namespace of its own, root is an ordinary user with another number.
    """
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    works = subprocess.run([*prefix, "id", "-u"], capture_output=True, text=True, check=False)
    return prefix if works.stdout == "1000\n" else None


def collected(
    ground: Ground,
    *,
    max_files: int = 3000,
    max_bytes: int = 10_000_000,
    env: Mapping[str, str] | None = None,
    user: tuple[str, ...] | None = None,
) -> tuple[int, str]:
    """Run the script once: (exit code, its status line). `user`: see `ordinary_user`."""
    settings = {
        "AMPBOT_BASE_GIT": str(ground.root / "base.git"),
        "AMPBOT_WORKTREE": str(ground.worktree),
        "AMPBOT_TREE": ground.tree,
        "AMPBOT_OUT": str(ground.root / "out"),
        "AMPBOT_MAX_FILES": str(max_files),
        "AMPBOT_MAX_BYTES": str(max_bytes),
    }
    done = subprocess.run(
        [*(user or ()), "bash", str(SCRIPT)],
        env={"PATH": os.environ["PATH"], "HOME": str(ground.root / "home"), **settings, **(env or {})},
        cwd=ground.root,
        capture_output=True,
        timeout=120,
    )
    return done.returncode, done.stdout.decode().removesuffix("\n")


def collect(
    ground: Ground,
    *,
    max_files: int = 3000,
    max_bytes: int = 10_000_000,
    env: Mapping[str, str] | None = None,
    user: tuple[str, ...] | None = None,
    more: Collection[str] = (),
) -> Outcome:
    """Run the script and read what it made. `more`: files that it leaves beside the usual ones."""
    out = ground.root / "out"
    code, status = collected(ground, max_files=max_files, max_bytes=max_bytes, env=env, user=user)
    assert (out / "status").read_text() == status + "\n"
    archive = out / "change.tar.gz"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["status", *more, *(["change.tar.gz"] if archive.exists() else [])]
    )
    assert archive.exists() == (code == 0)
    if not archive.exists():
        return Outcome(code, status, None)
    limits = Limits(files=max_files, total_bytes=max_bytes)
    found = changeset.read(archive.read_bytes(), base_tree=ground.tree, limits=limits)
    assert isinstance(found, ChangeSet), found
    return Outcome(0, status, found)


BASE: Tree = {
    b"changed": ("100644", b"one\n"),
    b"kept": ("100644", b"kept\n"),
    b"folder/gone": ("100644", b"gone\n"),
    b"folder/tool.sh": ("100755", b"#!/bin/sh\n"),
}
