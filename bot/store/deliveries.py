"""The inbox: what GitHub delivered, stored before it is answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.model import Delivery
from bot.store.database import CHANNEL, now
from bot.store.tables import deliveries

# How the GUIDs of deliveries begin that GitHub never made: the sweep found what they tell of.
RECOVERED_PREFIX = "sweep-"


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A stored delivery. `plan` is None until it has been decided what to do about it."""

    guid: str
    event: str
    body: bytes
    received_at: float
    plan: str | None
    outcome: str | None


def add(connection: Connection, delivery: Delivery) -> bool:
    """Store one delivery. False if its GUID, or the same event and body, is stored already."""
    [fresh] = add_all(connection, (delivery,))
    return fresh


def add_all(connection: Connection, arrived: tuple[Delivery, ...]) -> tuple[bool, ...]:
    """Store each unless its GUID, or the same event and body, is stored already or stands before it. Which were new."""
    moment = now()
    # Two groups that hold the same deliveries must meet them in the same order, or PostgreSQL finds a deadlock.
    rows = [
        {"guid": one.guid, "digest": one.digest, "event": one.event, "body": one.body, "received_at": moment}
        for one in sorted(arrived, key=attrgetter("digest"))
    ]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(deliveries).on_conflict_do_nothing()
    stored = connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
    if stored and connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"NOTIFY {CHANNEL}"))
    if stored == len(rows):
        return (True,) * len(rows)
    # Some were known. A row has either been there before or this moment's time.
    query = sa.select(deliveries.c.guid, deliveries.c.digest).where(
        deliveries.c.received_at == moment, deliveries.c.guid.in_([one.guid for one in arrived])
    )
    new = {tuple(row) for row in connection.execute(query)}
    return tuple(_once(new, (one.guid, one.digest)) for one in arrived)


def _once(new: set[tuple[Any, ...]], key: tuple[str, str]) -> bool:
    if key not in new:
        return False
    new.remove(key)
    return True


def undispatched(connection: Connection, limit: int = 100, *, without: Collection[str] = ()) -> tuple[str, ...]:
    """GUIDs whose workflow may not exist yet, oldest first; those in `without` are passed over."""
    query = sa.select(deliveries.c.guid).where(deliveries.c.taken_at.is_(None), deliveries.c.guid.not_in(without))
    return tuple(connection.scalars(query.order_by(deliveries.c.received_at).limit(limit)))


def known(connection: Connection, guids: tuple[str, ...]) -> frozenset[str]:
    """Those of the GUIDs that are stored."""
    found: set[str] = set()
    for start in range(0, len(guids), 500):
        query = sa.select(deliveries.c.guid).where(deliveries.c.guid.in_(guids[start : start + 500]))
        found |= set(connection.scalars(query))
    return frozenset(found)


def mark_dispatched(connection: Connection, guid: str) -> None:
    connection.execute(deliveries.update().where(deliveries.c.guid == guid).values(taken_at=now()))


def get(connection: Connection, guid: str) -> StoredDelivery:
    """Raises: sqlalchemy.exc.NoResultFound."""
    row = connection.execute(sa.select(deliveries).where(deliveries.c.guid == guid)).one()
    return StoredDelivery(row.guid, row.event, row.body, row.received_at, row.plan, row.outcome)


def heartbeat(connection: Connection, guids: frozenset[str]) -> None:
    """Their workflows go on: `taken_at` is the last sign of it."""
    if guids:
        connection.execute(deliveries.update().where(deliveries.c.guid.in_(guids)).values(taken_at=now()))


def stale(connection: Connection, seconds: float) -> tuple[tuple[str, float], ...]:
    """(GUID, time of the last sign) of deliveries that are taken, not closed, and silent for so long."""
    query = sa.select(deliveries.c.guid, deliveries.c.taken_at).where(
        deliveries.c.closed_at.is_(None), deliveries.c.taken_at < now() - seconds
    )
    return tuple((row.guid, row.taken_at) for row in connection.execute(query))


def store_plan(connection: Connection, guid: str, plan: str, outcome: str) -> None:
    """Write down what is to be done, and why, once: a second attempt must do the same."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.plan.is_(None))
    connection.execute(deliveries.update().where(where).values(plan=plan, outcome=outcome))


def close(connection: Connection, guid: str) -> None:
    """All that was to be done is done."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.closed_at.is_(None))
    connection.execute(deliveries.update().where(where).values(closed_at=now()))
