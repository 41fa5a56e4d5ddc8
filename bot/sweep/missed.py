"""Deliveries that did not reach us: asked for again, or, where GitHub's log does not tell, found in its lists."""

from __future__ import annotations

import hashlib
from functools import partial

import structlog
from sqlalchemy.engine import Connection

from bot import events, policy
from bot.database import now
from bot.dispatch import asks_of, names_of
from bot.github.errors import GitHubError
from bot.github.hooks import Attempt
from bot.github.search import Gesture
from bot.model import Ignored, Problem
from bot.outage import PASSING
from bot.receive import Delivery
from bot.store import deliveries, marks
from bot.store import effects as effects_made
from bot.store.deliveries import FOUND
from bot.world import World
from handlers import label, review

log = structlog.get_logger()

DAY = 86_400.0
# Nothing older than this is looked for (D9).
FARTHEST_SECONDS = 7 * DAY
# GitHub keeps its log for three days; nearer than this, a log without older entries only means that it was quiet.
LOG_SECONDS = 2 * DAY
# Attempts read of the log in one sweep.
MOST_ATTEMPTS = 20_000
# An attempt is written down when it has ended, and GitHub's clock is not ours.
SLACK_SECONDS = 120.0
# How often one delivery is asked for: one that is refused each time (a wrong secret) must come to rest.
MOST_ASKED = 5
# GitHub counts a request that writes five of 900 points a minute; this keeps to two thirds.
ASK_SECONDS = 0.5
# Looking through an installation takes a token of its own, five points too, and the App's other tokens come first.
SEARCH_SECONDS = 2.0
# How long the redeliveries may take to arrive, before what nobody delivered is looked for.
ARRIVAL_SECONDS = 30.0
LABELS = frozenset({label.LABEL, review.LABEL})

CREATED = "created"
ALIVE = "alive"  # until then nothing is missing: written at the end of a sweep that missed nothing


async def fetch(world: World, *, starting: bool) -> None:
    """Everything since we were last alive. Raises: GitHubError; then the next sweep looks at the same time again."""
    begun = now()
    since = max(await _last_alive(world, begun), begun - FARTHEST_SECONDS)
    reached = await _redeliver(world, since)
    if not reached or (starting and since < begun):
        await _search(world, since)
    await world.database.write(lambda connection: marks.put(connection, ALIVE, str(begun)))


async def _last_alive(world: World, moment: float) -> float:
    """Epoch seconds; `moment` where this database has only now been made."""
    created = await world.database.read(lambda connection: marks.get(connection, CREATED))
    if created is None:
        await world.database.write(lambda connection: marks.put(connection, CREATED, str(moment)))
        return moment
    alive = await world.database.read(lambda connection: marks.get(connection, ALIVE))
    # What is found a second time is known by its cause.
    return max(float(created), float(alive) - SLACK_SECONDS) if alive is not None else float(created)


# --- GitHub's log ---------------------------------------------------------------------------------


async def _redeliver(world: World, since: float) -> bool:
    """Ask again for what failed each time; whether the log told of everything since then."""
    try:
        failed, reached = await _failed(world, since)
    except PASSING:
        raise
    except GitHubError as error:
        log.warning("no delivery log", status=error.status, github=world.redact(error.message))
        return False
    hooks = world.github.hooks()
    asked = []
    for attempt in failed:
        if await world.database.write(partial(_may_ask, guid=attempt.guid)):
            try:
                await hooks.redeliver(attempt.id)
            except PASSING:
                raise
            except GitHubError as error:
                # Too old for GitHub, whatever the log says: the search may find it.
                log.warning("not redelivered", guid=attempt.guid, status=error.status)
                reached = False
                continue
            asked.append(attempt.guid)
            await world.sleep(ASK_SECONDS)
    if asked:
        log.info("asked for again", deliveries=len(asked))
        await _arrived(world, tuple(asked))
    return reached


async def _failed(world: World, since: float) -> tuple[list[Attempt], bool]:
    """(the latest attempt of each delivery that failed each time and that we have not, oldest first; as above)."""
    latest: dict[str, Attempt] = {}
    good: set[str] = set()
    reached = since > now() - LOG_SECONDS
    seen = 0
    async for attempt in world.github.hooks().attempts():
        seen += 1
        if attempt.at < since:
            reached = True
            break
        if seen > MOST_ATTEMPTS:
            reached = False
            break
        if attempt.delivered:
            good.add(attempt.guid)
        elif events.may_ask(attempt.event, attempt.action):
            latest.setdefault(attempt.guid, attempt)
    missing = [attempt for guid, attempt in latest.items() if guid not in good]
    have = await world.database.read(partial(deliveries.known, guids=tuple(each.guid for each in missing)))
    return [each for each in reversed(missing) if each.guid not in have], reached


def _may_ask(connection: Connection, guid: str) -> bool:
    name = f"asked:{guid}"[:64]
    times = int(marks.get(connection, name) or 0)
    if times < MOST_ASKED:
        marks.put(connection, name, str(times + 1))
    return times < MOST_ASKED


async def _arrived(world: World, guids: tuple[str, ...]) -> None:
    """Wait for them, within reason: what comes by itself need not be searched for."""
    for _ in range(int(ARRIVAL_SECONDS)):
        have = await world.database.read(partial(deliveries.known, guids=guids))
        if len(have) == len(guids):
            return
        await world.sleep(1.0)


# --- GitHub's lists -------------------------------------------------------------------------------


async def _search(world: World, since: float) -> None:
    """Store what nobody delivered as if it had been: the one way of deliveries does the rest, permission first."""
    me = await world.github.identity()
    names = names_of(world, me)
    found = 0
    for number, installation in enumerate(await world.github.installations()):
        await world.sleep(SEARCH_SECONDS if number else 0.0)
        try:
            search = await world.github.searching(installation)
            repositories = await search.repositories()
        except PASSING:
            raise
        except GitHubError as error:
            log.warning("not searched", installation=installation, status=error.status)
            continue
        for repo in repositories:
            try:
                async for gesture in search.gestures(repo, since, LABELS, names):
                    found += await _take(world, gesture)
            except PASSING:
                raise
            except GitHubError as error:
                # Gone or locked away since it was listed.
                log.warning("not searched", repository=repo.id, status=error.status)
    if found:
        log.info("found unanswered", gestures=found)
        world.work.set()


async def _take(world: World, gesture: Gesture) -> bool:
    event = events.parse(gesture.event, gesture.body)
    if isinstance(event, Ignored | Problem):
        return False
    me = await world.github.identity()
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return False
    if not any(True for _ in asks_of(event, me, names_of(world, me))):
        return False
    # The same name as its cause's: what was delivered need not be decided on again.
    held = f"gesture:{event.place.repo.id}:{gesture.cause}"
    if await world.database.read(lambda connection: effects_made.holder_of(connection, held)) is not None:
        return False
    digest = hashlib.sha256(gesture.event.encode() + b"\0" + gesture.body).hexdigest()
    delivery = Delivery(f"{FOUND}{gesture.name}", gesture.event, digest, gesture.body)
    return await world.database.write(lambda connection: deliveries.add(connection, delivery))
