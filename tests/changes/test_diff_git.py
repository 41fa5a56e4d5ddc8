"""Git's own diffs, read line by line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.changes.diff import Diff, Hunk

LINES = st.lists(st.sampled_from(["a", "b", "-- a/x", "++ b/x", "@@ -1 +1 @@", "", "\r", "x\rdiff --git a/x b/x"]))
CONTENTS = st.tuples(LINES, st.booleans()).map(lambda drawn: "\n".join(drawn[0]) + "\n" * drawn[1])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["x", "a b", "é", 'q"\t\\', "a/b b/c"]), CONTENTS, CONTENTS)
def test_gits_diffs_are_read_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, before: str, after: str
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    for side, content in (("old", before), ("new", after)):
        path = folder / side / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content.encode())
    text = git_diff(folder)
    diff = Diff.parse(text)
    if before == after:
        assert diff.files == ()
        return
    (file,) = diff.files
    assert (file.path, file.old_path, file.status) == (name, name, "modified")
    rebuilt: list[str] = []
    old, at = as_lines(before), 0
    for hunk in file.hunks:
        begin = hunk.old.start - 1 if hunk.old else hunk.old.start
        assert [old[number - 1] for number in hunk.old] == marked(hunk, "- ")
        rebuilt += old[at:begin]
        added = marked(hunk, "+ ")
        assert len(added) == len(hunk.new)
        rebuilt += added
        at = begin + len(hunk.old)
    assert rebuilt + old[at:] == as_lines(after)


def marked(hunk: Hunk, marks: str) -> list[str]:
    return [line[1:] for line in hunk.lines if (line[:1] or " ") in marks]


def as_lines(content: str) -> list[str]:
    return content.removesuffix("\n").split("\n") if content else []


def git_diff(folder: Path) -> str:
    """The two sides as two trees of one repository, as GitHub compares them."""
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}

    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=folder, env=env, check=True, capture_output=True)
        return done.stdout.decode()

    git("init", "-q", "--bare", "git")
    trees = []
    for side in ("old", "new"):
        work = ["--git-dir=git", f"--work-tree={side}"]
        git(*work, "add", "-A")
        trees.append(git(*work, "write-tree").strip())
    return git("--git-dir=git", "diff-tree", "-p", "-M", *trees)
