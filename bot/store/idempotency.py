"""Intents: the row written before an effect that GitHub would do twice, and its result."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.database import insert_once, now
from bot.store.tables import effects


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nobody has tried this effect."""


@dataclass(frozen=True, slots=True)
class Tried:
    """An earlier attempt began, and its outcome is unknown: look outside first."""


@dataclass(frozen=True, slots=True)
class Done:
    result: str


def claim(connection: Connection, key: str) -> Fresh | Tried | Done:
    """Announce an attempt at the effect named `key`, and say what is known of earlier ones."""
    if insert_once(connection, effects, key=key, tried_at=now()):
        return Fresh()
    row = connection.execute(sa.select(effects).where(effects.c.key == key)).one()
    if row.done_at is None:
        return Tried()
    return Done(row.result)


def hold(connection: Connection, key: str, holder: str) -> str:
    """Take `key` for `holder` unless it is taken; says who has it."""
    moment = now()
    if insert_once(connection, effects, key=key, tried_at=moment, done_at=moment, result=holder):
        return holder
    return str(holder_of(connection, key))


def holder_of(connection: Connection, key: str) -> str | None:
    found: str | None = connection.scalar(sa.select(effects.c.result).where(effects.c.key == key))
    return found


def settle(connection: Connection, key: str, result: str) -> None:
    connection.execute(effects.update().where(effects.c.key == key).values(done_at=now(), result=result))
