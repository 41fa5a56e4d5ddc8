"""A key-value store, in the table `marks`. Names have at most 64 characters."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.database import insert_once, now
from bot.store.tables import marks


def get(connection: Connection, name: str) -> str | None:
    value: str | None = connection.scalar(sa.select(marks.c.value).where(marks.c.name == name))
    return value


def put(connection: Connection, name: str, value: str) -> None:
    if not insert_once(connection, marks, name=name, value=value, at=now()):
        connection.execute(marks.update().where(marks.c.name == name).values(value=value, at=now()))
