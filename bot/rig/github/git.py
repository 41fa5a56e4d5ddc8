"""Bare repositories on disk, used through git's plumbing commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# The machine's own git configuration must not affect the stand-in's repositories.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "LC_ALL": "C.UTF-8",
}
# GitHub's server settings, and pushes over HTTP.
_CONFIGURATION = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.hideRefs": "refs/pull",  # "deny updating a hidden ref", as GitHub answers
    "receive.denyDeleteCurrent": "ignore",  # the stand-in refuses these itself, with GitHub's message
    "receive.autogc": "false",
    "gc.auto": "0",
    "core.logAllRefUpdates": "false",
}
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ZERO = "0" * 40
OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    email: str
    at: int
    zone: str = "+0000"

    def __str__(self) -> str:
        return f"{self.name} <{self.email}> {self.at} {self.zone}"

    @property
    def date(self) -> str:
        """The time in UTC, as GitHub shows it."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    mode: str
    kind: str
    oid: str
    size: int | None
    path: str


@dataclass(frozen=True, slots=True)
class Change:
    """The new entry of a path in a tree; `oid` None removes it."""

    path: str
    mode: str
    oid: str | None


class GitError(RuntimeError):
    """git failed; the message is git's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Bare:
    """One bare repository. Objects never change, so they are cached."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits: dict[str, Commit] = {}

    @classmethod
    def create(cls, path: Path) -> Bare:
        bare = cls(path)
        _git(path.parent, "init", "--quiet", "--bare", "--template=", path.name)
        bare.configure()
        return bare

    @classmethod
    def clone(cls, source: Path, path: Path) -> Bare:
        """Branches and tags of `source`, which is only read."""
        bare = cls.create(path)
        bare.run("fetch", "--quiet", "--no-auto-gc", "--update-shallow", str(source.resolve()), *_ALL)
        return bare

    def configure(self) -> None:
        # One write of the file: a child process for each setting would cost more than the clone.
        sections = (name.rpartition(".") for name in _CONFIGURATION)
        lines = (f"[{section}]\n\t{key} = {_CONFIGURATION[f'{section}.{key}']}\n" for section, _, key in sections)
        with (self.path / "config").open("a") as file:
            file.writelines(lines)

    def run(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run git. Raises GitError with git's message if it fails."""
        return _git(self.path, *arguments, stdin=stdin, env=env)

    def ask(self, *arguments: str) -> str | None:
        """The stripped output; None if git fails."""
        try:
            return self.run(*arguments).decode().strip()
        except GitError:
            return None

    # --- refs ---------------------------------------------------------------------------------

    def refs(self, prefix: str = "refs") -> dict[str, str]:
        lines = self.run("for-each-ref", "--format=%(objectname) %(refname)", prefix).decode().splitlines()
        return {name: oid for oid, name in (line.split(" ", 1) for line in lines)}

    def ref(self, name: str) -> str | None:
        """The object that the full ref name points to."""
        if not name.startswith("refs/"):
            return None
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", name)

    def branch(self, name: str) -> str | None:
        return self.ref(f"refs/heads/{name}")

    def is_ref_name(self, name: str) -> bool:
        return self.ask("check-ref-format", name) is not None

    def set_ref(self, name: str, new: str, old: str | None = None) -> None:
        """Create or move a ref; with `old` only if it still points there (ZERO: only if absent)."""
        self.run("update-ref", name, new, *([] if old is None else [old]))

    def delete_ref(self, name: str) -> None:
        self.run("update-ref", "-d", name)

    def set_head(self, branch: str) -> None:
        self.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    # --- reading ------------------------------------------------------------------------------

    def resolve(self, revision: str) -> str | None:
        """The object that an expression names (`main`, `main:docs`, a sha); None if there is none."""
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", revision)

    def kind(self, oid: str) -> str | None:
        """commit, tree, blob or tag; None if the object does not exist."""
        return self.ask("cat-file", "-t", oid) if OID.fullmatch(oid) else None

    def kinds(self, revisions: Sequence[str]) -> list[str | None]:
        """The kind of each object, named by sha or as `tree:path`; one child process for all."""
        if not revisions:
            return []
        named = "".join(revision.replace("\n", "\0") + "\n" for revision in revisions)
        raw = self.run("cat-file", "--batch-check=%(objecttype)", stdin=named.encode("utf-8", "surrogateescape"))
        lines = raw.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
        return [line if line in ("blob", "tree", "commit", "tag") else None for line in lines]

    def commit(self, oid: str) -> Commit:
        if oid not in self._commits:
            self._commits[oid] = _parse_commit(oid, self.run("cat-file", "commit", oid))
        return self._commits[oid]

    def blob(self, oid: str) -> bytes:
        return self.run("cat-file", "blob", oid)

    def entries(self, tree: str, *, recursive: bool = False) -> list[Entry]:
        flags = ["-r", "-t"] if recursive else []
        listing = self.run("ls-tree", "-z", "--long", *flags, tree).decode("utf-8", "surrogateescape")
        found = []
        for line in filter(None, listing.split("\0")):
            about, path = line.split("\t", 1)
            mode, kind, oid, size = about.split()
            found.append(Entry(mode, kind, oid, None if size == "-" else int(size), path))
        return found

    def log(self, *revisions: str) -> list[str]:
        """Commits reachable by `revisions` (as `git rev-list` reads them), oldest first."""
        return self.run("rev-list", "--topo-order", "--reverse", *revisions, "--").decode().split()

    def merge_base(self, one: str, other: str) -> str | None:
        return self.ask("merge-base", one, other)

    def is_ancestor(self, old: str, new: str) -> bool:
        return self.ask("merge-base", "--is-ancestor", old, new) is not None

    # --- writing ------------------------------------------------------------------------------

    def write_blob(self, content: bytes) -> str:
        return self.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def write_blobs(self, contents: Sequence[bytes]) -> list[str]:
        """One child process for all of them."""
        if not contents:
            return []
        with tempfile.TemporaryDirectory(prefix="rig-blobs-") as folder:
            for number, content in enumerate(contents):
                Path(folder, str(number)).write_bytes(content)
            names = "".join(f"{folder}/{number}\n" for number in range(len(contents))).encode()
            return self.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names).decode().split()

    def write_tree(self, base: str | None, changes: Sequence[Change]) -> str:
        """Write the tree `base` with the changes applied, using a temporary index."""
        with tempfile.TemporaryDirectory(prefix="rig-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            if base:
                self.run("read-tree", base, env=env)
            lines = []
            for change in changes:
                if change.mode == "040000" and change.oid is not None:
                    lines += [f"{entry.mode} {entry.oid}\t{change.path}/{entry.path}" for entry in
                              self.entries(change.oid, recursive=True) if entry.kind != "tree"]  # fmt: skip
                elif change.oid is None:
                    lines.append(f"0 {ZERO}\t{change.path}")
                else:
                    lines.append(f"{change.mode} {change.oid}\t{change.path}")
            listing = "".join(line + "\0" for line in lines).encode("utf-8", "surrogateescape")
            self.run("update-index", "-z", "--replace", "--index-info", stdin=listing, env=env)
            return self.run("write-tree", env=env).decode().strip()

    def write_commit(
        self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature
    ) -> str:
        lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents)]
        lines += [f"author {author}", f"committer {committer}", "", message]
        content = "\n".join(lines).encode("utf-8", "replace")
        return self.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content).decode().strip()

    def take(self, source: Bare, revision: str, ref: str) -> None:
        """Copy a commit of another repository and point `ref` at it."""
        self.run("fetch", "--quiet", "--no-auto-gc", str(source.path), f"+{revision}:{ref}")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


_ALL = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def head_of(source: Path) -> tuple[str, str] | None:
    """The branch checked out in a local repository and its commit; None for one without commits."""
    try:
        commit = _git(source, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
    except GitError:
        return None
    try:
        return _git(source, "symbolic-ref", "--short", "HEAD").decode().strip(), commit
    except GitError:  # detached
        return "main", commit


def _git(folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    done = subprocess.run(
        # git refuses folders of other users; this only reads.
        ["git", "-c", "safe.directory=*", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={**ENVIRONMENT, **(env or {})},
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise GitError(said or f"git {arguments[0]} failed", done.returncode)
    return done.stdout


_SIGNATURE = re.compile(r"(.*?) ?<(.*?)> (-?\d+) ([+-]\d{4})")


def _parse_commit(oid: str, raw: bytes) -> Commit:
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    return Commit(
        oid=oid,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", ())),
        author=_parse_signature(fields["author"][0]),
        committer=_parse_signature(fields["committer"][0]),
        message=message,
    )


def _parse_signature(line: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        return Signature(line, "", 0)
    name, email, at, zone = match.groups()
    return Signature(name, email, int(at), zone)
