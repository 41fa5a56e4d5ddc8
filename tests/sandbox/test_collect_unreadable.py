"""What git cannot read, or would wait for: named, and nothing hangs. As an ordinary user where the machine has one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.checkout import BASE, Outcome, as_paths, collect, listening, ordinary_user, pipe, prepare

ORDINARY = ordinary_user()
as_user = pytest.mark.skipif(ORDINARY is None, reason="root reads everything, and here is no way to be another user")


def closed_pipe(path: Path) -> None:
    os.mkfifo(path, 0o000)


@pytest.mark.parametrize("make", [pipe, closed_pipe, listening], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", [".gitattributes", ".gitignore", ".gitmodules"])
@pytest.mark.parametrize("folder", ["", "deep/er"])
def test_what_bears_the_name_of_gits_own_files_is_named(
    tmp_path: Path, make: Callable[[Path], None], name: str, folder: str
) -> None:
    ground = prepare(tmp_path, BASE)
    (ground.worktree / folder).mkdir(parents=True, exist_ok=True)
    (ground.worktree / folder / "new").write_text("x")
    make(ground.worktree / folder / name)
    special = f"{folder}/{name}".lstrip("/")
    for _ in range(2):  # an attempt after a crash names it as well
        found = collect(ground, more={"special"}).found
        assert found is not None
        assert found.left_out == (special,)
        assert as_paths(found) == {f"{folder}/new".lstrip("/").encode(): (None, "100644", b"x")}


def test_a_pipe_in_place_of_a_pinned_file_is_named_and_its_deletion_is_not_published(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {**BASE, b".gitattributes": ("100644", b"* text\n")})
    (ground.worktree / ".gitattributes").unlink()
    os.mkfifo(ground.worktree / ".gitattributes")
    found = collect(ground, more={"special"}).found
    assert found is not None
    assert ".gitattributes" in found.left_out


def closed(path: Path, mode: int = 0o000) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "inner").write_text("x")
    path.chmod(mode)


@as_user
@pytest.mark.parametrize("mode", [0o000, 0o300], ids=oct)
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, mode: int) -> None:
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "new").write_text("x")
    closed(ground.worktree / "newdir", mode)
    found = collect(ground, user=ORDINARY).found
    assert found is not None
    assert found.left_out == ("newdir",)
    assert as_paths(found) == {b"new": (None, "100644", b"x")}


@as_user
def test_a_folder_that_makes_git_give_up_is_named(tmp_path: Path) -> None:
    """It can be listed, but nothing in it can be read: then the change set is no more than that name."""
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "new").write_text("x")
    closed(ground.worktree / "newdir", 0o600)
    found = collect(ground, user=ORDINARY).found
    assert found is not None
    assert (found.left_out, found.changes, found.tree) == (("newdir",), (), ground.tree)


@as_user
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    for name in ("new", "kept"):
        (ground.worktree / name).write_text("x")
        (ground.worktree / name).chmod(0o000)
    found = collect(ground, user=ORDINARY).found
    assert found is not None
    assert sorted(found.left_out) == ["kept", "new"]


@as_user
def test_an_ignored_folder_that_cannot_be_read_is_left_in_peace(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {**BASE, b".gitignore": ("100644", b"/data/\n!/data/\n/data/\n*.d\n!/kept.d\n")})
    for name in ("data", "sub/x.d"):
        closed(ground.worktree / name)
    closed(ground.worktree / "kept.d")
    found = collect(ground, user=ORDINARY).found
    assert found is not None
    assert found.left_out == ("kept.d",)


def test_a_folder_too_deep_for_git_is_named(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "new").write_text("x")
    here = os.open(ground.worktree, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 120, dir_fd=here)
        inner = os.open("d" * 120, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deepest", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    found = collect(ground).found
    assert found is not None
    (left,) = found.left_out
    assert left.startswith("d" * 120)
    assert as_paths(found) == {b"new": (None, "100644", b"x")}


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    with (ground.worktree / "core").open("wb") as core:
        core.truncate(10_000_000_000_000)
    assert collect(ground) == Outcome(3, "over-bytes 10000000000000 10000000", None)


def test_a_huge_file_that_is_ignored_does_not_matter(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {**BASE, b".gitignore": ("100644", b"core\n")})
    with (ground.worktree / "core").open("wb") as core:
        core.truncate(10_000_000_000)
    found = collect(ground).found
    assert found is not None
    assert (found.changes, found.left_out) == ((), ())
