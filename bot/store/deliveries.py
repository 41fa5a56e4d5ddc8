"""The inbox: what GitHub delivered, stored before it is answered."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.database import insert_once, now
from bot.receive import Delivery
from bot.tables import deliveries

# How the GUIDs of deliveries begin that GitHub never made: the sweep found what they tell of.
FOUND = "sweep-"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored delivery. `plan` is None until it has been decided what to do about it."""

    guid: str
    event: str
    body: bytes
    received_at: float
    plan: str | None
    outcome: str | None


def add(connection: Connection, delivery: Delivery) -> bool:
    """Store one delivery. False if its GUID, or the same event and body, is stored already."""
    return insert_once(
        connection,
        deliveries,
        guid=delivery.guid,
        digest=delivery.digest,
        event=delivery.event,
        body=delivery.body,
        received_at=now(),
    )


def untaken(connection: Connection, limit: int = 100) -> tuple[str, ...]:
    """GUIDs whose workflow may not exist yet, oldest first."""
    query = sa.select(deliveries.c.guid).where(deliveries.c.taken_at.is_(None))
    return tuple(connection.scalars(query.order_by(deliveries.c.received_at).limit(limit)))


def known(connection: Connection, guids: tuple[str, ...]) -> frozenset[str]:
    """Those of the GUIDs that are stored."""
    found: set[str] = set()
    for start in range(0, len(guids), 500):
        query = sa.select(deliveries.c.guid).where(deliveries.c.guid.in_(guids[start : start + 500]))
        found |= set(connection.scalars(query))
    return frozenset(found)


def take(connection: Connection, guid: str) -> None:
    connection.execute(deliveries.update().where(deliveries.c.guid == guid).values(taken_at=now()))


def get(connection: Connection, guid: str) -> Stored:
    """Raises: sqlalchemy.exc.NoResultFound."""
    row = connection.execute(sa.select(deliveries).where(deliveries.c.guid == guid)).one()
    return Stored(row.guid, row.event, row.body, row.received_at, row.plan, row.outcome)


def decide(connection: Connection, guid: str, plan: str, outcome: str) -> None:
    """Write down what is to be done, and why, once: a second attempt must do the same."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.plan.is_(None))
    connection.execute(deliveries.update().where(where).values(plan=plan, outcome=outcome))


def close(connection: Connection, guid: str) -> None:
    """All that was to be done is done."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.closed_at.is_(None))
    connection.execute(deliveries.update().where(where).values(closed_at=now()))
