"""Whatever stands in the place of a file that git or our scripts open, collecting ends, and nothing is lost unsaid."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.changes.changeset import ChangeSet
from tests.sandbox.checkout import (
    BASE,
    Ground,
    Outcome,
    as_paths,
    collect,
    collected,
    git,
    listening,
    ordinary_user,
    pinned,
    pipe,
    prepare,
    write,
)

ORDINARY = ordinary_user()


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("here nobody can make a device")


def endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_a_pipe(path: Path) -> None:
    target = path.parent / "target"
    if not target.exists():
        os.mkfifo(target)
    path.symlink_to("target")


def folder(path: Path) -> None:
    path.mkdir()


KINDS = (pipe, listening, device, endless_link, link_to_a_pipe, folder)
each_kind = pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)

# What git may open of a repository. The first is `.git` itself.
IN_GIT = (
    "",
    *("HEAD", "config", "config.worktree", "commondir", "gitdir", "index", "packed-refs", "shallow", "modules"),
    *("refs", "refs/heads", "refs/heads/main", "objects", "objects/info", "objects/pack", "objects/info/alternates"),
    *("info", "info/attributes", "info/exclude", "info/grafts", "info/sparse-checkout", "logs", "logs/HEAD", "hooks"),
)


def put(make: Callable[[Path], None], path: Path) -> None:
    """In the place of whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)


def repository(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "inner").write_text("x")
    git(path, "init", "-q", "-b", "main")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "inner")
    return path


def told(outcome: Outcome) -> set[str]:
    """The paths that are published or named; a repository by its folder."""
    assert outcome.found is not None, outcome.status
    found: ChangeSet = outcome.found
    paths = {*found.left_out, *(change.path for change in found.changes)}
    return paths | {path.removesuffix("/").removesuffix("/.git") for path in paths}


def work(ground: Ground) -> None:
    (ground.worktree / "new").write_text("x")


@each_kind
def test_in_repositories_within_the_repository(tmp_path: Path, make: Callable[[Path], None]) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    sample = repository(tmp_path / "sample")
    names = [f"n{number}" for number in range(len(IN_GIT))]
    for name, path in zip(names, IN_GIT, strict=True):
        shutil.copytree(sample, ground.worktree / name)
        put(make, ground.worktree / name / ".git" / path)
    for _ in range(2):  # an attempt after a crash tells the same
        code, status = collected(ground)
        assert code == 0, status
        more = {"special"} & {path.name for path in (tmp_path / "out").iterdir()}
        seen = told(collect(ground, more=more))
        assert "new" in seen
        # Where `.git` is no repository any more, its files are published as any others are.
        assert [name for name in names if not seen & {name, f"{name}/inner"}] == []


@each_kind
def test_in_the_checkouts_own_repository(tmp_path: Path, make: Callable[[Path], None]) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    for path in IN_GIT[:0:-1]:
        if all(parent.is_dir() for parent in (ground.worktree / ".git" / path).parents):
            put(make, ground.worktree / ".git" / path)
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"new": (None, "100644", b"x")}


@each_kind
@pytest.mark.parametrize("place", ["", "deep/er"])
def test_under_the_names_of_gits_own_files(tmp_path: Path, make: Callable[[Path], None], place: str) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    (ground.worktree / place).mkdir(parents=True, exist_ok=True)
    names = (".gitattributes", ".gitignore", ".gitmodules", ".mailmap", ".lfsconfig")
    for name in names:
        put(make, ground.worktree / place / name)
    collected(ground)
    more = {"special"} & {path.name for path in (tmp_path / "out").iterdir()}
    seen = told(collect(ground, more=more))
    assert "new" in seen
    if make is not folder:
        assert {f"{place}/{name}".lstrip("/") for name in names[:3]} <= seen


@each_kind
@pytest.mark.parametrize(
    "paths",
    [("",), ("special", "status", "change.tar.gz", "collecting", "merged")],
    ids=["the folder itself", "what is in it"],
)
def test_in_our_own_folder(tmp_path: Path, make: Callable[[Path], None], paths: tuple[str, ...]) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    for path in paths:
        put(make, tmp_path / "out" / path)
    assert collected(ground)[0] == 0
    for extra in ("merged", "target"):
        (tmp_path / "out" / extra).unlink(missing_ok=True) if make is not folder else shutil.rmtree(
            tmp_path / "out" / extra, ignore_errors=True
        )
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"new": (None, "100644", b"x")}


