"""Merging a pull request."""

from __future__ import annotations

from bot.rig.github.effects import refs
from bot.rig.github.effects.issues import refuse_archived
from bot.rig.github.git import GitError
from bot.rig.github.records import Actor, Pull
from bot.rig.github.refusal import Refusal
from bot.rig.github.state import State


def merge(state: State, pull: Pull, actor: Actor) -> str:
    """Merge with a merge commit and return it. Raises Refusal (405) if it cannot be merged."""
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
    made = bare.write_commit(tree, [tip, pull.head_sha], message, by, by)
    bare.set_ref(ref, made, tip)
    refs.ref_moved(state, repo, actor, ref, tip, made)
    return made
