"""Idempotency keys: the row written before an effect that GitHub would perform twice, and its result."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.database import insert_once, now
from bot.store.tables import effects


@dataclass(frozen=True, slots=True)
class New:
    """No attempt was made before."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An earlier attempt has no known outcome: search GitHub first."""


@dataclass(frozen=True, slots=True)
class Completed:
    result: str


def reserve(connection: Connection, key: str) -> New | InDoubt | Completed:
    """Record an attempt at the effect `key`, and return what is known of earlier ones."""
    if insert_once(connection, effects, key=key, tried_at=now()):
        return New()
    row = connection.execute(sa.select(effects).where(effects.c.key == key)).one()
    if row.done_at is None:
        return InDoubt()
    return Completed(row.result)


def acquire(connection: Connection, key: str, owner_id: str) -> str:
    """Assign `key` to `owner_id` unless it is assigned. Returns its owner."""
    at = now()
    if insert_once(connection, effects, key=key, tried_at=at, done_at=at, result=owner_id):
        return owner_id
    return str(owner(connection, key))


def owner(connection: Connection, key: str) -> str | None:
    """The owner, or the result, stored under `key`; None if there is none."""
    found: str | None = connection.scalar(sa.select(effects.c.result).where(effects.c.key == key))
    return found


def complete(connection: Connection, key: str, result: str) -> None:
    """Store the result of the effect `key`."""
    connection.execute(effects.update().where(effects.c.key == key).values(done_at=now(), result=result))
