"""Intents: the row written before an effect that GitHub would do twice, and its result."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.database import insert_once, now
from bot.store.tables import effects


@dataclass(frozen=True, slots=True)
class New:
    """Nobody has tried this effect."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An earlier attempt began, and its outcome is unknown: look outside first."""


@dataclass(frozen=True, slots=True)
class Completed:
    result: str


def reserve(connection: Connection, key: str) -> New | InDoubt | Completed:
    """Announce an attempt at the effect named `key`, and say what is known of earlier ones."""
    if insert_once(connection, effects, key=key, tried_at=now()):
        return New()
    row = connection.execute(sa.select(effects).where(effects.c.key == key)).one()
    if row.done_at is None:
        return InDoubt()
    return Completed(row.result)


def acquire(connection: Connection, key: str, holder: str) -> str:
    """Take `key` for `holder` unless it is taken; says who has it."""
    moment = now()
    if insert_once(connection, effects, key=key, tried_at=moment, done_at=moment, result=holder):
        return holder
    return str(owner(connection, key))


def owner(connection: Connection, key: str) -> str | None:
    found: str | None = connection.scalar(sa.select(effects.c.result).where(effects.c.key == key))
    return found


def complete(connection: Connection, key: str, result: str) -> None:
    connection.execute(effects.update().where(effects.c.key == key).values(done_at=now(), result=result))
