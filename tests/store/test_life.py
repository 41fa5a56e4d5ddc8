"""Signs of life: what happened to a run, who is silent, and how often a run changed hands."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bot.model import RunState
from bot.store import deliveries, kv, runs
from bot.store.database import Database
from bot.store.tables import run_events
from bot.store.tables import runs as table
from tests.conftest import Do
from tests.factory import delivery, ending, run_request


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (runs, deliveries, kv):
        monkeypatch.setattr(module, "now", clock)
    return clock


async def told(database: Database, run: str) -> list[tuple[int, str]]:
    query = sa.select(run_events.c.sequence, run_events.c.event).where(run_events.c.run == run)
    return await database.read(lambda c: [tuple(row) for row in c.execute(query.order_by(run_events.c.sequence))])


async def test_what_happens_to_a_run_is_told_in_order_and_once(do: Do, database: Database) -> None:
    await do(runs.add, run_request("a"))
    for state in (RunState.PREPARING, RunState.PREPARING, RunState.WORKING):
        await do(runs.set_state, "a", state)
    await do(runs.end, "a", ending())
    await do(runs.end, "a", ending())
    assert await told(database, "a") == [(0, "preparing"), (1, "working"), (2, "published")]


async def test_a_run_is_silent_when_it_left_the_queue_and_gives_no_sign(do: Do, clock: Clock) -> None:
    for run, number in (("waiting", 1), ("silent", 2), ("alive", 3), ("ended", 4)):
        await do(runs.add, run_request(run, number=number))
        if run != "waiting":
            await do(runs.mark_enqueued, run)
    await do(runs.finish, await do(runs.get, "ended"))
    clock.now += 61
    await do(runs.heartbeat, frozenset({"alive"}))
    await do(runs.heartbeat, frozenset())
    assert await do(runs.stale, 60.0) == (("silent", 1_000.0),)


async def test_a_delivery_is_silent_when_it_was_taken_and_gives_no_sign(do: Do, clock: Clock) -> None:
    for guid in ("waiting", "silent", "alive", "closed"):
        await do(deliveries.add, delivery(guid))
        if guid != "waiting":
            await do(deliveries.mark_dispatched, guid)
    await do(deliveries.close, "closed")
    clock.now += 61
    await do(deliveries.heartbeat, frozenset({"alive"}))
    assert await do(deliveries.stale, 60.0) == (("silent", 1_000.0),)


async def test_each_change_of_hands_is_counted(do: Do, database: Database) -> None:
    for run, number in (("a", 1), ("b", 2)):
        await do(runs.add, run_request(run, number=number))
    await do(runs.count_takeover, ["a"])
    await do(runs.count_takeover, ["a", "b"])
    query = sa.select(table.c.id, table.c.takeovers).order_by(table.c.id)
    assert await database.read(lambda connection: [tuple(row) for row in connection.execute(query)]) == [
        ("a", 2),
        ("b", 1),
    ]


async def test_a_mark_is_what_was_put_last(do: Do) -> None:
    assert await do(kv.get, "sweep") is None
    await do(kv.put, "sweep", "1")
    await do(kv.put, "sweep", "2")
    assert await do(kv.get, "sweep") == "2"
