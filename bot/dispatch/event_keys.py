"""The key of a delivery's event, and which delivery owns the event: it may arrive twice, or be found by the sweep."""

from __future__ import annotations

from collections.abc import Iterable

from bot.context import Context
from bot.events import triggers
from bot.github.repository import Repository
from bot.model import Event
from bot.store import idempotency
from bot.store.deliveries import RECOVERED_PREFIX

# The GUID of an issue event that the sweep found: this prefix, then GitHub's id of the event.
FOUND_EVENT = f"{RECOVERED_PREFIX}{triggers.ISSUE_EVENT}-"


async def event_key(context: Context, event: Event, repository: Repository, guid: str) -> tuple[str, str]:
    """The event key, and the GUID of the delivery that owns it.

    The key is the same if the event is redelivered, or found by the sweep.
    """
    key, trigger = triggers.key(event), triggers.of(event)
    if key is None and guid.startswith(FOUND_EVENT):
        key = triggers.issue_event_key(int(guid.removeprefix(FOUND_EVENT)))
    if key is None and trigger is not None:
        candidates = await repository.issue_events(trigger, event)
        match = await _match(context, event, candidates, guid)
        if match is None:  # GitHub's lists lag behind its deliveries
            await context.sleep(context.settings.list_lag_seconds)
            candidates = await repository.issue_events(trigger, event)
            match = await _match(context, event, candidates, guid)
        if match is not None:
            return match
    return await claim(context, event, key or triggers.delivery_key(guid), guid)


async def _match(context: Context, event: Event, candidates: Iterable[int], guid: str) -> tuple[str, str] | None:
    """Match this delivery to one of these issue events: its key, and the GUID of the delivery that owns it.

    Events in the same second look alike, so each delivery claims a different one. If all of them are claimed, returns
    the first one that the sweep claimed; None if there is none.
    """
    recovered = None
    for number in candidates:
        event_key, owner = await claim(context, event, triggers.issue_event_key(number), guid)
        if owner == guid:
            return event_key, owner
        if recovered is None and is_recovered(owner):
            recovered = event_key, owner
    return recovered


def is_recovered(guid: str) -> bool:
    return guid.startswith(RECOVERED_PREFIX)


async def claim(context: Context, event: Event, event_key: str, guid: str) -> tuple[str, str]:
    """The event key, and the GUID of the delivery that owns it: this one, unless another has claimed it."""
    return event_key, await context.database.write(idempotency.acquire, triggers.owner_key(event, event_key), guid)
