"""Publishes the work of a run: looks at GitHub, does what `plan_publication` decides, and looks again.

Each step may run twice. An earlier attempt is known by the run's commit, which is stored before it is pushed anywhere,
and by the run's own branch.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from bot.agent.answer import Answer
from bot.changes.changeset import ChangeSet
from bot.context import Context
from bot.engine.gather import gather_all
from bot.events.policy import MAY_ASK
from bot.github.app import PUBLISH, Token
from bot.github.errors import ForbiddenError, GitHubError, NotFoundError, UnavailableError, UnprocessableError
from bot.github.look import Look, PullNow, PullState, look
from bot.github.records import Pull
from bot.github.repository import Repository
from bot.github.swap import swap_branch
from bot.model import Ending, Kept, PinnedBase
from bot.run import tree
from bot.run.cost import run_cost
from bot.run.merge import Merge, about_workflows
from bot.run.plan_publication import Facts, Landed, OpenPull, PushToHead, Step, Why, Withhold, apart, decide
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import cap_messages, messages, moved_messages, names, refusal_messages, stop_messages

log = structlog.get_logger()

# Each look after the first means that something moved after the one before.
MAX_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to publish. `stopped_by`: who stopped it with `/amp stop keep`; "" if nobody did."""

    run: Run
    pinned: PinnedBase
    change_set: ChangeSet
    answer: Answer
    stopped_by: str
    merge: Merge | None = None  # of the base branch
    cap: str = ""  # what is said of the cap at which Amp was ended

    @property
    def unfinished(self) -> bool:
        """Whether Amp was ended before it was done."""
        return bool(self.stopped_by or self.cap)


async def publish(context: Context, work: Work) -> Ending:
    """Publish the work, or not, as things are on GitHub now. Return how the run ends. Raises: GitHubError."""
    run, pinned = work.run, work.pinned
    actor, repo = run.request.actor, run.request.issue.repo
    conversation = await context.github.conversation(repo, pinned.repo_name)

    async def look_now() -> Look | None:
        return await look(conversation, repo.id, run.request.issue.number, base=pinned.base_branch)

    refused: list[ForbiddenError] = []

    async def permission_now() -> str:
        try:
            return await conversation.permission(actor.login, actor.id)
        except ForbiddenError as error:
            refused.append(error)
            return "none"

    permission, seen, token = await gather_all(permission_now(), look_now(), context.github.mint(repo, PUBLISH))
    # Where nothing is seen, a repository without our App has the name, and of that one GitHub does not tell us.
    if refused and seen is not None:
        raise refused[0]
    async with context.github.using(token, pinned.repo_name) as repository:
        publication = _Publication(context, work, repository, token)
        failed: tuple[Step, UnprocessableError] | None = None
        for _ in range(MAX_LOOKS):
            if seen is None:
                name = await context.github.current_name(repo)
                if name is None or name.lower() == pinned.repo_name.lower():
                    return refusal_messages.app_removed()
                # It was renamed, and another repository has its former name.
                renamed = replace(pinned, repo_name=name)
                await context.database.write(runs.record_base, run.id, renamed)
                return await publish(context, replace(work, pinned=renamed, run=replace(run, pinned=renamed)))
            facts = await publication.facts(seen, permission in MAY_ASK)
            step = decide(facts)
            log.info("publish", run=run.id, step=type(step).__name__, why=getattr(step, "why", None))
            if failed is not None and failed[0] == step:
                raise failed[1]
            try:
                ending = await publication.perform(step, seen)
            except (ForbiddenError, UnprocessableError) as error:
                # Something moved after the look, or a rule forbids it.
                if work.merge is not None and work.merge.brings_workflows and about_workflows(error.message):
                    return refusal_messages.workflows_merged(pinned.base_branch, error.message)
                if isinstance(error, ForbiddenError):
                    raise
                failed = (step, error)
                ending = None
            if ending is not None:
                return ending
            seen = await look_now()
    raise UnavailableError(200, "The issue or pull request keeps changing while it is published.")


