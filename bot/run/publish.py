"""Checks the change set and publishes it, with a new token and after a new check of the requester's permission."""

from __future__ import annotations

from contextlib import suppress

import structlog

from bot.agent.answer import Answer, split_answer
from bot.changes.changeset import ChangeSet
from bot.context import Context
from bot.engine.gather import gather_all
from bot.events.policy import MAY_ASK
from bot.github.app import PUBLISH
from bot.github.errors import GitHubError, UnavailableError, UnprocessableError
from bot.github.repository import Pull, Repository
from bot.model import Ending, PinnedBase, Problem, RunState
from bot.run import tree
from bot.run.collect import CHANGES
from bot.run.cost import run_cost
from bot.run.reading import check_changes, off_loop, read_changes
from bot.run.review import review
from bot.store import runs, stops
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages, names, stop_messages

log = structlog.get_logger()


async def publish(context: Context, run: Run) -> Ending | None:
    """Publish the run's work. Return how the run ends."""
    outcome, pinned = run.outcome, run.pinned
    assert outcome is not None  # noqa: S101 - set by work()
    assert pinned is not None  # noqa: S101 - set by prepare()
    # From here on the run cannot be stopped, so `stopped_by` is final.
    if not await context.database.write(runs.set_state, run.id, RunState.PUBLISHING):
        return None
    stopped_by = await context.database.read(stops.stopped_by, run.id)
    collected = await context.database.read(runs.has_artifact, run.id, CHANGES)
    if stopped_by and not collected:
        return stop_messages.stopped_uncollected(stopped_by)
    if not outcome.ok and not stopped_by:
        return messages.agent_failed(outcome, kept=collected and await _changed(context, run, pinned))
    answer = await off_loop(split_answer, outcome.answer)
    rules = run.request.kind.rules
    if rules.reviews:
        return await review(context, run, answer)
    if not rules.publishes:
        return messages.answered(answer.text)
    assert collected  # noqa: S101 - by collect()
    change_set = await read_changes(context, run.id, pinned.base_tree)
    if isinstance(change_set, Problem):
        log.warning("change set refused", run=run.id, why=change_set.detail)
        return messages.refused_change(change_set.message)
    if not change_set.changes:
        return (
            stop_messages.stopped_unchanged(stopped_by, answer.text) if stopped_by else messages.answered(answer.text)
        )
    if pinned.from_fork:
        return messages.fork_work()
    violations = await check_changes(context, run.id, change_set)
    if violations:
        return messages.refused_paths(violations)
    return await _publish(context, run, pinned, change_set, answer, stopped_by)


async def _changed(context: Context, run: Run, pinned: PinnedBase) -> bool:
    change_set = await read_changes(context, run.id, pinned.base_tree)
    return isinstance(change_set, Problem) or bool(change_set.changes)


