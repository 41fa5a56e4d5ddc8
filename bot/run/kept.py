"""The stage of a retry that takes over the change set which an earlier run could not publish. It starts no agent.

What is taken over is published as if Amp had just made it: bot/run/publish.py looks at GitHub, asks for the
permission of whoever retries, and decides where it goes.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.changes.changeset import ChangeSet
from bot.changes.paths import folded
from bot.context import Context
from bot.github.errors import NotFoundError
from bot.github.repository import Repository
from bot.model import Ending, PinnedBase, Problem, RunState
from bot.run.plan_publication import apart
from bot.run.prepare import resolve_base
from bot.run.reading import read_changes
from bot.store import kept, runs
from bot.store.runs import Run
from bot.text.kept_messages import Anew

log = structlog.get_logger()


def taken(run: Run) -> bool:
    """Whether the run has taken over a change set: there is nothing for Amp to do."""
    return run.outcome is not None and run.outcome.kept_from is not None


async def take_kept(context: Context, run: Run) -> Ending | None:
    """Take over the change set that this run has to publish; if it no longer applies, say so, and Amp works again."""
    if run.request.kept_from is None or taken(run):
        return None
    if await context.database.read(kept.why_anew, run.id) is not None:
        return None
    if not await context.database.write(runs.set_state, run.id, RunState.PREPARING):
        return None
    old = await context.database.read(kept.find, run.request.kept_from)
    if old is None or old.pinned is None:
        await _anew(context, run, Anew.GONE)
        return None
    change_set = await read_changes(context, old.id, old.pinned.measured or old.pinned.base_tree)
    if isinstance(change_set, Problem):
        await _anew(context, run, Anew.GONE)
        return None
    repository = await context.github.conversation(run.request.issue.repo)
    base = await resolve_base(context, run, repository)
    if isinstance(base, Ending):
        return base
    present, _ = base
    repository = await context.github.conversation(run.request.issue.repo, present.repo_name)
    if await _is_started(repository, old, present):
        pinned: PinnedBase | None = replace(old.pinned, repo_name=present.repo_name)
        started = True
    else:
        pinned = await _applicable(repository, old.pinned, present, change_set)
        started = False
    if pinned is None:
        await _anew(context, run, Anew.CHANGED)
        return None
    await context.database.write(kept.take, run.id, old, pinned, started=started)
    log.info("kept change set taken", run=run.id, kept_from=old.id, moved=pinned.base_sha != old.pinned.base_sha)
    return None


async def _anew(context: Context, run: Run, why: Anew) -> None:
    log.info("kept change set not taken", run=run.id, kept_from=run.request.kept_from, why=why)
    await context.database.write(kept.let_go, run.id, why)


async def _is_started(repository: Repository, old: Run, present: PinnedBase) -> bool:
    """Whether the earlier run published a part of it, and then GitHub failed: its commit or its branch is there."""
    if old.commit is None or old.branch is None:
        return False
    if await repository.branch(old.branch) is not None:
        return True
    if present.head_branch is None:
        return False
    try:
        return await repository.merge_base(old.commit, present.base_sha) == old.commit
    except NotFoundError:
        return False


async def _applicable(
    repository: Repository, then: PinnedBase, present: PinnedBase, change_set: ChangeSet
) -> PinnedBase | None:
    """The base to publish the change set on; None if it applies to none."""
    measured = then.measured or then.base_tree
    if present.base_sha == then.base_sha:
        return replace(present, measured=then.measured)
    try:
        start, added = await repository.compare(then.base_sha, present.base_sha)
        dropped: frozenset[str] | None = frozenset()
        if start != then.base_sha:
            _, dropped = await repository.compare(present.base_sha, then.base_sha)
    except NotFoundError:  # the old base is gone, or they have no common ancestor
        return None
    if added is None or dropped is None:
        # GitHub does not list it all. Publish as if it had moved while Amp was at work: beside it, where in doubt.
        return replace(present, base_sha=then.base_sha, base_tree=then.base_tree, measured=then.measured)
    ours = (folded(change.path) for change in change_set.changes)
    return replace(present, measured=measured) if apart(ours, map(folded, added | dropped)) else None
