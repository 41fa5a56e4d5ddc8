"""An agent that tampers with git: the script finds the same change, and nothing that was planted runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sandbox.checkout import BASE, Ground, Outcome, as_paths, collect, differences, listed, prepare, tree_id


def work(ground: Ground) -> None:
    """An honest piece of work: one file of each kind of change."""
    (ground.worktree / "changed").write_bytes(b"two\n")
    (ground.worktree / "folder/gone").unlink()
    (ground.worktree / "new").write_bytes(b"\x00\xffbinary\r\n")


def found_all_of(ground: Ground, outcome: Outcome) -> None:
    after = listed(ground.worktree)
    assert outcome.found is not None, outcome.status
    assert as_paths(outcome.found) == differences(BASE, after)
    assert outcome.found.tree == tree_id(after)
    assert outcome.status == f"ok 3 {outcome.found.total_bytes}"
    assert outcome.found.left_out == ()
    assert not ground.canary.exists()


def evil(ground: Ground) -> str:
    """A program that leaves a trace when anything runs it."""
    script = ground.root / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {ground.canary}\ncat\n")
    script.chmod(0o755)
    return str(script)


def commits_and_moves_head(ground: Ground) -> None:
    ground.git("checkout", "-q", "-b", "elsewhere")
    ground.git("add", "-A")
    ground.git("commit", "-q", "-m", "hidden")


def orphans_the_branch(ground: Ground) -> None:
    ground.git("checkout", "-q", "--orphan", "nothing")
    ground.git("rm", "-rqf", "--cached", ".")


def head_is_nonsense(ground: Ground) -> None:
    (ground.worktree / ".git/HEAD").write_text("ref: ../../etc/passwd\n")


def index_is_gone(ground: Ground) -> None:
    (ground.worktree / ".git/index").unlink()


def index_is_nonsense(ground: Ground) -> None:
    (ground.worktree / ".git/index").write_bytes(b"DIRC" + b"\xff" * 100)


def index_is_locked(ground: Ground) -> None:
    (ground.worktree / ".git/index.lock").touch()


def bits_hide_changes(ground: Ground) -> None:
    ground.git("update-index", "--assume-unchanged", "changed", "kept")
    ground.git("update-index", "--skip-worktree", "folder/tool.sh")
    (ground.worktree / "changed").write_bytes(b"three\n")


def excludes_hide_files(ground: Ground) -> None:
    (ground.worktree / ".git/info").mkdir(exist_ok=True)
    (ground.worktree / ".git/info/exclude").write_text("*\n")
    (ground.root / "home/.config/git").mkdir(parents=True)
    (ground.root / "home/.config/git/ignore").write_text("*\n")
    ground.git("config", "core.excludesFile", str(ground.root / "home/.config/git/ignore"))


def attributes_name_a_filter(ground: Ground) -> None:
    (ground.worktree / ".git/info").mkdir(exist_ok=True)
    (ground.worktree / ".git/info/attributes").write_text("* filter=evil text ident diff=evil merge=evil\n")
    for key in ("clean", "smudge", "process"):
        ground.git("config", f"filter.evil.{key}", evil(ground))
    ground.git("config", "filter.evil.required", "true")
    ground.git("config", "diff.evil.textconv", evil(ground))


def hooks_are_set(ground: Ground) -> None:
    hooks = ground.worktree / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "pre-commit", "fsmonitor-watchman"):
        shutil.copy(evil(ground), hooks / name)


def hooks_path_is_set(ground: Ground) -> None:
    hooks_are_set(ground)
    ground.git("config", "core.hooksPath", str(ground.worktree / ".git/hooks"))


def fsmonitor_is_set(ground: Ground) -> None:
    ground.git("config", "core.fsmonitor", evil(ground))


def home_is_hostile(ground: Ground) -> None:
    config = f"[core]\n\tfsmonitor = {evil(ground)}\n\thooksPath = {ground.root}\n\tautocrlf = true\n"
    (ground.root / "home/.gitconfig").write_text(config)
    (ground.root / "home/.config/git").mkdir(parents=True)
    (ground.root / "home/.config/git/config").write_text(config)
    (ground.root / "home/.config/git/attributes").write_text("* text=auto eol=crlf\n")


def worktree_points_elsewhere(ground: Ground) -> None:
    (ground.root / "elsewhere").mkdir()
    ground.git("config", "core.worktree", str(ground.root / "elsewhere"))


def config_is_nonsense(ground: Ground) -> None:
    (ground.worktree / ".git/config").write_text("[core\nrepositoryformatversion = 99\n")


def config_is_that_of_another_world(ground: Ground) -> None:
    for key, value in {
        "core.bare": "true",
        "core.fileMode": "false",
        "core.symlinks": "false",
        "core.ignoreCase": "true",
        "core.autocrlf": "true",
        "core.sparseCheckout": "true",
        "include.path": "/dev/zero-is-not-read",
    }.items():
        ground.git("config", key, value)


def history_is_grafted(ground: Ground) -> None:
    ground.git("checkout", "-q", "--orphan", "other")
    ground.git("commit", "-q", "--allow-empty", "-m", "other")
    ground.git("replace", "main", "other")
    (ground.worktree / ".git/info").mkdir(exist_ok=True)
    (ground.worktree / ".git/info/grafts").write_text(ground.git("rev-parse", "other") + "\n")


def objects_are_gone(ground: Ground) -> None:
    shutil.rmtree(ground.worktree / ".git/objects")


def git_is_gone(ground: Ground) -> None:
    shutil.rmtree(ground.worktree / ".git")


def git_is_a_file(ground: Ground) -> None:
    shutil.rmtree(ground.worktree / ".git")
    (ground.worktree / ".git").write_text("gitdir: /nowhere\n")


def git_is_a_link(ground: Ground) -> None:
    shutil.move(ground.worktree / ".git", ground.root / "moved.git")
    (ground.worktree / ".git").symlink_to(ground.root / "moved.git")


def git_is_a_socketlike_thing(ground: Ground) -> None:
    shutil.rmtree(ground.worktree / ".git")
    os.mkfifo(ground.worktree / ".git")


TAMPERING: tuple[Callable[[Ground], None], ...] = (
    commits_and_moves_head,
    orphans_the_branch,
    head_is_nonsense,
    index_is_gone,
    index_is_nonsense,
    index_is_locked,
    bits_hide_changes,
    excludes_hide_files,
    attributes_name_a_filter,
    hooks_are_set,
    hooks_path_is_set,
    fsmonitor_is_set,
    home_is_hostile,
    worktree_points_elsewhere,
    config_is_nonsense,
    config_is_that_of_another_world,
    history_is_grafted,
    objects_are_gone,
    git_is_gone,
    git_is_a_file,
    git_is_a_link,
    git_is_a_socketlike_thing,
)


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: tamper.__name__)
def test_the_change_is_found_whatever_the_agent_did_to_git(tmp_path: Path, tamper: Callable[[Ground], None]) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    tamper(ground)
    found_all_of(ground, collect(ground))


@pytest.mark.parametrize(
    "tamper",
    [attributes_name_a_filter, hooks_are_set, hooks_path_is_set, fsmonitor_is_set, home_is_hostile],
    ids=lambda tamper: tamper.__name__,
)
def test_what_was_planted_would_run_if_git_were_used_in_the_checkout(
    tmp_path: Path, tamper: Callable[[Ground], None]
) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    tamper(ground)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "add", "-A"], cwd=ground.worktree, env=env, capture_output=True)
    assert ground.canary.exists()


def test_the_change_is_found_whatever_the_environment_says(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    (tmp_path / "elsewhere").mkdir()
    program = evil(ground)
    hostile = {
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path / "elsewhere"),
        "GIT_INDEX_FILE": str(tmp_path / "elsewhere/index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "elsewhere"),
        "GIT_NAMESPACE": "x",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_EXTERNAL_DIFF": program,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": program,
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{program}'",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_TRACE": "1",
        "TAR_OPTIONS": f"--checkpoint-action=exec={program} --checkpoint=1",
        "POSIXLY_CORRECT": "1",
        "GZIP": "-9",
        "CDPATH": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    found_all_of(ground, collect(ground, env=hostile))


def test_collecting_touches_nothing_but_its_own_folder(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    before = listed(tmp_path)
    assert collect(ground).code == 0
    assert {path: file for path, file in listed(tmp_path).items() if not path.startswith(b"out/")} == before


def test_collecting_twice_gives_the_same_change_set(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE)
    work(ground)
    first, second = collect(ground), collect(ground)
    assert first == second
    assert first.found is not None


def test_a_filter_in_the_repositorys_attributes_does_not_run(tmp_path: Path) -> None:
    ground = prepare(tmp_path, BASE | {b".gitattributes": ("100644", b"* filter=evil\n")})
    for key in ("clean", "process"):
        ground.git("config", f"filter.evil.{key}", evil(ground))
        ground.git("config", "-f", str(tmp_path / "home/.gitconfig"), f"filter.evil.{key}", evil(ground))
    work(ground)
    found = collect(ground).found
    assert found is not None
    assert as_paths(found) == differences(BASE, {k: v for k, v in listed(ground.worktree).items() if k[:1] != b"."})
    assert not ground.canary.exists()