@each_kind
def test_among_the_pinned_objects(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """It breaks the agent's own run, at most: collecting ends."""
    ground = prepare(tmp_path, BASE)
    work(ground)
    for path in ("info/alternates", "info/commit-graph", "info/commit-graphs", "pack/multi-pack-index", "pack/x.idx"):
        put(make, tmp_path / "base.git/objects" / path)
    code, status = collected(ground)
    assert code == 0 or (code == 4 and status.startswith("failed ")), status


@pytest.mark.parametrize("lead", ["gitdir", "commondir", "include", "link"])
def test_a_repository_that_leads_to_a_pipe_elsewhere_is_named(tmp_path: Path, lead: str) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    nested = repository(ground.worktree / "nested") / ".git"
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(nested, elsewhere)
    for name in ("HEAD", "config", "packed-refs"):
        put(pipe, elsewhere / name)
    if lead == "gitdir":
        shutil.rmtree(nested)
        nested.write_text(f"gitdir: {elsewhere}\n")
    elif lead == "commondir":
        (nested / "commondir").write_text(f"{elsewhere}\n")
    elif lead == "include":
        git(nested.parent, "config", "include.path", str(elsewhere / "config"))
    else:
        shutil.rmtree(nested)
        nested.symlink_to(elsewhere)
    found = collect(ground, more={"special"}).found
    assert found is not None
    assert found.left_out == ("nested/.git",)
    assert b"new" in as_paths(found)


def test_an_ignored_repository_that_does_not_answer_is_left_in_peace(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {**BASE, b".gitignore": ("100644", b"/cache/\n")})
    work(ground)
    put(pipe, repository(ground.worktree / "cache/one") / ".git/HEAD")
    found = collect(ground).found
    assert found is not None
    assert (found.left_out, list(as_paths(found))) == ((), [b"new"])


@pytest.mark.parametrize("trouble", ["index", "fsmonitor"])
def test_in_a_submodule_that_the_agent_fetched_nothing_runs_and_nothing_waits(tmp_path: Path, trouble: str) -> None:
    sample = repository(tmp_path / "sample")
    first = git(sample, "rev-parse", "HEAD")
    git(sample, "commit", "-q", "--allow-empty", "-m", "second")
    worktree = tmp_path / "work"
    worktree.mkdir()
    write(worktree, BASE)
    git(worktree, "init", "-q", "-b", "main")
    git(worktree, "add", "-A")
    for name, commit in (("same", git(sample, "rev-parse", "HEAD")), ("moved,one", first)):
        git(worktree, "update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
        shutil.copytree(sample, worktree / name)
    ground = pinned(tmp_path)
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {ground.canary}\n")
    evil.chmod(0o755)
    for name in ("same", "moved,one"):
        if trouble == "index":
            put(pipe, worktree / name / ".git/index.lock")
        git(worktree / name, "config", "core.fsmonitor", str(evil))
    work(ground)
    found = collect(ground, more={"special"} if trouble == "index" else ()).found
    assert found is not None
    assert not ground.canary.exists()
    if trouble == "fsmonitor":
        assert found.left_out == ()
        assert set(as_paths(found)) == {b"new", b"moved,one"}
        assert found.changes[0].mode == "160000"
    else:
        assert {"same/.git", "moved,one/.git"} <= set(found.left_out)


@pytest.mark.skipif(ORDINARY is None, reason="root enters everything, and here is no way to be another user")
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o500], ids=oct)
def test_a_pipe_in_a_folder_that_is_closed_or_may_not_be_written(tmp_path: Path, mode: int) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    inner = ground.worktree / "inner"
    (inner / "deep/.git").mkdir(parents=True)
    (inner / ".git").mkdir()
    os.mkfifo(inner / ".gitignore")
    os.mkfifo(inner / ".git/HEAD")
    inner.chmod(mode)
    code, status = collected(ground, user=ORDINARY)
    assert code == 0, status
    more = {"special"} & {path.name for path in (tmp_path / "out").iterdir()}
    found = collect(ground, user=ORDINARY, more=more).found
    assert found is not None
    assert [path for path in found.left_out if path.startswith("inner")]
