"""Repositories within the repository, and what else git will not take: named, never lost silently."""

from __future__ import annotations

import os
from pathlib import Path

from bot.changes import changeset
from tests.sandbox.checkout import BASE, Ground, as_paths, collect, git, pinned, prepare, write


def test_a_nested_repository_is_an_entry_of_its_own_kind(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "deep/nested").mkdir(parents=True)
    nested = ground.worktree / "deep/nested"
    git(nested, "init", "-q")
    (nested / "inner").write_text("x")
    git(nested, "add", "-A")
    git(nested, "commit", "-q", "-m", "inner")
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"deep/nested": (None, "160000", None)}
    assert found.changes[0].blob == git(nested, "rev-parse", "HEAD")


def test_what_git_cannot_take_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "new").write_text("x")
    (ground.worktree / "unborn").mkdir()
    git(ground.worktree / "unborn", "init", "-q")
    (ground.worktree / "unborn/inner").write_text("x")
    (ground.worktree / "d/.GIT").mkdir(parents=True)
    (ground.worktree / "d/.GIT/config").write_text("x")
    (ground.worktree / "kept").unlink()
    os.mkfifo(ground.worktree / "kept")
    found = collect(ground).found
    assert found is not None
    assert found.left_out == ("d/.GIT/config", "unborn/", "kept")
    assert as_paths(found) == {b"new": (None, "100644", b"x")}
    assert [(violation.path, violation.reason) for violation in changeset.check(found)] == [
        ("d/.GIT/config", "reaches into `.git`"),
        ("unborn/", "is a repository of its own, or a submodule"),
        ("kept", "is no regular file, or cannot be read"),
    ]


def with_submodule(root: Path) -> Ground:
    work = root / "work"
    work.mkdir()
    write(work, BASE)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    (work / "sub").mkdir()  # as a checkout leaves it
    return pinned(root)


def test_a_submodule_that_was_not_fetched_is_untouched(tmp_path: Path) -> None:
    ground = with_submodule(tmp_path)
    (ground.worktree / "new").write_text("x")
    found = collect(ground).found
    assert found is not None
    assert (as_paths(found), found.left_out) == ({b"new": (None, "100644", b"x")}, ())


def test_files_put_into_a_submodule_are_not_lost_silently(tmp_path: Path) -> None:
    ground = with_submodule(tmp_path)
    (ground.worktree / "sub/new").write_text("x")
    found = collect(ground).found
    assert found is not None
    assert (as_paths(found), found.left_out) == ({}, ("sub/",))


def test_a_submodule_taken_away_is_found(tmp_path: Path) -> None:
    ground = with_submodule(tmp_path)
    (ground.worktree / "sub").rmdir()
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"sub": ("160000", "000000", None)}
    assert found.changes[0].blob == "1" * 40
