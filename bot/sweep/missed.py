"""Recovers deliveries that did not reach us: has GitHub redeliver them, or finds their events in GitHub's lists."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch.invocations import invocations_in, our_names
from bot.events import payloads, policy, triggers
from bot.events.handler import asking_events
from bot.github.delivery_log import Attempt
from bot.github.errors import TRANSIENT, GitHubError
from bot.github.search import Found, Repo, Search
from bot.model import CommentEvent, Delivery, Ignored, Problem
from bot.store import deliveries, idempotency, kv, redelivery_attempts
from bot.store.database import now
from bot.store.deliveries import RECOVERED_PREFIX

log = structlog.get_logger()

DAY = 86_400.0
# The sweep looks back no further than this.
FARTHEST_SECONDS = 7 * DAY
# GitHub keeps its log for three days. So it is complete for the last two, even if it has no entry before them.
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/viewing-webhook-deliveries
LOG_SECONDS = 2 * DAY
# The limit of log entries read in one sweep.
MAX_ATTEMPTS = 20_000
# GitHub logs an attempt when it has ended, and its clock may differ from ours.
SLACK_SECONDS = 120.0
# After this many redeliveries, search GitHub's lists too: the webhook may be unreachable.
PATIENT_TIMES = 5
# From then on, redeliver after 1 minute, 2, 4 ... and at last every hour, until GitHub's log drops the delivery.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0
# The limit of redeliveries in one sweep. The next sweep continues with the rest.
MAX_ASKED = 500
# Pause between redeliveries. Each costs 5 points of GitHub's 900 a minute; this uses two thirds of them.
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
ASK_SECONDS = 0.5
# Pause between installations. Each needs a token, which costs 5 points too, and tokens for other work come first.
SEARCH_SECONDS = 2.0
# How long to wait for redeliveries before searching the lists.
ARRIVAL_SECONDS = 30.0

# Keys of stored epoch seconds.
CREATED = "created"  # when this database was created
ALIVE = "alive"  # up to then no delivery is missing: written at the end of a sweep


@dataclass(frozen=True, slots=True)
class _LogResult:
    """What is left to do after reading GitHub's log. Epoch seconds; infinite if there is nothing."""

    search_since: float = math.inf  # search the lists from then on
    waiting_since: float = math.inf  # the earliest last attempt of a delivery that has still not arrived


async def recover_deliveries(context: Context, *, starting: bool) -> None:
    """Recover what was missed since the last sweep. `starting`: search the lists for all of that time.

    Raises: GitHubError; the next sweep then covers the same time again.
    """
    begun = now()
    since = max(await _last_alive(context, begun), begun - FARTHEST_SECONDS)
    result = await _redeliver(context, since)
    search_since = min(result.search_since, since) if starting else result.search_since
    if search_since < begun:
        await _search(context, max(search_since, begun - FARTHEST_SECONDS))
    # The next sweep looks again at deliveries that have still not arrived.
    alive = min(begun, result.waiting_since)
    await context.database.write(kv.put, ALIVE, str(alive))


async def _last_alive(context: Context, moment: float) -> float:
    """Up to when no delivery is missing, in epoch seconds; `moment` if this database is new."""
    created = await context.database.read(kv.get, CREATED)
    if created is None:
        await context.database.write(kv.put, CREATED, str(moment))
        return moment
    alive = await context.database.read(kv.get, ALIVE)
    # An event that is found again is recognized by its event key.
    return max(float(created), float(alive) - SLACK_SECONDS) if alive is not None else float(created)


# --- GitHub's log ---------------------------------------------------------------------------------


async def _redeliver(context: Context, since: float) -> _LogResult:
    """Have GitHub redeliver every delivery of which all attempts failed."""
    try:
        failed, complete = await _failed(context, since)
    except TRANSIENT:
        raise
    except GitHubError as error:
        log.warning("no delivery log", status=error.status, github=context.redact(error.message))
        return _LogResult(search_since=since)
    hooks = context.github.hooks()
    search_since = math.inf if complete else since
    waiting: list[Attempt] = []
    sent: list[Attempt] = []
    failing, remaining = 0, MAX_ASKED
    for attempt in failed:
        count = await context.database.write(_count, attempt=attempt) if remaining else None
        if count is None:
            waiting.append(attempt)
            continue
        remaining -= 1
        try:
            await hooks.redeliver(attempt.id)
            sent.append(attempt)
        except TRANSIENT:
            raise
        except GitHubError as error:
            # For example too old, although the log still has it. The search may find its event.
            log.warning("not redelivered", guid=attempt.guid, status=error.status)
            search_since = min(search_since, count.first)
        if count.times >= PATIENT_TIMES:
            failing += 1
            search_since = min(search_since, count.first)
        await context.sleep(ASK_SECONDS)
    if sent:
        log.info("asked for again", deliveries=len(sent))
        if failing:
            log.warning("is the webhook out of reach?", deliveries=failing, asked=f"{PATIENT_TIMES} times or more")
        waiting += await _not_arrived(context, sent)
    return _LogResult(search_since, min((attempt.at for attempt in waiting), default=math.inf))


