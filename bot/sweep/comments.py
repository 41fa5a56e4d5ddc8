"""A comment that a lagging list made us write twice: the second goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from bot.context import World
from bot.engine.retry import PASSING
from bot.events import effects
from bot.events.effects import Reply, StartRun
from bot.github.errors import GitHubError
from bot.model import Place
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
    place: Place
    at: str


async def undouble(world: World) -> None:
    """Look where an effect was tried more than once since the last look. Raises: GitHubError when it is away."""
    until = now() - SETTLED_SECONDS
    mark = await world.database.read(lambda connection: kv.get(connection, LOOKED))
    since = float(mark) if mark is not None else until - BACK_SECONDS
    lag = world.settings.list_lag_seconds
    keys = await world.database.read(lambda connection: stale.made_again(connection, since, lag))
    if keys:
        plans = await world.database.read(lambda connection: stale.plans(connection, since))
        for written in {each.key: each for plan in plans for each in _comments(plan) if each.key in keys}.values():
            try:
                await _only_one(world, written)
            except PASSING:
                raise
            except GitHubError as error:
                log.warning("not looked for doubles", key=written.key, status=error.status)
    await world.database.write(lambda connection: kv.put(connection, LOOKED, str(until)))


def _comments(plan: str) -> Iterator[_Written]:
    for effect in effects.load(plan):
        match effect:
            case Reply(place=place, key=key, at=at):
                yield _Written(key, messages.key_marker(key), place, at)
            case StartRun(request=request):
                yield _Written(f"comment:{request.id}", messages.marker(request.id), request.place, request.at)


async def _only_one(world: World, written: _Written) -> None:
    """The one that our row holds stays, for that one is edited; else the oldest."""
    me = await world.github.identity()
    repository = await world.github.conversation(written.place.repo)
    found = await repository.find_comments(written.place.number, written.marker, me.login, written.at)
    held = await world.database.read(lambda connection: effects_made.holder_of(connection, written.key))
    ids = [comment.id for comment in found]
    stays = int(held) if held is not None and int(held) in ids else next(iter(ids), 0)
    for comment in ids:
        if comment != stays:
            log.info("doubled comment deleted", comment=comment, key=written.key)
            await repository.delete_comment(comment)
