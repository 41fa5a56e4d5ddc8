"""Deliveries that did not reach us: asked for again, or, where GitHub's log does not tell, found in its lists."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch.delivery import invocations_in, our_names
from bot.events import payloads, policy
from bot.events.handler import asking_events
from bot.github.delivery_log import Attempt
from bot.github.errors import TRANSIENT, GitHubError
from bot.github.search import Found
from bot.model import Delivery, Ignored, Problem
from bot.store import deliveries, kv, redelivery_attempts
from bot.store import idempotency as effects_made
from bot.store.database import now
from bot.store.deliveries import RECOVERED_PREFIX

log = structlog.get_logger()

DAY = 86_400.0
# Nothing older than this is looked for (D9).
FARTHEST_SECONDS = 7 * DAY
# GitHub keeps its log for three days; nearer than this, a log without older entries only means that it was quiet.
LOG_SECONDS = 2 * DAY
# Attempts read of the log in one sweep.
MAX_ATTEMPTS = 20_000
# An attempt is written down when it has ended, and GitHub's clock is not ours.
SLACK_SECONDS = 120.0
# A delivery that fails so often although it was asked for is looked for in the lists too: the hook may be out of reach.
PATIENT_TIMES = 5
# From then on it is asked for after a minute, two, four ..., and at last by the hour, until GitHub's log forgets it.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0
# Asked for in one sweep; the rest has its turn in the next.
MAX_ASKED = 500
# GitHub counts a request that writes five of 900 points a minute; this keeps to two thirds.
ASK_SECONDS = 0.5
# Looking through an installation takes a token of its own, five points too, and the App's other tokens come first.
SEARCH_SECONDS = 2.0
# How long the redeliveries may take to arrive, before what nobody delivered is looked for.
ARRIVAL_SECONDS = 30.0

CREATED = "created"
ALIVE = "alive"  # until then nothing is missing: written at the end of a sweep that missed nothing


@dataclass(frozen=True, slots=True)
class _Told:
    """What GitHub's log came to. Epoch seconds; infinite: there is none."""

    untold: float = math.inf  # from here on the lists must tell
    waiting: float = math.inf  # the latest attempt of the delivery that has waited longest for its next


async def recover_deliveries(context: Context, *, starting: bool) -> None:
    """Everything since we were last alive. Raises: GitHubError; then the next sweep looks at the same time again."""
    begun = now()
    since = max(await _last_alive(context, begun), begun - FARTHEST_SECONDS)
    told = await _redeliver(context, since)
    untold = min(told.untold, since) if starting else told.untold
    if untold < begun:
        await _search(context, max(untold, begun - FARTHEST_SECONDS))
    # What has still not arrived is seen again by the next sweep.
    alive = min(begun, told.waiting)
    await context.database.write(kv.put, ALIVE, str(alive))


async def _last_alive(context: Context, moment: float) -> float:
    """Epoch seconds; `moment` where this database has only now been made."""
    created = await context.database.read(kv.get, CREATED)
    if created is None:
        await context.database.write(kv.put, CREATED, str(moment))
        return moment
    alive = await context.database.read(kv.get, ALIVE)
    # What is found a second time is known by its cause.
    return max(float(created), float(alive) - SLACK_SECONDS) if alive is not None else float(created)


# --- GitHub's log ---------------------------------------------------------------------------------


async def _redeliver(context: Context, since: float) -> _Told:
    """Ask again for what failed each time."""
    try:
        failed, reached = await _failed(context, since)
    except TRANSIENT:
        raise
    except GitHubError as error:
        log.warning("no delivery log", status=error.status, github=context.redact(error.message))
        return _Told(untold=since)
    hooks = context.github.hooks()
    untold = math.inf if reached else since
    waiting: list[Attempt] = []
    sent: list[Attempt] = []
    in_vain, left = 0, MAX_ASKED
    for attempt in failed:
        count = await context.database.write(_count, attempt=attempt) if left else None
        if count is None:
            waiting.append(attempt)
            continue
        left -= 1
        try:
            await hooks.redeliver(attempt.id)
            sent.append(attempt)
        except TRANSIENT:
            raise
        except GitHubError as error:
            # Too old for GitHub, whatever the log says: the search may find it.
            log.warning("not redelivered", guid=attempt.guid, status=error.status)
            untold = min(untold, count.first)
        if count.times >= PATIENT_TIMES:
            in_vain += 1
            untold = min(untold, count.first)
        await context.sleep(ASK_SECONDS)
    if sent:
        log.info("asked for again", deliveries=len(sent))
        if in_vain:
            log.warning("is the webhook out of reach?", deliveries=in_vain, asked=f"{PATIENT_TIMES} times or more")
        waiting += await _absent(context, sent)
    return _Told(untold, min((attempt.at for attempt in waiting), default=math.inf))