async def _failed(context: Context, since: float) -> tuple[list[Attempt], bool]:
    """(the latest attempt of each missing delivery, oldest first; whether the log goes back to `since`).

    A delivery is missing if all its attempts failed, we have not stored it, and it may ask for something.
    """
    latest: dict[str, Attempt] = {}
    delivered: set[str] = set()
    complete = since > now() - LOG_SECONDS
    seen = 0
    async for attempt in context.github.hooks().attempts():
        seen += 1
        if attempt.at < since:
            complete = True
            break
        if seen > MAX_ATTEMPTS:
            complete = False
            break
        if attempt.delivered:
            delivered.add(attempt.guid)
        elif payloads.can_ask(attempt.event, attempt.action):
            latest.setdefault(attempt.guid, attempt)
    missing = [attempt for guid, attempt in latest.items() if guid not in delivered]
    stored = await context.database.read(deliveries.known, guids=tuple(attempt.guid for attempt in missing))
    return [attempt for attempt in reversed(missing) if attempt.guid not in stored], complete


def _count(connection: Connection, attempt: Attempt) -> redelivery_attempts.RedeliveryAttempts | None:
    """Count another redelivery, and return the new count; None if it is too soon for one."""
    known = redelivery_attempts.get(connection, attempt.guid) or redelivery_attempts.RedeliveryAttempts(0, attempt.at)
    if now() - attempt.at < pause(known.times):
        return None
    counted = redelivery_attempts.RedeliveryAttempts(known.times + 1, min(known.first, attempt.at))
    redelivery_attempts.put(connection, attempt.guid, counted)
    return counted


def pause(times: int) -> float:
    """Seconds from the last attempt to the next redelivery, after `times` redeliveries."""
    if times < PATIENT_TIMES:
        return 0.0
    return float(min(PAUSE_SECONDS * 2 ** min(times - PATIENT_TIMES, 16), LONGEST_PAUSE_SECONDS))


async def _not_arrived(context: Context, sent: list[Attempt]) -> list[Attempt]:
    """Wait up to ARRIVAL_SECONDS for these redeliveries. Returns those that have not arrived."""
    absent = sent
    for _ in range(int(ARRIVAL_SECONDS)):
        stored = await context.database.read(deliveries.known, guids=tuple(attempt.guid for attempt in sent))
        absent = [attempt for attempt in sent if attempt.guid not in stored]
        if not absent:
            break
        await context.sleep(1.0)
    return absent


# --- GitHub's lists -------------------------------------------------------------------------------


async def _search(context: Context, since: float) -> None:
    """Store events that GitHub did not deliver as deliveries. Dispatch then handles them like any other."""
    me = await context.github.identity()
    answered = asking_events(context.handlers, our_names(context, me))
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
                async for found in search.done_since(repo, since, answered):
                    count += await _store_found(context, search, repo, found)
            except TRANSIENT:
                raise
            except GitHubError as error:
                # Deleted, or no longer accessible, since it was listed.
                log.warning("not searched", repository=repo.id, status=error.status)
    if count:
        log.info("found unanswered", events=count)
        context.work.set()


async def _store_found(context: Context, search: Search, repo: Repo, found: Found) -> bool:
    """Store the event as a delivery, if it asks for something and no delivery owns it. Returns whether it did.

    A text must be its author's alone, as for a delivery of GitHub's (`payloads.py`).
    """
    event = payloads.parse(found.event, found.body)
    if isinstance(event, Ignored | Problem):
        return False
    me = await context.github.identity()
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return False
    if not any(True for _ in invocations_in(context, event, me)):
        return False
    if await context.database.read(idempotency.owner, triggers.owner_key(event, found.event_key)) is not None:
        return False
    if isinstance(event, CommentEvent) and not await _is_its_authors(search, repo, found, event):
        return False
    digest = hashlib.sha256(found.event.encode() + b"\0" + found.body).hexdigest()
    delivery = Delivery(f"{RECOVERED_PREFIX}{found.name}", found.event, digest, found.body)
    return await context.database.write(deliveries.add, delivery)


async def _is_its_authors(search: Search, repo: Repo, found: Found, event: CommentEvent) -> bool:
    try:
        if await search.is_its_authors(repo, found, event):
            return True
        log.info("found, but not its author's", event_key=found.event_key)
    except TRANSIENT:
        raise
    except GitHubError as error:
        # For example deleted since it was listed. What else was found in the repository is taken up.
        log.warning("author not known", event_key=found.event_key, status=error.status)
    return False
