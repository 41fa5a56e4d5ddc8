"""Posts Amp's answer as one review of the commit it read. Comments on lines outside the diff go into the summary.

A force push may take that commit off the pull request. Then the review is posted on the new head, without comments on
lines; if GitHub refuses that too, it is posted in the run's comment.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import structlog

from bot.agent.answer import Answer, LineComment
from bot.changes.diff import Diff
from bot.context import Context
from bot.engine.find_or_create import find_or_create
from bot.events.policy import MAY_ASK
from bot.github.errors import ForbiddenError, GitHubError, NotFoundError, UnprocessableError
from bot.github.records import InlineComment
from bot.github.repository import Repository
from bot.model import Ending, PinnedBase
from bot.run.cost import run_cost
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import markers, messages, refusal_messages, review_messages
from bot.text.markdown import sanitize
from bot.text.review_messages import Apart

log = structlog.get_logger()


async def review(context: Context, run: Run, answer: Answer) -> Ending:
    """Post the review once, also where the repository was renamed meanwhile. Return how the run ends."""
    pinned = run.pinned
    assert pinned is not None  # noqa: S101 - set by prepare()
    try:
        return await _review(context, run, pinned, answer)
    except (ForbiddenError, NotFoundError):
        name = await context.github.current_name(run.request.issue.repo)
        if name is None:
            return refusal_messages.app_removed()
        if name.lower() == pinned.repo_name.lower():
            raise
        # Another repository has its former name.
        renamed = replace(pinned, repo_name=name)
        await context.database.write(runs.record_base, run.id, renamed)
        return await _review(context, run, renamed, answer)


async def _review(context: Context, run: Run, pinned: PinnedBase, answer: Answer) -> Ending:
    request = run.request
    repository = await context.github.conversation(request.issue.repo, pinned.repo_name)
    if await repository.permission(request.actor.login, request.actor.id) not in MAY_ASK:
        return messages.permission_lost(request.actor)
    summary = answer.review.summary if answer.review is not None else ""
    comments = answer.review.comments if answer.review is not None else ()
    fitting, off_diff, apart = await _split(repository, pinned, comments)
    price = run_cost(context, run, now())
    # The answer was redacted before its JSON was decoded, and escapes can hide a secret.
    text = context.redact("\n\n".join(filter(None, (answer.text, summary if summary not in answer.text else ""))))
    me = await context.github.identity()

    def rows() -> list[str]:
        return [review_messages.off_diff_comment(item.path, item.line, context.redact(item.body)) for item in off_diff]

    async def post(commit: str | None) -> str:
        replaced = None if commit else pinned.base_sha
        body = review_messages.review_body(request, text, rows(), price, replaced=replaced, apart=apart)
        return await repository.review(request.issue.number, commit, body, [_inline(context, item) for item in fitting])

    async def create() -> str:
        nonlocal apart
        with suppress(UnprocessableError):
            return await post(pinned.base_sha)
        # GitHub refuses a line of a comment, or the commit. Post all comments in the summary.
        apart = Apart.REFUSED if fitting else apart
        off_diff.extend(fitting)
        fitting.clear()
        with suppress(UnprocessableError):
            return await post(pinned.base_sha)
        return await post(None)

    try:
        url = await find_or_create(
            context,
            f"review:{run.id}",
            find=lambda: repository.find_review(request.issue.number, markers.run_marker(run.id), me),
            create=create,
        )
    except UnprocessableError as error:
        log.warning("review refused", run=run.id, github=context.redact(error.message))
        return review_messages.review_in_comment(text, rows(), pinned.base_sha, apart)
    return review_messages.reviewed(url, len(fitting), len(off_diff), apart)


async def _split(
    repository: Repository, pinned: PinnedBase, comments: tuple[LineComment, ...]
) -> tuple[list[LineComment], list[LineComment], Apart]:
    """(comments on lines of the diff, all others, why the others are none)"""
    if not comments:
        return [], [], Apart.OUTSIDE
    try:
        parsed = Diff.parse(await repository.diff(pinned.merge_base or "", pinned.base_sha))
    except GitHubError as error:
        if error.status != 406:
            raise
        return [], list(comments), Apart.NO_DIFF
    fitting = [c for c in comments if parsed.accepts(c.path, c.line, c.side, c.start_line)]
    return fitting, [c for c in comments if c not in fitting], Apart.OUTSIDE


def _inline(context: Context, comment: LineComment) -> InlineComment:
    # The answer was redacted before its JSON was decoded, and escapes can hide a secret. Redact it again.
    body = sanitize(context.redact(comment.body), 10_000)
    return InlineComment(comment.path, comment.line, comment.side, body, comment.start_line)