async def _publish(
    context: Context, run: Run, pinned: PinnedBase, change_set: ChangeSet, answer: Answer, stopped_by: str
) -> Ending:
    actor, repo = run.request.actor, run.request.issue.repo
    conversation = await context.github.conversation(repo, pinned.repo_name)
    permission, token = await gather_all(
        conversation.permission(actor.login, actor.id), context.github.mint(repo, PUBLISH)
    )
    async with context.github.using(token, pinned.repo_name) as repository:
        if permission not in MAY_ASK:
            return messages.permission_lost(actor)
        title, description = answer.pull_request or (None, answer.text)
        if stopped_by:
            description = stop_messages.draft_description(stopped_by, description)
        headline = messages.pull_title(run.request, title)
        prefix = context.settings.branch_prefix
        commit = run.commit
        if commit is None:
            try:
                made = await tree.publish(context, repository, token, change_set, pinned, run.id)
                if made != change_set.tree:
                    log.error("tree differs", run=run.id, made=made, collected=change_set.tree)
                    return messages.tree_differs()
                message = messages.commit_message(headline, run.request, context.host)
                done = await repository.make_commit(message, made, pinned.base_sha)
            finally:
                if tree.is_large(change_set):
                    with suppress(GitHubError):
                        await repository.delete_branch(names.temporary_branch(run.id, prefix))
            log.info("commit", run=run.id, sha=done.sha, verified=done.verified)
            commit = done.sha
            await context.database.write(runs.set_commit, run.id, done.sha, names.branch(run.request, headline, prefix))
        branch = run.branch or names.branch(run.request, headline, prefix)
        if pinned.head_branch is not None and stopped_by:
            # Do not push unfinished work to a branch that others use.
            await _branch_at(repository, branch, commit, pinned, change_set)
            url = _compare_url(context, pinned, branch)
            return stop_messages.stopped_beside(stopped_by, branch, url, change_set.changes, answer.text)
        if pinned.head_branch is not None:
            return await _onto(context, repository, pinned, commit, branch, answer.text, change_set)
        await _branch_at(repository, branch, commit, pinned, change_set)
        price = run_cost(context, run, now())
        body = messages.pull_body(run.request, pinned, description, price)
        pull = await _pull(repository, headline, body, branch, pinned.base_branch, draft=bool(stopped_by))
        await context.database.write(runs.set_pull, run.id, pull.number)
        if stopped_by:
            return stop_messages.stopped_draft(
                stopped_by, pull.number, change_set.changes, answer.text, draft=pull.draft
            )
        return messages.pull_opened(pull.number, answer.text or description, change_set.changes)


async def _onto(
    context: Context,
    repository: Repository,
    pinned: PinnedBase,
    commit: str,
    own: str,
    answer: str,
    change_set: ChangeSet,
) -> Ending:
    """Push the commit to the pull request's branch, or to the branch `own` if that one has moved."""
    head = pinned.head_branch
    assert head is not None  # noqa: S101 - checked by the caller
    if await repository.branch(head) == commit or await repository.move_branch(head, commit):
        return messages.commit_added(commit, head, answer, change_set.changes)
    current = await repository.branch(head)
    if current is not None and await repository.merge_base(commit, current) == commit:
        # An earlier attempt pushed it, and somebody has pushed more commits since.
        return messages.commit_added(commit, head, answer, change_set.changes)
    await _branch_at(repository, own, commit, pinned, change_set)
    return messages.branch_moved(head, own, _compare_url(context, pinned, own), answer)


def _compare_url(context: Context, pinned: PinnedBase, branch: str) -> str:
    return f"{context.settings.github_url}/{pinned.repo_name}/compare/{pinned.base_sha}...{branch}"


async def _branch_at(
    repository: Repository, branch: str, commit: str, pinned: PinnedBase, change_set: ChangeSet
) -> None:
    """Create the branch. An earlier attempt of this run may have created it already."""
    try:
        if await repository.create_branch(branch, commit):
            return
    except UnavailableError:
        if await repository.branch(branch) != commit and not await repository.create_branch(branch, commit):
            raise
    current = await repository.branch(branch)
    if current == commit:
        return
    # The commit of an earlier attempt differs only in its time.
    existing = await repository.commit(current) if current else None
    if existing is None or existing.tree != change_set.tree or existing.parents != (pinned.base_sha,):
        raise UnprocessableError(422, f"The branch {branch} exists already and holds something else.")


async def _pull(repository: Repository, title: str, body: str, branch: str, base: str, *, draft: bool) -> Pull:
    try:
        opened = await repository.open_pull(title, body, branch, base, draft=draft)
    except UnavailableError:
        # It may be open now. Then the second attempt returns None: GitHub allows one for each (head, base).
        opened = await repository.open_pull(title, body, branch, base, draft=draft)
    pull = opened or await repository.find_pull(branch)
    if pull is None:  # GitHub's lists lag behind its writes
        raise UnavailableError(200, f"GitHub says a pull request for {branch} exists, and shows none yet.")
    return pull
