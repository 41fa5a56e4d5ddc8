"""Refs: creating, moving and deleting them, and the effects of moving a branch."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from bot.rig.github.effects import pulls
from bot.rig.github.effects.emit import emit
from bot.rig.github.effects.issues import refuse_archived
from bot.rig.github.git import EMPTY_TREE, OID, ZERO, Bare, GitError
from bot.rig.github.lag import Made
from bot.rig.github.records import Actor, Repository, Rule
from bot.rig.github.refusal import Refusal
from bot.rig.github.shapes import Json
from bot.rig.github.shapes.repositories import html_url
from bot.rig.github.state import State

WORKFLOWS = ".github/workflows"


def create_ref(state: State, repo: Repository, actor: Actor, name: str, sha: str, *, workflows: bool = True) -> None:
    """`workflows`: here and below, whether the caller may change workflows."""
    refuse_archived(repo)
    if not name.startswith("refs/") or name.count("/") < 2 or not repo.bare.is_ref_name(name):
        raise Refusal.unprocessable(f"{name} is not a valid ref name.")
    if name.startswith("refs/pull/"):
        raise Refusal.unprocessable("Reference name is reserved")
    if repo.bare.ref(name) is not None:
        raise Refusal.unprocessable("Reference already exists")
    _check_target(state, repo, name, sha)
    check_rules(repo, name, "create")
    if not workflows and changed_workflow(state, repo, sha) is not None:
        raise Refusal.forbidden()  # https://docs.github.com/en/rest/git/refs#create-a-reference
    _move(repo, name, sha, ZERO)
    state.lag.add(Made.BRANCH, f"{repo.id} {name}")
    ref_moved(state, repo, actor, name, None, sha)


def update_ref(
    state: State, repo: Repository, actor: Actor, name: str, sha: str, *, force: bool, workflows: bool = True
) -> None:
    refuse_archived(repo)
    before = repo.bare.ref(name)
    if before is None:
        raise Refusal.unprocessable("Reference does not exist")
    if name.startswith("refs/pull/"):
        raise Refusal.unprocessable("Reference cannot be updated")
    _check_target(state, repo, name, sha)
    forced = not repo.bare.is_ancestor(before, sha)
    if forced and not force:
        raise Refusal.unprocessable("Update is not a fast forward")
    check_rules(repo, name, "force" if forced else "update")
    if not workflows and changed_workflow(state, repo, sha) is not None:
        raise Refusal.forbidden()
    if before != sha:
        _move(repo, name, sha, before)
        ref_moved(state, repo, actor, name, before, sha, forced=forced)


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One update of GraphQL's `updateRefs`. `before` ZERO: there must be no such ref. `after` ZERO: delete it."""

    name: str
    before: str | None  # None: wherever it points
    after: str
    force: bool = False


def update_refs(
    state: State, repo: Repository, actor: Actor, updates: Sequence[RefUpdate], *, workflows: bool = True
) -> None:
    """All of the updates or, with a Refusal, none. GitHub documents no message for a `before` that is not met.

    https://docs.github.com/en/graphql/reference/mutations#updaterefs
    """
    refuse_archived(repo)
    for update in updates:
        now = repo.bare.ref(update.name)
        if update.before is not None and update.before != (now or ZERO):
            raise Refusal.unprocessable(f"{update.name} is at {now or ZERO} but expected {update.before}")
        _check_update(state, repo, update, now)
        file = None if workflows or update.after == ZERO else changed_workflow(state, repo, update.after)
        if file is not None:
            what = f"create or update workflow `{file}` without `workflows` permission"
            raise Refusal.unprocessable(f"refusing to allow a GitHub App to {what}")
    for update in updates:
        now = repo.bare.ref(update.name)
        if update.after == ZERO:
            delete_ref(state, repo, actor, update.name)
        elif now is None:
            create_ref(state, repo, actor, update.name, update.after)
        else:
            update_ref(state, repo, actor, update.name, update.after, force=update.force)


def _check_update(state: State, repo: Repository, update: RefUpdate, now: str | None) -> None:
    if update.after == ZERO:
        check_rules(repo, update.name, "delete")
        return
    _check_target(state, repo, update.name, update.after)
    if now is None:
        check_rules(repo, update.name, "create")
        return
    forced = not repo.bare.is_ancestor(now, update.after)
    if forced and not update.force:
        raise Refusal.unprocessable("Update is not a fast forward")
    check_rules(repo, update.name, "force" if forced else "update")


def delete_ref(state: State, repo: Repository, actor: Actor, name: str) -> None:
    refuse_archived(repo)
    before = repo.bare.ref(name)
    if before is None or name.startswith("refs/pull/"):
        raise Refusal.unprocessable("Reference does not exist")
    if name == f"refs/heads/{repo.default_branch}":
        raise Refusal.unprocessable("Cannot delete the default branch")
    check_rules(repo, name, "delete")
    repo.bare.delete_ref(name)
    ref_moved(state, repo, actor, name, before, None)


