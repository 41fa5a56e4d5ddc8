"""The merge of the base branch that Amp left: whether it is one, and what it brings. That is not Amp's work.

GitHub says both. A file of the change set that is byte for byte as in the merged commit is the base branch's own, so
the rules for what Amp may change are not for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from bot.changes.changeset import Change, ChangeSet
from bot.context import Context
from bot.github.errors import NotFoundError, UnprocessableError
from bot.github.records import TreeEntry, TreeFile
from bot.github.repository import Repository
from bot.model import PinnedBase
from bot.run.reading import MERGE, off_loop
from bot.store import runs
from bot.store.runs import Run

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge of the base branch, as GitHub confirms it."""

    commit: str  # the second parent
    theirs: frozenset[str] = frozenset()  # paths of the change set that are as in that commit
    # The tree of that commit, and what makes it that of the merge, without the other paths of the change set. None: the
    # tree is too large for GitHub to list it.
    tree: str | None = None
    rest: tuple[TreeEntry, ...] = ()

    @property
    def brings_workflows(self) -> bool:
        """Whether it brings workflow files, which GitHub may refuse from an App that may not change them."""
        return any(path.startswith(".github/workflows/") for path in self.theirs)


def about_workflows(message: str) -> bool:
    """Whether GitHub's refusal may be about workflow files. Of a ref it only says that the App may not.

    https://docs.github.com/en/rest/git/refs#create-a-reference
    """
    return re.search("workflow|not accessible by integration", message, re.IGNORECASE) is not None


async def find(context: Context, run: Run, pinned: PinnedBase, change_set: ChangeSet) -> Merge | None:
    """The merge that the run has to publish; None if there is none. Raises: GitHubError."""
    said = await context.database.read(runs.load_artifact, run.id, MERGE)
    if said is None or pinned.base_tip is None:
        return None
    repo, commit = run.request.issue.repo, said.decode()
    repository = await context.github.conversation(repo, pinned.repo_name)
    if not await _is_of_base(repository, commit, pinned):
        # The repository may have been renamed, and another one may have its former name.
        name = await context.github.current_name(repo)
        renamed = name is not None and name.lower() != pinned.repo_name.lower()
        repository = await context.github.conversation(repo, name) if renamed else repository
        if not renamed or not await _is_of_base(repository, commit, pinned):
            log.warning("no merge of the base", run=run.id, merged=commit)
            return None
    return await _compare(repository, Merge(commit), pinned, change_set) if change_set.changes else Merge(commit)


async def _is_of_base(repository: Repository, commit: str, pinned: PinnedBase) -> bool:
    """Whether the base branch, as it was fetched, has the commit, and the pull request has not.

    That GitHub has a commit proves nothing: it serves those of every fork.
    """
    tip = pinned.base_tip or ""
    try:
        of_base = commit == tip or await repository.merge_base(commit, tip) == commit
        return of_base and await repository.merge_base(commit, pinned.base_sha) != commit
    except (NotFoundError, UnprocessableError):  # no such commit, or no common ancestor
        return False


async def _compare(repository: Repository, merge: Merge, pinned: PinnedBase, change_set: ChangeSet) -> Merge:
    tree = (await repository.commit(merge.commit)).tree
    theirs = await repository.files(tree)
    ours = await repository.files(change_set.base_tree)
    if theirs is None or ours is None:
        return merge
    gone = any(change.status == "deleted" and change.path not in theirs for change in change_set.changes)
    common = await _common(repository, merge, pinned) if gone else {}
    same = await off_loop(same_as, change_set.changes, theirs, common)
    rest = await off_loop(entries, change_set.changes, ours, theirs)
    return replace(merge, theirs=same, tree=tree, rest=rest)


async def _common(repository: Repository, merge: Merge, pinned: PinnedBase) -> Mapping[str, TreeFile]:
    """The files of the common ancestor; none if GitHub does not list them."""
    ancestor = await repository.merge_base(merge.commit, pinned.base_sha)
    return await repository.files((await repository.commit(ancestor)).tree) or {}


def same_as(
    changes: tuple[Change, ...], theirs: Mapping[str, TreeFile], common: Mapping[str, TreeFile]
) -> frozenset[str]:
    """The paths at which the change set is as the merged commit. A deletion is only if that deleted it, too.

    `common`: the files of the common ancestor.
    """
    return frozenset(
        change.path
        for change in changes
        if (
            change.path not in theirs and change.path in common
            if change.status == "deleted"
            else theirs.get(change.path) == TreeFile(change.mode, change.blob)
        )
    )


def entries(
    changes: tuple[Change, ...], ours: Mapping[str, TreeFile], theirs: Mapping[str, TreeFile]
) -> tuple[TreeEntry, ...]:
    """What makes the merged commit's tree that of the merge: what `changes` leaves as it is, and what it deletes."""
    changed = {change.path: change for change in changes}
    kept = [
        TreeEntry(path, file.mode, blob=file.id)
        for path, file in ours.items()
        if path not in changed and theirs.get(path) != file
    ]
    gone = [
        TreeEntry(path, file.mode)
        for path, file in theirs.items()
        if (changed[path].status == "deleted" if path in changed else path not in ours)
    ]
    return (*kept, *gone)