async def _failed(context: Context, since: float) -> tuple[list[Attempt], bool]:
    """(the latest attempt of each delivery that failed each time and that we have not, oldest first; was that all)."""
    latest: dict[str, Attempt] = {}
    good: set[str] = set()
    reached = since > now() - LOG_SECONDS
    seen = 0
    async for attempt in context.github.hooks().attempts():
        seen += 1
        if attempt.at < since:
            reached = True
            break
        if seen > MAX_ATTEMPTS:
            reached = False
            break
        if attempt.delivered:
            good.add(attempt.guid)
        elif payloads.may_ask(attempt.event, attempt.action):
            latest.setdefault(attempt.guid, attempt)
    missing = [attempt for guid, attempt in latest.items() if guid not in good]
    have = await context.database.read(deliveries.known, guids=tuple(each.guid for each in missing))
    return [each for each in reversed(missing) if each.guid not in have], reached


def _count(connection: Connection, attempt: Attempt) -> redelivery_attempts.RedeliveryAttempts | None:
    """How often it is asked for with this time; None if it is too soon."""
    known = redelivery_attempts.get(connection, attempt.guid) or redelivery_attempts.RedeliveryAttempts(0, attempt.at)
    if now() - attempt.at < pause(known.times):
        return None
    counted = redelivery_attempts.RedeliveryAttempts(known.times + 1, min(known.first, attempt.at))
    redelivery_attempts.put(connection, attempt.guid, counted)
    return counted


def pause(times: int) -> float:
    """Seconds to be kept after an attempt of a delivery that was asked for so often."""
    if times < PATIENT_TIMES:
        return 0.0
    return float(min(PAUSE_SECONDS * 2 ** min(times - PATIENT_TIMES, 16), LONGEST_PAUSE_SECONDS))


async def _absent(context: Context, sent: list[Attempt]) -> list[Attempt]:
    """Wait for them, within reason: what comes by itself need not be searched for. Those that did not come."""
    absent = sent
    for _ in range(int(ARRIVAL_SECONDS)):
        have = await context.database.read(deliveries.known, guids=tuple(each.guid for each in sent))
        absent = [each for each in sent if each.guid not in have]
        if not absent:
            break
        await context.sleep(1.0)
    return absent


# --- GitHub's lists -------------------------------------------------------------------------------


async def _search(context: Context, since: float) -> None:
    """Store what nobody delivered as if it had been: the one way of deliveries does the rest, permission first."""
    me = await context.github.identity()
    asks = asking_events(context.handlers, our_names(context, me))
    count = 0
    for number, installation in enumerate(await context.github.installations()):
        await context.sleep(SEARCH_SECONDS if number else 0.0)
        try:
            search = await context.github.searching(installation)
            repositories = await search.repositories()
        except TRANSIENT:
            raise
        except GitHubError as error:
            log.warning("not searched", installation=installation, status=error.status)
            continue
        for repo in repositories:
            try:
                async for found in search.done_since(repo, since, asks):
                    count += await _store_found(context, found)
            except TRANSIENT:
                raise
            except GitHubError as error:
                # Gone or locked away since it was listed.
                log.warning("not searched", repository=repo.id, status=error.status)
    if count:
        log.info("found unanswered", events=count)
        context.work.set()


async def _store_found(context: Context, found: Found) -> bool:
    event = payloads.parse(found.event, found.body)
    if isinstance(event, Ignored | Problem):
        return False
    me = await context.github.identity()
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return False
    if not any(True for _ in invocations_in(context, event, me)):
        return False
    # The same name as its cause's: what was delivered need not be decided on again.
    held = f"gesture:{event.issue.repo.id}:{found.event_key}"
    if await context.database.read(effects_made.owner, held) is not None:
        return False
    digest = hashlib.sha256(found.event.encode() + b"\0" + found.body).hexdigest()
    delivery = Delivery(f"{RECOVERED_PREFIX}{found.name}", found.event, digest, found.body)
    return await context.database.write(deliveries.add, delivery)
