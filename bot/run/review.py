"""Amp's answer becomes one review, bound to the commit it read. What does not fit the diff goes into its summary."""

from __future__ import annotations

from bot.agent.answer import Answer, LineComment
from bot.changes.diff import Diff
from bot.context import World
from bot.engine.find_or_create import once
from bot.events.policy import MAY_ASK
from bot.github.errors import GitHubError, UnprocessableError
from bot.github.repository import InlineComment, Repository
from bot.model import Ending, Pinned
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages
from bot.text.markdown import defuse
from bot.text.messages import Price


async def review(world: World, run: Run, answer: Answer) -> Ending:
    """Post the review, once."""
    request, pinned = run.request, run.pinned
    assert pinned is not None  # noqa: S101 - prepare() has seen to it
    repository = await world.github.conversation(request.place.repo, pinned.repo_name)
    if await repository.permission(request.actor.login, request.actor.id) not in MAY_ASK:
        return messages.permission_lost(request.actor)
    summary = answer.review.summary if answer.review is not None else ""
    comments = answer.review.comments if answer.review is not None else ()
    fitting, homeless = await _sorted(repository, pinned, comments)
    thread = run.outcome.thread if run.outcome is not None else None
    price = Price(now() - run.created_at, run.outcome, f"{world.settings.amp_url}/threads/{thread}" if thread else None)
    text = "\n\n".join(filter(None, (answer.text, summary if summary not in answer.text else "")))
    me = await world.github.identity()

    async def post(inline: list[LineComment], rest: list[LineComment]) -> str:
        rows = [messages.homeless_comment(item.path, item.line, world.redact(item.body)) for item in rest]
        return await repository.review(
            request.place.number,
            pinned.base_sha,
            world.redact(messages.review_body(request, text, rows, price)),
            [_inline(world, item) for item in inline],
        )

    async def create() -> str:
        try:
            return await post(fitting, homeless)
        except UnprocessableError:
            # GitHub disagrees with us about a line, or the head moved: better a plain review than none.
            homeless.extend(fitting)
            fitting.clear()
            return await post([], homeless)

    url = await once(
        world,
        f"review:{run.id}",
        find=lambda: repository.find_review(request.place.number, messages.marker(run.id), me.login),
        create=create,
    )
    return messages.reviewed(url, len(fitting), len(homeless))


async def _sorted(
    repository: Repository, pinned: Pinned, comments: tuple[LineComment, ...]
) -> tuple[list[LineComment], list[LineComment]]:
    """(those on a line of the diff that was read, those that are not)"""
    if not comments:
        return [], []
    try:
        parsed = Diff.parse(await repository.diff(pinned.merge_base or "", pinned.base_sha))
    except GitHubError as error:
        if error.status != 406:
            raise
        parsed = Diff.parse("")
    fitting = [c for c in comments if parsed.accepts(c.path, c.line, c.side, c.start_line)]
    return fitting, [c for c in comments if c not in fitting]


def _inline(world: World, comment: LineComment) -> InlineComment:
    # The block was JSON: what its escapes hid from the redaction of the whole answer is plain only now.
    body = defuse(world.redact(comment.body), 10_000)
    return InlineComment(comment.path, comment.line, comment.side, body, comment.start_line)