def changed_workflow(state: State, repo: Repository, sha: str) -> str | None:
    """A workflow file that a commit new to the repository changes; None if there is none.

    Against its first parent, so a merge changes what it brings. That is the stricter of what is reported:
    https://github.com/chdsbd/kodiak/issues/853. With `workflows_of_branches`, what a branch has is no change.
    """
    bare = repo.bare
    if bare.kind(sha) != "commit":
        return None
    for oid in bare.run("rev-list", sha, "--not", "--all").decode().split():
        parents = bare.commit(oid).parents
        if state.settings.workflows_of_branches and any(
            _workflows(bare, parent) == _workflows(bare, oid) for parent in parents
        ):
            continue
        before = parents[0] if parents else EMPTY_TREE
        changed = bare.run("diff", "--name-only", "--no-renames", before, oid, "--", WORKFLOWS).decode().split("\n")
        if changed[0]:
            return changed[0]
    return None


def _workflows(bare: Bare, commit: str) -> str | None:
    return bare.resolve(f"{commit}:{WORKFLOWS}")


def check_rules(repo: Repository, name: str, action: str) -> None:
    """Raises Refusal with a ruleset's message: https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets"""
    rule = refusing_rule(repo, name, action)
    if rule is not None:
        raise Refusal.unprocessable(f"Repository rule violations found\n\n{rule.why}\n\n")


def refusing_rule(repo: Repository, name: str, action: str) -> Rule | None:
    """The first rule against `action`: create, update, delete or force (which is an update too)."""
    for rule in repo.rules:
        refused = getattr(rule, action) or (action == "force" and rule.update)
        if refused and fnmatch.fnmatchcase(name, rule.pattern):
            return rule
    return None


def ref_moved(
    state: State,
    repo: Repository,
    actor: Actor,
    name: str,
    before: str | None,
    after: str | None,
    *,
    forced: bool = False,
) -> None:
    """After any change of a ref: send the `push` event and update pull requests."""
    repo.pushed_at = state.now()
    if after is not None and name.startswith("refs/heads/") and repo.bare.branch(repo.default_branch) is None:
        repo.default_branch = name.removeprefix("refs/heads/")  # the first branch of an empty repository
        repo.bare.set_head(repo.default_branch)
    emit(state, repo, "push", actor, _push(state, repo, actor, name, before, after, forced=forced))
    if name.startswith("refs/heads/"):
        pulls.branch_moved(state, repo, actor, name.removeprefix("refs/heads/"), before, after)


def _check_target(state: State, repo: Repository, name: str, sha: str) -> None:
    kind = repo.bare.kind(sha) if OID.fullmatch(sha) else None
    if kind is None or state.lag.hides(Made.COMMIT, sha):
        raise Refusal.unprocessable("Object does not exist")
    if name.startswith("refs/heads/") and kind != "commit":
        raise Refusal.unprocessable("Object is not a commit")


def _move(repo: Repository, name: str, new: str, old: str) -> None:
    try:
        repo.bare.set_ref(name, new, old)
    except GitError:  # such as `a` beside `a/b`
        raise Refusal.unprocessable("Reference update failed") from None


def _push(
    state: State,
    repo: Repository,
    actor: Actor,
    name: str,
    before: str | None,
    after: str | None,
    *,
    forced: bool,
) -> Json:
    html = html_url(state.url, repo)
    new = repo.bare.log(f"{before}..{after}", "--max-count=20") if before and after else []
    commits = [_push_commit(state, repo, oid) for oid in new]
    head = _push_commit(state, repo, after) if after and repo.bare.kind(after) == "commit" else None
    pusher = {"name": actor.account.login, "email": f"{actor.account.login}@users.noreply.example.com"}
    return {
        "ref": name,
        "before": before or ZERO,
        "after": after or ZERO,
        "created": before is None,
        "deleted": after is None,
        "forced": forced,
        "base_ref": None,
        "compare": f"{html}/compare/{(before or ZERO)[:12]}...{(after or ZERO)[:12]}",
        "commits": commits,
        "head_commit": head,
        "pusher": pusher,
    }


def _push_commit(state: State, repo: Repository, oid: str) -> Json:
    commit = repo.bare.commit(oid)
    author = {"name": commit.author.name, "email": commit.author.email, "date": commit.author.date}
    return {
        "id": oid,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.author.date,
        "url": f"{html_url(state.url, repo)}/commit/{oid}",
        "author": author,
        "committer": author,
        "added": [],
        "removed": [],
        "modified": [],
    }
