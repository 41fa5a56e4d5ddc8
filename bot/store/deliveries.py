"""Webhook deliveries: stored before GitHub gets its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bot.model import Delivery
from bot.store import attempts
from bot.store.database import CHANNEL, now
from bot.store.tables import deliveries

# Prefix of the GUIDs of deliveries that GitHub did not make: the sweep found their events in lists.
RECOVERED_PREFIX = "sweep-"
# The outcome of a delivery that was given up before it had a plan.
GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A stored delivery. `plan`: the planned effects as JSON, None until planned. `received_at`: epoch seconds."""

    guid: str
    event: str
    body: bytes
    received_at: float
    plan: str | None
    outcome: str | None
    given_up: bool = False  # its attempts were used up
    renewals: int = 0  # how often it was begun anew

    @property
    def workflow(self) -> str:
        """The key of its workflow, and of its attempts. The engine never starts a key again."""
        return workflow_key(self.guid, self.renewals)


def workflow_key(guid: str, renewals: int) -> str:
    return f"delivery:{guid}:again{renewals}" if renewals else f"delivery:{guid}"


def add(connection: Connection, delivery: Delivery) -> bool:
    """Store a delivery. False if its GUID, or the same event and body, is stored already."""
    [fresh] = add_all(connection, (delivery,))
    return fresh


def add_all(connection: Connection, arrived: tuple[Delivery, ...]) -> tuple[bool, ...]:
    """Store deliveries. Returns for each whether it is new: neither its GUID nor its event and body were stored.

    One that was given up counts as new when it is redelivered.
    """
    received_at = now()
    # One order for all: two transactions that insert the same rows in different orders deadlock on PostgreSQL.
    rows = [
        {
            "guid": delivery.guid,
            "digest": delivery.digest,
            "event": delivery.event,
            "body": delivery.body,
            "received_at": received_at,
        }
        for delivery in sorted(arrived, key=attrgetter("digest"))
    ]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(deliveries).on_conflict_do_nothing()
    stored = connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
    renewed = _renew(connection, rows) if stored < len(rows) else frozenset()
    if (stored or renewed) and connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"NOTIFY {CHANNEL}"))
    if stored == len(rows):
        return (True,) * len(rows)
    # Some are stored already. The new rows are those with this received_at.
    query = sa.select(deliveries.c.guid, deliveries.c.digest).where(
        deliveries.c.received_at == received_at, deliveries.c.guid.in_([delivery.guid for delivery in arrived])
    )
    new = {tuple(row) for row in connection.execute(query)}
    return tuple(_take(new, (delivery.guid, delivery.digest)) for delivery in arrived)


def _renew(connection: Connection, rows: list[dict[str, Any]]) -> frozenset[str]:
    """Begin those anew that were given up; the others stay as they are. Returns their GUIDs.

    What was planned is performed again: each effect is found or created. The plan that only says that the delivery was
    given up is dropped.
    """
    renewed: set[str] = set()
    for row in rows:
        here = sa.and_(
            deliveries.c.guid == row["guid"],
            deliveries.c.digest == row["digest"],
            deliveries.c.given_up_at.is_not(None),
            deliveries.c.closed_at.is_not(None),
        )
        unplanned = deliveries.c.outcome == GIVEN_UP
        values = {
            "body": row["body"],
            "received_at": row["received_at"],
            "taken_at": None,
            "closed_at": None,
            "given_up_at": None,
            "plan": sa.case((unplanned, None), else_=deliveries.c.plan),
            "outcome": sa.case((unplanned, None), else_=deliveries.c.outcome),
            "renewals": deliveries.c.renewals + 1,
        }
        if connection.execute(deliveries.update().where(here).values(values)).rowcount:
            renewed.add(row["guid"])
    return frozenset(renewed)


def _take(new: set[tuple[Any, ...]], key: tuple[str, str]) -> bool:
    if key not in new:
        return False
    new.remove(key)
    return True


def undispatched(connection: Connection, limit: int = 100, *, without: Collection[str] = ()) -> Mapping[str, str]:
    """GUID -> workflow key of those whose workflow may not exist yet, oldest first, except those in `without`."""
    query = sa.select(deliveries.c.guid, deliveries.c.renewals).where(
        deliveries.c.taken_at.is_(None), deliveries.c.guid.not_in(without)
    )
    found = connection.execute(query.order_by(deliveries.c.received_at).limit(limit))
    return {row.guid: workflow_key(row.guid, row.renewals) for row in found}


def known(connection: Connection, guids: tuple[str, ...]) -> frozenset[str]:
    """Which of the GUIDs are stored."""
    found: set[str] = set()
    for start in range(0, len(guids), 500):
        query = sa.select(deliveries.c.guid).where(deliveries.c.guid.in_(guids[start : start + 500]))
        found |= set(connection.scalars(query))
    return frozenset(found)


def mark_dispatched(connection: Connection, guid: str) -> None:
    """The delivery's workflow exists."""
    connection.execute(deliveries.update().where(deliveries.c.guid == guid).values(taken_at=now()))


def get(connection: Connection, guid: str) -> StoredDelivery:
    """Raises: sqlalchemy.exc.NoResultFound."""
    row = connection.execute(sa.select(deliveries).where(deliveries.c.guid == guid)).one()
    return StoredDelivery(
        row.guid,
        row.event,
        row.body,
        row.received_at,
        row.plan,
        row.outcome,
        given_up=row.given_up_at is not None,
        renewals=row.renewals,
    )


def heartbeat(connection: Connection, guids: frozenset[str]) -> None:
    """Their workflows are running. Once dispatched, `taken_at` is the time of the last heartbeat."""
    if guids:
        connection.execute(deliveries.update().where(deliveries.c.guid.in_(guids)).values(taken_at=now()))


def stale(connection: Connection, seconds: float) -> tuple[tuple[str, float], ...]:
    """(GUID, last heartbeat) of open, dispatched deliveries without a heartbeat for `seconds`."""
    query = sa.select(deliveries.c.guid, deliveries.c.taken_at).where(
        deliveries.c.closed_at.is_(None), deliveries.c.taken_at < now() - seconds
    )
    return tuple((row.guid, row.taken_at) for row in connection.execute(query))


def store_plan(connection: Connection, guid: str, plan: str, outcome: str) -> None:
    """Store the plan, unless there is one: every attempt performs the first plan. `outcome` says why."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.plan.is_(None))
    connection.execute(deliveries.update().where(where).values(plan=plan, outcome=outcome))


def give_up(connection: Connection, guid: str) -> None:
    """Its attempts are used up, or those at one of its effects."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.given_up_at.is_(None))
    connection.execute(deliveries.update().where(where).values(given_up_at=now()))


def is_given_up(connection: Connection, guid: str) -> bool:
    """False also if there is no such delivery."""
    return connection.scalar(sa.select(deliveries.c.given_up_at).where(deliveries.c.guid == guid)) is not None


def close(connection: Connection, guid: str) -> None:
    """All planned effects are performed. Its attempts are forgotten."""
    where = sa.and_(deliveries.c.guid == guid, deliveries.c.closed_at.is_(None))
    connection.execute(deliveries.update().where(where).values(closed_at=now()))
    attempts.clear(connection, f"delivery:{guid}")
