"""The collecting script against real git: every kind of edit, attributes, nested repositories."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.changes import changeset
from tests.sandbox.checkout import (
    BASE,
    Tree,
    as_paths,
    collect,
    collected,
    differences,
    emptied,
    git,
    pinned,
    prepare,
    tree_id,
    write,
)

# --- what an honest agent may leave ---------------------------------------------------------------


def test_no_change_is_an_empty_change_set(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    outcome = collect(ground)
    assert (outcome.status, outcome.found and outcome.found.changes) == ("ok 0 0", ())
    assert outcome.found is not None
    assert outcome.found.tree == ground.tree == tree_id(BASE)


def test_deleting_everything_leaves_the_empty_tree(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    shutil.rmtree(ground.worktree)
    ground.worktree.mkdir()
    found = collect(ground).found
    assert found is not None
    assert (found.tree, as_paths(found)) == (changeset.EMPTY_TREE, differences(BASE, {}))


def test_two_at_once_do_not_spoil_each_other(tmp_path: Path) -> None:
    """A bot that crashed while the script ran starts it once more, and the first goes on in the sandbox."""
    ground = prepare(tmp_path, BASE)
    (ground.worktree / "new").write_text("new\n")
    slow = tmp_path / "slow" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nif [ "$1" = write-tree ]; then sleep 1; fi\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    env = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with ThreadPoolExecutor() as pool:
        first = pool.submit(collected, ground, env=env)
        time.sleep(0.5)
        second = pool.submit(collected, ground, env=env)
        codes = (first.result()[0], second.result()[0])
    assert codes == (0, 0)
    found = collect(ground).found
    assert found is not None
    assert list(as_paths(found)) == [b"new"]


EDITS: dict[str, tuple[Tree, Tree]] = {
    "rename, copy and delete": (
        {b"a": ("100644", b"1"), b"b": ("100644", b"2")},
        {b"c/a": ("100644", b"1"), b"d": ("100644", b"1")},
    ),
    "binary": ({b"a": ("100644", b"\x00\x01")}, {b"a": ("100644", b"\x00\x02\xff" * 5000)}),
    "whitespace only": ({b"a": ("100644", b"x\n")}, {b"a": ("100644", b"x \n")}),
    "executable bit set": ({b"a": ("100644", b"x")}, {b"a": ("100755", b"x")}),
    "executable bit taken": ({b"a": ("100755", b"x")}, {b"a": ("100644", b"x")}),
    "empty file": ({}, {b"a": ("100644", b"")}),
    "symlink to a file outside": ({}, {b"l": ("120000", b"/etc/passwd")}),
    "symlink to nothing": ({}, {b"l": ("120000", b"no/such")}),
    "symlink retargeted": ({b"l": ("120000", b"a")}, {b"l": ("120000", b"b")}),
    "file becomes a symlink": ({b"a": ("100644", b"b")}, {b"a": ("120000", b"b")}),
    "folder becomes a symlink": (
        {b"d/a": ("100644", b"x"), b"e/a": ("100644", b"x")},
        {b"d": ("120000", b"e"), b"e/a": ("100644", b"x")},
    ),
    "file becomes a folder": ({b"a": ("100644", b"x")}, {b"a/b": ("100644", b"x")}),
    "folder becomes a file": ({b"a/b": ("100644", b"x")}, {b"a": ("100644", b"x")}),
    "names that only a terminal minds": (
        {b"-rf": ("100644", b"1"), b"--": ("100644", b"2")},
        {b"-rf": ("100644", b"3"), b"--all": ("100644", b"4"), b" ": ("100644", b""), b"*": ("100644", b"")},
    ),
    "newline, tab and quote in names": (
        {b"a\nb": ("100644", b"1")},
        {b"a\nb": ("100644", b"2"), b'\t"\\': ("100644", b""), b"\n": ("100644", b"x\n")},
    ),
    "not UTF-8": ({b"\xff": ("100644", b"1")}, {b"\xff": ("100755", b"1"), b"\xfe/\x80": ("100644", b"")}),
    "names that collide elsewhere": (
        {"é".encode(): ("100644", b"1")},
        {"é".encode(): ("100644", b"1"), b"e\xcc\x81": ("100644", b"2"), "É".encode(): ("100644", b"3")},
    ),
    "names that NTFS and HFS+ take for .git": (
        {},
        {
            b"git~1/config": ("100644", b""),
            ".g\u200cit/x".encode(): ("100644", b""),
            b".git ": ("100644", b""),
        },
    ),
    "line endings without attributes": (
        {b"a": ("100644", b"x\r\ny\n")},
        {b"a": ("100644", b"x\ny\r\n")},
    ),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_found_exactly(tmp_path: Path, before: Tree, after: Tree) -> None:
    ground = prepare(tmp_path, before)
    emptied(ground.worktree)
    write(ground.worktree, after)
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == differences(before, after)
    assert (found.tree, found.base_tree, found.left_out) == (tree_id(after), tree_id(before), ())


def test_files_the_repository_ignores_are_left_out(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {b".gitignore": ("100644", b"*.log\n"), b"kept.log": ("100644", b"1")})
    write(ground.worktree, {b"new.log": ("100644", b""), b"d/new.log": ("100644", b"")})
    (ground.worktree / "kept.log").write_bytes(b"2")  # tracked all the same
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"kept.log": ("100644", "100644", b"2")}


# --- attributes -----------------------------------------------------------------------------------


def test_content_is_stored_as_the_repositorys_attributes_ask(tmp_path: Path) -> None:
    ground = prepare(tmp_path, {b".gitattributes": ("100644", b"*.txt text eol=crlf\n*.id ident\n")})
    write(ground.worktree, {b"a.txt": ("100644", b"1\r\n"), b"a.id": ("100644", b"$Id: 123 $\n")})
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {b"a.id": (None, "100644", b"$Id$\n"), b"a.txt": (None, "100644", b"1\n")}


def test_a_file_nobody_touched_is_not_normalised(tmp_path: Path) -> None:
    """Blobs that do not match their attributes, which `git add` rewrites once it has to look at them."""
    before: Tree = {
        b"crlf.bat": ("100644", b"1\r\n2\r\n"),
        b"mixed.bat": ("100644", b"1\r\n2\n"),
        b"touched.bat": ("100644", b"1\r\n"),
        b"old.id": ("100644", b"$Id: 123 $\n"),
        b"made.sh": ("100644", b"#!/bin/sh\r\n"),
    }
    (tmp_path / "work").mkdir()
    write(tmp_path / "work", before)
    git(tmp_path / "work", "init", "-q", "-b", "main")
    git(tmp_path / "work", "add", "-A")
    write(tmp_path / "work", {b".gitattributes": ("100644", b"*.bat text eol=crlf\n*.sh text\n*.id ident\n")})
    git(tmp_path / "work", "add", ".gitattributes")
    ground = pinned(tmp_path)
    for name in before:
        (ground.worktree / name.decode()).unlink()
    ground.git("checkout", "-q", ".")  # as a fresh checkout writes them
    assert (ground.worktree / "mixed.bat").read_bytes() == b"1\r\n2\r\n"

    (ground.worktree / "touched.bat").write_bytes(b"1\r\nmore\r\n")
    (ground.worktree / "made.sh").chmod(0o755)
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == {
        b"touched.bat": ("100644", "100644", b"1\nmore\n"),
        b"made.sh": ("100644", "100755", b"#!/bin/sh\r\n"),
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.bin filter=lfs\n", b"*.bin filter=lfs\n"),
        (b"*.bin filter=lfs\n", b""),
        (b"", b"*.bin filter=lfs\n"),
    ],
    ids=["tracked", "taken out of LFS by the change", "put into LFS by the change"],
)
def test_files_of_git_lfs_are_marked(tmp_path: Path, before: bytes, after: bytes) -> None:
    files: Tree = {
        b"a.bin": ("100644", b"pointer"),
        b"d/b.bin": ("100644", b"pointer"),
        b"same.bin": ("100644", b"pointer"),
        b"x": ("100644", b""),
        b".gitattributes": ("100644", before),
    }
    ground = prepare(tmp_path, files)
    write(
        ground.worktree,
        {b".gitattributes": ("100644", after), b"a.bin": ("100644", b"1"), b"x": ("100644", b"2")},
    )
    (ground.worktree / "d/b.bin").unlink()
    found = collect(ground).found
    assert found is not None
    assert found.lfs == {"a.bin", "d/b.bin"}


# --- any tree at all ------------------------------------------------------------------------------

PIECES = [
    b"a",
    b"b",
    b"A",
    b"-",
    b" ",
    b"\n",
    b"\t",
    b'"',
    b"*",
    b"\\",
    b":",
    b".",
    b"\xff",
    b"\xc3\xa9",
    b"e\xcc\x81",
]
NAMES = (
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3)
    .map(b"".join)
    .filter(lambda name: name not in (b".", b".."))
)
FILES = st.tuples(st.sampled_from(["100644", "100755"]), st.binary(max_size=20) | st.just(b"\r\n"))
LINKS = st.tuples(st.just("120000"), NAMES)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    files: Tree = {}
    for path in draw(st.lists(st.lists(NAMES, min_size=1, max_size=3).map(b"/".join), max_size=12)):
        clash = any(path.startswith(other + b"/") or other.startswith(path + b"/") for other in files)
        if not clash:
            files[path] = draw(FILES | LINKS)
    return files


@settings(max_examples=40, deadline=None)
@given(trees(), trees(), st.booleans())
def test_the_difference_of_any_two_trees_comes_out_object_by_object(before: Tree, other: Tree, mix: bool) -> None:
    after = {**before, **other} if mix else other
    if mix:
        after = {p: f for p, f in after.items() if not any(o.startswith(p + b"/") for o in after)}
    with tempfile.TemporaryDirectory() as folder:
        ground = prepare(Path(folder), before)
        emptied(ground.worktree)
        write(ground.worktree, after)
        found = collect(ground).found
        assert found is not None
        assert as_paths(found) == differences(before, after)
        assert (found.tree, ground.tree) == (tree_id(after), tree_id(before))
