"""The collecting script's limits, and how it fails: always one status line, never half an archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.checkout import BASE, Ground, Outcome, collect, listed, prepare, tree_id, write


def test_three_thousand_files_are_within_the_limits(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    write(ground.worktree, {b"d%d/f%d" % (i % 7, i): ("100644", b"%d" % i) for i in range(3000)})
    outcome = collect(ground, max_files=3000)
    assert outcome.status == f"ok 3000 {sum(len(str(i)) for i in range(3000))}"
    assert outcome.found is not None
    assert outcome.found.tree == tree_id(listed(ground.worktree))


def new_files(ground: Ground) -> None:
    write(ground.worktree, {b"n%d" % i: ("100644", b"") for i in range(11)})


def changed_and_deleted_files(ground: Ground) -> None:
    for i in range(8):
        (ground.worktree / f"b{i}").write_text("changed")
    for i in range(8, 11):
        (ground.worktree / f"b{i}").unlink()


def files_git_cannot_take(ground: Ground) -> None:
    write(ground.worktree, {b".GIT/n%d" % i: ("100644", b"") for i in range(6)})
    for i in range(5):
        (ground.worktree / f"b{i}").unlink()


@pytest.mark.parametrize(
    "edit",
    [new_files, changed_and_deleted_files, files_git_cannot_take],
    ids=["new", "changed and deleted", "left out"],
)
def test_too_many_files_are_refused_before_anything_is_bundled(tmp_path: Path, edit: Callable[[Ground], None]) -> None:
    ground = prepare(tmp_path, {b"b%d" % i: ("100644", b"%d" % i) for i in range(11)})
    edit(ground)
    assert collect(ground, max_files=10) == Outcome(3, "over-files 11 10", None)
    assert collect(ground, max_files=11).code == 0


def test_too_many_bytes_are_refused_before_anything_is_bundled(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    with (ground.worktree / "core").open("wb") as core:
        core.truncate(40_000_000)
    (ground.worktree / "copy").write_bytes(b"12345")
    (ground.worktree / "same").write_bytes(b"12345")  # counted once
    assert collect(ground) == Outcome(3, "over-bytes 40000005 10000000", None)


def no_worktree(ground: Ground) -> Ground:
    shutil.rmtree(ground.worktree)
    return ground


def no_base(ground: Ground) -> Ground:
    shutil.rmtree(ground.root / "base.git")
    return ground


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (no_worktree, "failed the worktree is gone"),
        (no_base, "failed fatal: failed to unpack tree object {tree}"),
        (lambda ground: Ground(ground.root, "a" * 64), "failed only sha-1 repositories are supported"),
        (lambda ground: Ground(ground.root, "--help"), "failed only sha-1 repositories are supported"),
    ],
    ids=["worktree gone", "pinned objects gone", "sha-256", "option for a tree"],
)
def test_what_cannot_be_measured_fails_with_a_reason(
    tmp_path: Path, spoil: Callable[[Ground], Ground], status: str
) -> None:
    ground = spoil(prepare(tmp_path, BASE))
    assert collect(ground) == Outcome(4, status.format(tree=ground.tree), None)


def test_an_encoding_that_git_cannot_convert_fails_with_gits_words(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {b".gitattributes": ("100644", b"*.txt working-tree-encoding=UTF-16\n")})
    (ground.worktree / "a.txt").write_bytes(b"no byte order mark")
    outcome = collect(ground)
    assert (outcome.code, outcome.found) == (4, None)
    assert outcome.status == "failed fatal: BOM is required in 'a.txt' if encoded as UTF-16"
