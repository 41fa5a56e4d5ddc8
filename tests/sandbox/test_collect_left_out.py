"""Nothing is left out silently: what collect.sh does not publish it names. Against real git, on generated trees."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.changes import changeset
from bot.changes.changeset import ChangeSet
from bot.changes.left_out import TABLE, Rules, rules
from tests.sandbox.checkout import (
    BASE,
    CLEAN,
    Ground,
    Tree,
    as_paths,
    collect,
    differences,
    emptied,
    git,
    listed,
    prepare,
    tree_id,
    write,
)

LINES = tuple(line for group in TABLE for line in group.lines)


def published_and_named(ground: Ground, lines: tuple[str, ...] = LINES) -> tuple[ChangeSet, set[bytes], set[bytes]]:
    found = collect(ground, env={"AMPBOT_LEFT_OUT": "\n".join(lines)}).found
    assert found is not None
    return found, set(as_paths(found)), {os.fsencode(path) for path in found.ignored}


def covered(path: bytes, named: set[bytes]) -> bool:
    """Whether this path, or a folder above it, is among the named."""
    parts = path.split(b"/")
    return path in named or any(b"/".join(parts[:count]) + b"/" in named for count in range(1, len(parts)))


def test_a_folder_of_many_files_is_one_name(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    files: Tree = {b"web/node_modules/%d/index.js" % index: ("100644", b"x") for index in range(4000)}
    write(ground.worktree, {**files, b"new": ("100644", b"new\n"), b"web/.env": ("100644", b"KEY=1\n")})
    found, published, named = published_and_named(ground)
    assert (published, named) == ({b"new"}, {b"web/node_modules/", b"web/.env"})
    assert found.ignored_count == 2
    assert found.tree == tree_id({**BASE, b"new": ("100644", b"new\n")})


def test_what_the_base_tracks_is_published(tmp_path: Path) -> None:
    before: Tree = {b".env": ("100644", b"A=1\n"), b"x.pyc": ("100644", b"1"), b"gone.pyc": ("100644", b"1")}
    ground = prepare(tmp_path, before)
    after: Tree = {b".env": ("100644", b"A=2\n"), b"x.pyc": ("100755", b"1")}
    (ground.worktree / "gone.pyc").unlink()
    write(ground.worktree, after)
    found, _, named = published_and_named(ground)
    assert (as_paths(found), named) == (differences(before, after), set())


def test_a_gitignore_that_lets_a_file_through_is_named_all_the_same(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    write(ground.worktree, {b".gitignore": ("100644", b"!.env\n"), b".env": ("100644", b"KEY=1\n")})
    found, published, named = published_and_named(ground)
    assert (published, named) == ({b".gitignore"}, {b".env"})
    assert found.left_out == ()
    assert found.tree == tree_id({**BASE, b".gitignore": ("100644", b"!.env\n")})


def test_of_very_many_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    write(ground.worktree, {b"%04d.pyc" % index: ("100644", b"") for index in range(1500)})
    found, published, named = published_and_named(ground)
    assert (found.ignored_count, len(named), published) == (1500, 1000, set())


def test_a_repository_in_a_folder_that_is_left_out_is_no_reason_to_refuse(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    inner = ground.worktree / "node_modules" / "pad"
    inner.mkdir(parents=True)
    git(inner, "init", "-q")
    (inner / "x").touch()
    found, _, named = published_and_named(ground)
    assert (named, found.left_out) == ({b"node_modules/"}, ())


NAMES = st.sampled_from(
    [
        *(b"a", b"b.txt", b"c.o", b"keep.pyc", b"build", b"out", b".env", b".env.example", b".env.local", b"x.swp"),
        *(b"node_modules", b"__pycache__", b".venv", b".DS_Store", b".vscode", b"weird\n\xff", b"- *"),
    ]
)
IGNORES = st.lists(
    st.sampled_from(
        ["*.o", "build/", "out", "/a", "!keep.pyc", "!.env", "*", "!*/", "!.gitignore", "node_modules", "!.venv/", "b*"]
    ),
    max_size=4,
).map(lambda lines: "\n".join(lines).encode() + b"\n")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    files: Tree = {}
    for path in draw(st.lists(st.lists(NAMES, min_size=1, max_size=3).map(b"/".join), max_size=14)):
        if not any(path.startswith(other + b"/") or other.startswith(path + b"/") for other in files):
            files[path] = ("100644", draw(st.sampled_from([b"1", b"2"])))
    for folder in draw(st.lists(st.sampled_from([b"", b"a/", b"build/", b"out/"]), max_size=2)):
        if folder.removesuffix(b"/") not in files:
            files[folder + b".gitignore"] = ("100644", draw(IGNORES))
    return files


@settings(max_examples=60, deadline=None)
@given(trees(), trees())
@example({}, {b".gitignore": ("100644", b"*\n"), b"a": ("100644", b"1")})
@example({b".env": ("100644", b"1"), b".env.local/a/a": ("100644", b"1")}, {b".env.local/a": ("100644", b"1")})
def test_published_and_named_are_all_that_git_status_shows(before: Tree, more: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ground = prepare(Path(folder), before)
        emptied(ground.worktree)
        write(ground.worktree, _without_clashes(more, before))
        held = rules((), "", [os.fsdecode(path) for path in before])
        found, published, named = published_and_named(ground, held.lines)
        changed = set(differences(before, listed(ground.worktree)))
        assert {path for path in changed if path not in published and not covered(path, named)} == set()
        there = listed(ground.worktree)  # a file may be left out where a folder of the base was deleted
        assert {path for path in published if path in there and covered(path, named)} == set()
        assert published <= changed
        for path in _status(ground):
            below = {each for each in changed if each == path or (path.endswith(b"/") and each.startswith(path))}
            assert all(each in published or covered(each, named) for each in below or {path})
        assert {each for each in named if not any(path == each or path.startswith(each) for path in changed)} == set()
        assert _violations(found, held) == [], "what the script publishes, the host lets through"


def _violations(found: ChangeSet, held: Rules) -> list[str]:
    return [each.reason for each in changeset.check(found, left_out=held) if "is left out" in each.reason]


def _without_clashes(more: Tree, before: Tree) -> Tree:
    """Half of the base is left as it was, half is deleted."""
    stays = dict(sorted(before.items())[::2])
    return {
        **more,
        **{
            path: file
            for path, file in stays.items()
            if path not in more and not any(path.startswith(o + b"/") or o.startswith(path + b"/") for o in more)
        },
    }


def _status(ground: Ground) -> list[bytes]:
    """Paths that `git status --ignored` shows in the agent's own checkout."""
    command = ["git", "-c", "status.renames=false", "status", "--porcelain", "-z", "--ignored", "-unormal"]
    shown = subprocess.run(command, cwd=ground.worktree, env=CLEAN, capture_output=True, check=True).stdout
    return [entry[3:] for entry in shown.split(b"\0")[:-1]]


PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
LINE = st.sampled_from([*LINES, "*.o", "!a", "out/", "*", "b*", "!*.pyc", "**", "w*d*", "!build/", "*~*"])


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, max_size=8), st.lists(PATHS, min_size=1, max_size=20))
def test_the_host_reads_the_lines_as_git_does(lines: list[str], paths: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        git(Path(folder), "init", "-q")
        (Path(folder) / ".git/info/exclude").write_text("\n".join(lines) + "\n")
        command = ["git", "check-ignore", "-z", "--stdin", "--no-index"]
        shown = subprocess.run(command, cwd=folder, env=CLEAN, input=b"\0".join(paths) + b"\0", capture_output=True)
        ignored = set(shown.stdout.split(b"\0")[:-1])
        held = Rules(tuple(lines))
        assert {path for path in paths if held.match(os.fsdecode(path)) is not None} == ignored
