"""What tests read of the tables directly."""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import runs as table


async def active(database: Database) -> list[str]:
    """The ids of the runs that hold their conversation."""
    query = sa.select(table.c.id).where(table.c.active).order_by(table.c.id)
    return await database.read(lambda connection: list(connection.scalars(query)))
