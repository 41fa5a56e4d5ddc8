"""Merging pull requests and branches."""

from __future__ import annotations

from bot.rig.github.effects import pulls, refs
from bot.rig.github.effects.issues import refuse_archived
from bot.rig.github.git import GitError
from bot.rig.github.records import Actor, Pull, Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.state import State

_WORKFLOWS = ".github/workflows"


def merge(state: State, pull: Pull, actor: Actor, *, squash: bool = False) -> str:
    """Merge with a merge commit, or squash, and return the new commit. Raises Refusal (405) if it cannot be merged."""
    repo, bare = pull.repository, pull.repository.bare
    refuse_archived(repo)
    ref = f"refs/heads/{pull.base_ref}"
    tip = bare.ref(ref)
    if tip is None or pull.issue.state != "open" or pull.draft:
        raise Refusal(405, "Pull Request is not mergeable")
    try:
        tree = bare.run("merge-tree", "--write-tree", tip, pull.head_sha).decode().split("\n")[0]
    except GitError:
        raise Refusal(405, "Pull Request is not mergeable") from None
    by = state.signature(actor.account)
    message = f"Merge pull request #{pull.number} from {pull.head_ref}\n\n{pull.issue.title}"
    made = bare.write_commit(tree, [tip] if squash else [tip, pull.head_sha], message, by, by)
    bare.set_ref(ref, made, tip)
    refs.ref_moved(state, repo, actor, ref, tip, made)
    if squash:  # the base does not contain the head
        pulls.merged(state, pull, actor, made)
    return made


def merge_branch(
    state: State, repo: Repository, actor: Actor, base: str, head: str, message: str | None, *, workflows: bool
) -> str | None:
    """Merge a branch or commit into the branch `base`. Return the merge commit; None if there is nothing to merge.

    `workflows`: whether the caller may change workflows. Raises Refusal: 403, 404 if one of them does not exist, 409 if
    they conflict.
    """
    refuse_archived(repo)
    bare, ref = repo.bare, f"refs/heads/{base}"
    tip, other = bare.ref(ref), bare.branch(head) or bare.resolve(f"{head}^{{commit}}")
    if tip is None:
        raise Refusal(404, "Base does not exist")
    if other is None:
        raise Refusal(404, "Head does not exist")
    if bare.is_ancestor(other, tip):
        return None
    try:
        tree = bare.run("merge-tree", "--write-tree", tip, other).decode().split("\n")[0]
    except GitError:
        raise Refusal(409, "Merge conflict") from None
    if not workflows and bare.resolve(f"{tree}:{_WORKFLOWS}") != bare.resolve(f"{tip}:{_WORKFLOWS}"):
        what = "create or update workflow without `workflows` permission"
        raise Refusal(403, f"refusing to allow a GitHub App to {what}")
    refs.check_rules(repo, ref, "update")
    by = state.signature(actor.account)
    made = bare.write_commit(tree, [tip, other], message or f"Merge {head} into {base}", by, by)
    if actor.app is not None:
        repo.verified.add(made)
    bare.set_ref(ref, made, tip)
    refs.ref_moved(state, repo, actor, ref, tip, made)
    return made
