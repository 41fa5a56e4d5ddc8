"""What came of the work goes to GitHub: checked, under a permission asked for again, with a token minted now."""

from __future__ import annotations

from contextlib import suppress

import structlog

from bot.agent.answer import Answer, split_answer
from bot.changes import changeset
from bot.changes.changeset import ChangeSet
from bot.context import Context
from bot.engine.gather import gather_all
from bot.events.policy import MAY_ASK
from bot.github.app import PUBLISH
from bot.github.errors import GitHubError, UnavailableError, UnprocessableError
from bot.github.repository import Pull, Repository
from bot.model import Ending, PinnedBase, Problem, RunState
from bot.run import tree
from bot.run.collect import CHANGES, limits
from bot.run.cost import run_cost
from bot.run.prepare import BASE_PATHS
from bot.run.review import review
from bot.store import runs, stops
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages, names, stop_messages

log = structlog.get_logger()


async def publish(context: Context, run: Run) -> Ending | None:
    """How the run ends, once its work is where it belongs."""
    outcome, pinned = run.outcome, run.pinned
    assert outcome is not None  # noqa: S101 - work() has seen to it
    assert pinned is not None  # noqa: S101 - prepare() has seen to it
    # From here on nobody can stop the run; and who has stopped it by now is known.
    if not await context.database.write(runs.set_state, run.id, RunState.PUBLISHING):
        return None
    stopped_by = await context.database.read(stops.stopped_by, run.id)
    archive = await context.database.read(runs.load_artifact, run.id, CHANGES)
    if stopped_by and archive is None:
        return stop_messages.stopped_uncollected(stopped_by)
    if not outcome.ok and not stopped_by:
        return messages.agent_failed(outcome, kept=_changed(context, archive, pinned))
    answer = split_answer(outcome.answer)
    rules = run.request.kind.rules
    if rules.reviews:
        return await review(context, run, answer)
    if not rules.publishes:
        return messages.answered(answer.text)
    assert archive is not None  # noqa: S101 - collect() has seen to it
    change_set = changeset.read(archive, base_tree=pinned.base_tree, limits=limits(context.settings))
    if isinstance(change_set, Problem):
        log.warning("change set refused", run=run.id, why=change_set.detail)
        return messages.refused_change(change_set.message)
    if not change_set.changes:
        return (
            stop_messages.stopped_unchanged(stopped_by, answer.text) if stopped_by else messages.answered(answer.text)
        )
    if pinned.from_fork:
        return messages.fork_work()
    names_there = await context.database.read(runs.load_artifact, run.id, BASE_PATHS)
    violations = changeset.check(
        change_set,
        base_paths=changeset.names(names_there or b""),
        symlinks=context.settings.symlinks,
        limits=limits(context.settings),
        leaks=context.redact.leaks,
    )
    if violations:
        return messages.refused_paths(violations)
    return await _publish(context, run, pinned, change_set, answer, stopped_by)


def _changed(context: Context, archive: bytes | None, pinned: PinnedBase) -> bool:
    if archive is None:
        return False
    found = changeset.read(archive, base_tree=pinned.base_tree, limits=limits(context.settings))
    return isinstance(found, Problem) or bool(found.changes)


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
            # Unfinished work is not pushed to where others build on it.
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
    """A commit on the pull request's own branch; where that moved meanwhile, on a branch beside it."""
    head = pinned.head_branch
    assert head is not None  # noqa: S101 - the caller's condition
    if await repository.branch(head) == commit or await repository.move_branch(head, commit):
        return messages.commit_added(commit, head, answer, change_set.changes)
    there = await repository.branch(head)
    if there is not None and await repository.merge_base(commit, there) == commit:
        # An earlier attempt put it there, and somebody has gone on from it.
        return messages.commit_added(commit, head, answer, change_set.changes)
    await _branch_at(repository, own, commit, pinned, change_set)
    return messages.branch_moved(head, own, _compare_url(context, pinned, own), answer)


def _compare_url(context: Context, pinned: PinnedBase, branch: str) -> str:
    return f"{context.settings.github_url}/{pinned.repo_name}/compare/{pinned.base_sha}...{branch}"


async def _branch_at(
    repository: Repository, branch: str, commit: str, pinned: PinnedBase, change_set: ChangeSet
) -> None:
    """Create the branch, or find that an earlier attempt of this run did."""
    try:
        if await repository.create_branch(branch, commit):
            return
    except UnavailableError:
        if await repository.branch(branch) != commit and not await repository.create_branch(branch, commit):
            raise
    there = await repository.branch(branch)
    if there == commit:
        return
    # An earlier attempt's commit differs by its time alone.
    found = await repository.commit(there) if there else None
    if found is None or found.tree != change_set.tree or found.parents != (pinned.base_sha,):
        raise UnprocessableError(422, f"The branch {branch} exists already and holds something else.")


async def _pull(repository: Repository, title: str, body: str, branch: str, base: str, *, draft: bool) -> Pull:
    try:
        opened = await repository.open_pull(title, body, branch, base, draft=draft)
    except UnavailableError:
        # Done or not? GitHub's own uniqueness of (head, base) answers on the second try.
        opened = await repository.open_pull(title, body, branch, base, draft=draft)
    found = opened or await repository.find_pull(branch)
    if found is None:  # its lists lag behind its writes
        raise UnavailableError(200, f"GitHub says a pull request for {branch} exists, and shows none yet.")
    return found
