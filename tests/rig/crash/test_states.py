"""The states in which a bot was killed, as its database tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.model import RunState
from bot.rig.crash.states import ALL, states
from bot.rig.crash.stories import USER
from bot.store.database import Database
from bot.store.tables import deliveries, runs
from tests.factory import RUN

BOT = "ampbot[bot]"


def url(database: Database) -> str:
    found = database.engine.url
    return found.set(drivername=found.get_backend_name()).render_as_string(hide_password=False)


def insert(database: Database, table: sa.Table, **values: Any) -> None:
    with database.engine.begin() as connection:
        connection.execute(table.insert().values(**values))


def delivery(database: Database, by: str = USER, **values: Any) -> None:
    body = json.dumps({"sender": {"login": by}}).encode()
    insert(database, deliveries, **{"guid": "g", "digest": "d", "event": "e", "body": body, "received_at": 1} | values)


def run(database: Database, state: str, **values: Any) -> None:
    sample = {"id": RUN, "installation": 1, "repository": 1, "number": 1, "active": True, "request": "{}"}
    insert(database, runs, **sample | {"created_at": 1, "progress_at": 1, "state": state} | values)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, ("delivery stored",)),
        ({"taken_at": 2}, ("delivery deciding",)),
        ({"taken_at": 2, "plan": "[]"}, ("delivery planned",)),
        ({"taken_at": 2, "plan": "[]", "closed_at": 3}, ()),
        ({"by": BOT}, ()),
    ],
)
def test_a_delivery(database: Database, values: dict[str, Any], found: tuple[str, ...]) -> None:
    delivery(database, **values)
    assert states(url(database)) == found


@pytest.mark.parametrize("state", [state for state in RunState if not state.ended])
def test_a_run(database: Database, state: RunState) -> None:
    run(database, state)
    assert states(url(database)) == (f"run {state}",)


@pytest.mark.parametrize(("values", "found"), [({}, ("run reporting",)), ({"ended_at": 4}, ())])
def test_a_run_whose_ending_is_decided(database: Database, values: dict[str, Any], found: tuple[str, ...]) -> None:
    run(database, "publishing", ending="{}", **values)
    assert states(url(database)) == found


def test_several_are_told_in_order(database: Database) -> None:
    run(database, "queued")
    delivery(database, taken_at=2, plan="[]")
    assert states(url(database)) == ("delivery planned", "run queued")
    assert set(states(url(database))) < set(ALL)


def test_the_log_of_a_file_is_left_as_it_is(sqlite: Database) -> None:
    run(sqlite, "working")
    file = sqlite.file
    assert file is not None
    before = contents(file)
    assert f"{file.name}-wal" in before
    assert states(url(sqlite)) == ("run working",)
    assert contents(file) == before


def contents(file: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in file.parent.glob(f"{file.name}*")}
