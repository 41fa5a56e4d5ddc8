"""Deletes comments that we posted twice because GitHub's list did not show the first one yet."""

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
from bot.store import idempotency, kv, stale
from bot.store.database import now
from bot.text import markers

log = structlog.get_logger()

CHECKED = "comments"  # the key in kv: everything before this time is checked
# How far back the first check goes, and how long after the second post the list is sure to show both.
BACK_SECONDS = 3600.0
SETTLED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Posted:
    key: str
    marker: str
    issue: IssueRef
    at: str


async def delete_duplicates(context: Context) -> None:
    """Check the effects that were tried more than once since the last check. Raises: GitHubError if it is transient."""
    until = now() - SETTLED_SECONDS
    checked = await context.database.read(kv.get, CHECKED)
    since = float(checked) if checked is not None else until - BACK_SECONDS
    lag = context.settings.list_lag_seconds
    keys = await context.database.read(stale.retried_effects, since, lag)
    if keys:
        plans = await context.database.read(stale.plans, since)
        posted = {comment.key: comment for plan in plans for comment in _comments(plan) if comment.key in keys}
        for comment in posted.values():
            try:
                await _keep_one(context, comment)
            except TRANSIENT:
                raise
            except GitHubError as error:
                log.warning("not checked for duplicates", key=comment.key, status=error.status)
    await context.database.write(kv.put, CHECKED, str(until))


def _comments(plan: str) -> Iterator[_Posted]:
    for effect in effects.load(plan):
        match effect:
            case Reply(issue=issue, key=key, at=at):
                yield _Posted(key, markers.key_marker(key), issue, at)
            case StartRun(request=request):
                yield _Posted(f"comment:{request.id}", markers.run_marker(request.id), request.issue, request.at)
            case React() | RemoveLabel() | FinalizeStopped():
                pass  # these write no comment of their own
            case _:
                assert_never(effect)


async def _keep_one(context: Context, posted: _Posted) -> None:
    """Keep the comment whose id is stored, because we edit that one; otherwise the oldest."""
    me = await context.github.identity()
    repository = await context.github.conversation(posted.issue.repo)
    found = await repository.find_comments(posted.issue.number, posted.marker, me, posted.at)
    stored = await context.database.read(idempotency.owner, posted.key)
    ids = [comment.id for comment in found]
    kept = int(stored) if stored is not None and int(stored) in ids else next(iter(ids), 0)
    for comment in ids:
        if comment != kept:
            log.info("duplicate comment deleted", comment=comment, key=posted.key)
            await repository.delete_comment(comment)