class _Publication:
    """One attempt to publish a run's work. `perform` returns how the run ends, or None to look again."""

    def __init__(self, context: Context, work: Work, repository: Repository, token: Token) -> None:
        self._context = context
        self._work = work
        self._repository = repository
        self._token = token
        title, description = work.answer.pull_request or (None, work.answer.text)
        self._headline = messages.pull_title(work.run.request, title)
        if work.stopped_by:
            description = stop_messages.draft_description(work.stopped_by, description)
        self._description = cap_messages.unfinished(work.cap) if work.cap else description
        self._commit = work.run.commit
        prefix = context.settings.branch_prefix
        self._own = work.run.branch or names.branch(work.run.request, self._headline, prefix)
        self._branch_made = False
        self._pushed = False  # to the pull request's branch
        self._refusal = ""  # GitHub's words about the push to the pull request's branch

    async def facts(self, seen: Look, may_ask: bool) -> Facts:
        facts = Facts(
            self._work.pinned,
            seen,
            may_ask,
            stopped=self._work.unfinished,
            pushed=self._pushed,
            branch_made=self._branch_made,
            push_refused=bool(self._refusal),
        )
        if self._commit is None:
            return facts
        # An earlier attempt may have got further than the database knows.
        pull = seen.subject
        if isinstance(pull, PullNow) and self._work.pinned.head_branch is not None:
            in_branch = pull.head is not None and await self._contains(pull.head)
            in_pull = in_branch if pull.head_sha == pull.head else await self._contains(pull.head_sha)
            self._pushed = self._pushed or in_branch
            return replace(facts, pushed=self._pushed, in_branch=in_branch, in_pull=in_pull)
        made = self._branch_made or await self._repository.branch(self._own) is not None
        return replace(facts, branch_made=made)

    async def perform(self, step: Step, seen: Look) -> Ending | None:
        """Raises: GitHubError."""
        if isinstance(step, OpenPull | Withhold) and self._work.run.commit:
            # An earlier attempt may have opened it. If it is closed or merged now, GitHub would open a second one.
            pull = await self._repository.find_pull(self._own)
            if pull is not None:
                opened = step if isinstance(step, OpenPull) else OpenPull(self._work.pinned.base_branch)
                return await self._opened(opened, pull)
        if isinstance(step, Withhold):
            return _withheld(step.why, self._work)
        if isinstance(step, Landed):
            return _landed(step, self._commit or "", self._work)
        if isinstance(step, PushToHead):
            if self._commit is None and not await self._make_commit(step.expected):
                return messages.tree_differs()
            await self._push(seen.repository, step)
            return None  # look again: it may have been merged or closed before the push
        # Somebody may have closed or merged it, and a second one would be opened.
        if (
            isinstance(step, OpenPull)
            and self._work.run.commit
            and (pull := await self._repository.find_pull(self._own))
        ):
            return await self._opened(step, pull)
        start = await self._start(seen)
        if start is None:
            return moved_messages.branch_rewritten(self._work.pinned.head_branch or "")
        if not await self._make_branch(start):
            return messages.tree_differs()
        if isinstance(step, OpenPull):
            return await self._opened(step, await self._open_pull(step))
        return self._beside(step.why, seen, start)

    async def _push(self, repository: str, step: PushToHead) -> None:
        """Raises: UnprocessableError: the branch moved, or GitHub does not let us push."""
        try:
            await swap_branch(self._repository, repository, step.branch, step.expected, self._commit or "")
        except UnprocessableError as error:
            self._refusal = error.message
            # An earlier attempt may have pushed it, and GitHub may show the branch as it was before.
            await self._context.sleep(self._context.settings.list_lag_seconds)
            raise
        self._pushed = True

    def _beside(self, why: Why, seen: Look, start: str) -> Ending:
        answer, changes = self._work.answer.text, self._work.change_set.changes
        url = f"{self._context.settings.github_url}/{self._work.pinned.repo_name}/compare/{start}...{self._own}"
        if why is Why.STOPPED and self._work.cap:
            return cap_messages.capped_beside(self._own, url, messages.files_changed(changes))
        if why is Why.STOPPED:
            return stop_messages.stopped_beside(self._work.stopped_by, self._own, url, changes, answer)
        if why is Why.BASE_GONE:
            return moved_messages.base_gone(self._base(seen), self._own, url, answer, changes)
        return messages.branch_moved(self._work.pinned.head_branch or "", self._own, url, answer)

    def _base(self, seen: Look) -> str:
        return seen.subject.base_branch if isinstance(seen.subject, PullNow) else self._work.pinned.base_branch

    # --- commit and branch ---

    async def _start(self, seen: Look) -> str | None:
        """The commit that the run's own branch starts from: the pinned one, or the pull request's head where that was
        rewritten, so that what somebody took off does not come back. None if Amp changed the same files.
        """
        pinned, pull = self._work.pinned, seen.subject
        if not isinstance(pull, PullNow) or pinned.head_branch is None:
            return pinned.base_sha
        head = pull.head_sha if pull.state is PullState.MERGED else pull.head or pull.head_sha
        if head == pinned.base_sha:
            return head
        try:
            base, added = await self._repository.compare(pinned.base_sha, head)
            if base == pinned.base_sha:
                return base
            _, dropped = await self._repository.compare(head, pinned.base_sha)
        except NotFoundError:  # no common ancestor
            return None
        if added is None or dropped is None:
            return None
        return head if apart((change.path for change in self._work.change_set.changes), added | dropped) else None

    async def _make_commit(self, start: str) -> bool:
        """Create the commit on `start` and store its id. False if GitHub's tree is not the collected one."""
        context, run, change_set, pinned = self._context, self._work.run, self._work.change_set, self._work.pinned
        merge = self._work.merge
        moved = start != pinned.base_sha or change_set.base_tree != pinned.base_tree
        if moved:
            merge = Merge(merge.commit) if merge is not None else None  # its tree is not that of a merge into `start`
            onto = (await self._repository.commit(start)).tree
            change_set, pinned = replace(change_set, base_tree=onto), replace(pinned, base_sha=start, base_tree=onto)
        try:
            made = await tree.publish(context, self._repository, self._token, change_set, pinned, run.id, merge)
            if made != change_set.tree and not moved:
                log.error("tree differs", run=run.id, made=made, collected=change_set.tree)
                return False
            message = messages.commit_message(self._headline, run.request, context.host)
            done = await self._repository.make_commit(message, made, self._parents(start))
        finally:
            if tree.is_large(change_set, merge):
                with suppress(GitHubError):
                    temporary = names.temporary_branch(run.id, context.settings.branch_prefix)
                    await self._repository.delete_branch(temporary)
        log.info("commit", run=run.id, sha=done.sha, verified=done.verified)
        self._commit = done.sha
        await context.database.write(runs.set_commit, run.id, done.sha, self._own)
        return True

    def _parents(self, start: str) -> tuple[str, ...]:
        merge = self._work.merge
        return (start, merge.commit) if merge is not None else (start,)

    async def _contains(self, head: str) -> bool:
        """Whether `head` is the run's commit, or has it in its history."""
        if head == self._commit:
            return True
        try:
            return await self._repository.merge_base(self._commit or "", head) == self._commit
        except NotFoundError:  # no common ancestor
            return False

    async def _make_branch(self, start: str) -> bool:
        """Create the run's own branch, with its commit on `start`. False: as `_make_commit`.

        An earlier attempt of this run may have created it already.
        """
        repository, own = self._repository, self._own
        stale = start != self._work.pinned.base_sha and await repository.branch(own) is None
        if (self._commit is None or stale) and not await self._make_commit(start):
            return False
        commit = self._commit or ""
        try:
            made = await repository.create_branch(own, commit)
        except UnavailableError:
            made = await repository.branch(own) == commit or await repository.create_branch(own, commit)
        if not made:
            current = await repository.branch(own)
            if current is None:  # what GitHub shows lags behind what it knows
                raise UnavailableError(200, f"GitHub says the branch {own} exists, and shows none yet.")
            if not (await self._contains(current) or await self._is_equal(current)):
                raise UnprocessableError(422, f"The branch {own} exists already and holds something else.")
        self._branch_made = True
        return True

    async def _is_equal(self, sha: str) -> bool:
        """Whether the commit is that of an earlier attempt, which differs only in its time."""
        existing = await self._repository.commit(sha)
        parents = self._parents(self._work.pinned.base_sha)
        return existing.tree == self._work.change_set.tree and existing.parents == parents

    # --- pull request ---

    async def _open_pull(self, step: OpenPull) -> Pull:
        """The pull request of this run, for `step.base`."""
        repository, own, draft = self._repository, self._own, self._work.unfinished
        price = run_cost(self._context, self._work.run, now())
        body = messages.pull_body(self._work.run.request, self._work.pinned, self._description, price)
        try:
            opened = await repository.open_pull(self._headline, body, own, step.base, draft=draft)
        except UnavailableError:
            # It may be open now. Then the second attempt returns None: GitHub allows one for each (head, base).
            opened = await repository.open_pull(self._headline, body, own, step.base, draft=draft)
        pull = opened or await repository.find_pull(own)
        if pull is None:  # GitHub's lists lag behind its writes
            raise UnavailableError(200, f"GitHub says a pull request for {own} exists, and shows none yet.")
        return pull

    async def _opened(self, step: OpenPull, pull: Pull) -> Ending:
        work, answer, changes = self._work, self._work.answer.text, self._work.change_set.changes
        await self._context.database.write(runs.set_pull, work.run.id, pull.number)
        match step.why:
            case Why.MERGED:
                pushed = work.pinned.head_branch if self._pushed else None
                merges = await self._repository.merge(self._own, step.base)
                return moved_messages.merged_meanwhile(
                    pull.number, step.base, answer, changes, merges=merges, pushed=pushed
                )
            case Why.DEFAULT:
                return moved_messages.default_branch_spared(step.base, pull.number, answer, changes)
            case Why.REFUSED:
                return moved_messages.push_refused(step.base, self._refusal, pull.number, answer, changes)
        if work.cap:
            return cap_messages.capped_draft(pull.number, messages.files_changed(changes), draft=pull.draft)
        if work.stopped_by:
            return stop_messages.stopped_draft(work.stopped_by, pull.number, changes, answer, draft=pull.draft)
        return messages.pull_opened(pull.number, answer or self._description, changes)


def _withheld(why: Why, work: Work) -> Ending:
    match why:
        case Why.NO_ACCESS:
            return messages.permission_lost(work.run.request.actor, Kept.TO_PUBLISH)
        case Why.CLOSED:
            return moved_messages.pull_closed()
        case Why.UNWANTED:
            return moved_messages.issue_unwanted()
        case _:
            return moved_messages.issue_gone()


def _landed(step: Landed, commit: str, work: Work) -> Ending:
    answer, changes = work.answer.text, work.change_set.changes
    if step.state is PullState.MERGED:
        return moved_messages.added_and_merged(commit, step.branch, answer, changes)
    if not step.still:
        return moved_messages.added_and_dropped(commit, step.branch, answer, changes)
    if step.state is PullState.CLOSED:
        return moved_messages.added_and_closed(commit, step.branch, answer, changes)
    return messages.commit_added(commit, step.branch, answer, changes)
