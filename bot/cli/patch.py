"""A change set as a patch. git makes it in a clone that has the base tree, and writes nothing there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from bot.changes.changeset import ABSENT, ChangeSet
from bot.model import Problem


def make_patch(repo: Path, changes: ChangeSet) -> bytes | Problem:
    """The patch from the base to the change set, for `git apply`; with binary contents."""
    with tempfile.TemporaryDirectory(prefix="ampbot-patch-") as folder:
        try:
            return _diff(repo, changes, Path(folder))
        except FileNotFoundError:
            return Problem("A patch needs git, and there is none here.")
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode("utf-8", "replace").strip().splitlines()
            return Problem(
                f"git cannot make the patch in {repo}: {reason[-1] if reason else 'it does not say why'}. "
                f"The clone needs the base's tree, {changes.base_tree}."
            )


def _diff(repo: Path, changes: ChangeSet, folder: Path) -> bytes:
    """Raises: subprocess.CalledProcessError."""
    objects = Path(_git(repo, {}, "rev-parse", "--git-path", "objects").decode().strip())
    environment = {
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((repo / objects).resolve()),
    }
    (folder / "objects").mkdir()
    _git(repo, environment, "read-tree", changes.base_tree)
    entries = bytearray()
    for change in changes.changes:
        if change.content is not None:
            _git(repo, environment, "hash-object", "-w", "--no-filters", "--stdin", stdin=change.content)
        path = change.path.encode("utf-8", "surrogateescape")
        entries += f"{0 if change.mode == ABSENT else change.mode} {change.blob}\t".encode() + path + b"\0"
    # Deletions first: a file may replace a folder.
    ordered = sorted(entries.split(b"\0")[:-1], key=lambda entry: not entry.startswith(b"0 "))
    _git(repo, environment, "update-index", "-z", "--index-info", stdin=b"".join(entry + b"\0" for entry in ordered))
    shown = ["--cached", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/"]
    shown += ["--no-ext-diff", "--no-textconv", "--no-color", "--no-renames"]
    return _git(repo, environment, "diff", *shown, changes.base_tree)


def _git(repo: Path, environment: dict[str, str], *arguments: str, stdin: bytes = b"") -> bytes:
    completed = subprocess.run(  # noqa: S603 - git, with arguments of ours
        ["git", "-C", str(repo), *arguments],  # noqa: S607 - the git on PATH
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        check=True,
    )
    return completed.stdout
