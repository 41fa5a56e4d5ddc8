"""The unfinished work in a dead bot's database: the states in which it was killed."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa

from bot.model import RunState
from bot.rig.crash.stories import USER
from bot.store.database import engine_arguments

# A delivery is stored, then dispatched to a workflow that decides, then its plan is performed. Once its ending is
# decided, a run is reporting: the ending is shown in the comment.
STORED, DECIDING, PLANNED, REPORTING = "delivery stored", "delivery deciding", "delivery planned", "run reporting"
ALL = (STORED, DECIDING, PLANNED, *(f"run {state}" for state in RunState if not state.ended), REPORTING)


def states(database_url: str) -> tuple[str, ...]:
    """Those of ALL that are in the database. The bot must not run.

    A SQLite file is copied and the copy read: a reader would recover the log, which is for the next bot to do.
    """
    url = sa.make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return _read(url.set(drivername="postgresql+psycopg"))
    with tempfile.TemporaryDirectory(prefix="ampbot-states-") as folder:
        file = Path(url.database or "")
        for path in file.parent.glob(f"{file.name}*"):
            shutil.copy(path, folder)
        return _read(url.set(database=str(Path(folder) / file.name)))


def _read(url: sa.URL) -> tuple[str, ...]:
    engine = sa.create_engine(url, poolclass=sa.NullPool, **engine_arguments(url.render_as_string(hide_password=False)))
    with engine.connect() as connection:
        deliveries = connection.execute(
            sa.text("SELECT body, taken_at, plan FROM deliveries WHERE closed_at IS NULL")
        ).all()
        runs = connection.execute(sa.text("SELECT state, ending FROM runs WHERE ended_at IS NULL")).all()
    found = {REPORTING if run.ending is not None else f"run {run.state}" for run in runs}
    for delivery in deliveries:
        if json.loads(bytes(delivery.body))["sender"]["login"] == USER:  # what the bot itself wrote is ignored
            found.add(STORED if delivery.taken_at is None else DECIDING if delivery.plan is None else PLANNED)
    return tuple(state for state in ALL if state in found)
