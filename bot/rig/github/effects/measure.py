"""The commits and files of a pull request, and whether it can be merged."""

from __future__ import annotations

from bot.rig.github import diff
from bot.rig.github.diff import FileChange
from bot.rig.github.records import Pull


def changes(pull: Pull) -> tuple[tuple[str, ...], list[FileChange]]:
    """A pull request's commits and files."""
    comparison = diff.compare(pull.repository.bare, pull.base_sha, pull.head_sha)
    return comparison.ahead, comparison.files


def is_mergeable(pull: Pull) -> bool | None:
    """Whether the head can be merged into the current base branch; None: unknown."""
    tip = pull.repository.bare.branch(pull.base_ref) or pull.base_sha
    return diff.mergeable(pull.repository.bare, tip, pull.head_sha)
