"""A comment that a lagging list made us write twice: the second goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import structlog

from bot.context import Context
from bot.events import effects
from bot.events.effects import FinalizeStopped, React, RemoveLabel, Reply, StartRun
from bot.github.errors import TRANSIENT, GitHubError
from bot.model import IssueRef
from bot.store import idempotency as effects_made
from bot.store import kv, stale
from bot.store.database import now
from bot.text import messages

log = structlog.get_logger()

LOOKED = "comments"  # the mark: until then it has been looked
# How far back the first look goes, and how long after the second writing one can be sure to see both.
BACK_SECONDS = 3600.0
SETTLED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Written:
    key: str
    marker: str
    issue: IssueRef
    at: str


async def delete_duplicates(context: Context) -> None:
    """Look where an effect was tried more than once since the last look. Raises: GitHubError when it is away."""
    until = now() - SETTLED_SECONDS
    mark = await context.database.read(kv.get, LOOKED)
    since = float(mark) if mark is not None else until - BACK_SECONDS
    lag = context.settings.list_lag_seconds
    keys = await context.database.read(stale.retried_effects, since, lag)
    if keys:
        plans = await context.database.read(stale.plans, since)
        for written in {each.key: each for plan in plans for each in _comments(plan) if each.key in keys}.values():
            try:
                await _only_one(context, written)
            except TRANSIENT:
                raise
            except GitHubError as error:
                log.warning("not looked for doubles", key=written.key, status=error.status)
    await context.database.write(kv.put, LOOKED, str(until))


def _comments(plan: str) -> Iterator[_Written]:
    for effect in effects.load(plan):
        match effect:
            case Reply(issue=issue, key=key, at=at):
                yield _Written(key, messages.key_marker(key), issue, at)
            case StartRun(request=request):
                yield _Written(f"comment:{request.id}", messages.marker(request.id), request.issue, request.at)
            case React() | RemoveLabel() | FinalizeStopped():
                pass  # these write no comment of their own
            case _:
                assert_never(effect)


async def _only_one(context: Context, written: _Written) -> None:
    """The one that our row holds stays, for that one is edited; else the oldest."""
    me = await context.github.identity()
    repository = await context.github.conversation(written.issue.repo)
    found = await repository.find_comments(written.issue.number, written.marker, me.login, written.at)
    held = await context.database.read(effects_made.owner, written.key)
    ids = [comment.id for comment in found]
    stays = int(held) if held is not None and int(held) in ids else next(iter(ids), 0)
    for comment in ids:
        if comment != stays:
            log.info("doubled comment deleted", comment=comment, key=written.key)
            await repository.delete_comment(comment)
