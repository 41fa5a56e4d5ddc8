"""Holds: what is on hold does not leave its queue, and what was put back is begun by one workflow only."""

from __future__ import annotations

import pytest

from bot.model import RunState
from bot.store import history, holds, runs, stale
from bot.store.database import Database
from bot.store.holds import EVERYTHING, FILE, Holds, of_repository
from bot.store.runs import ReadyRun
from tests.conftest import Do
from tests.factory import run_request


async def test_nothing_is_on_hold_at_first(do: Do) -> None:
    assert await do(holds.current) == Holds()


async def test_a_hold_lasts_until_it_is_lifted(do: Do) -> None:
    for name, value in ((EVERYTHING, ""), (FILE, "host"), (of_repository(10), ""), (of_repository(9), "")):
        await do(holds.put, name, value)
    assert await do(holds.current) == Holds(everything=True, file="host", repositories=(9, 10))
    await do(holds.lift, EVERYTHING, of_repository(9))
    assert await do(holds.current) == Holds(file="host", repositories=(10,))
    await do(holds.lift)
    assert await do(holds.current) == Holds()


@pytest.mark.parametrize(("name", "left"), [(EVERYTHING, []), (FILE, []), (of_repository(10), ["b"])])
async def test_what_is_on_hold_is_not_enqueued(do: Do, name: str, left: list[str]) -> None:
    await do(runs.add, run_request("a", repository=10))
    await do(runs.add, run_request("b", repository=11))
    await do(holds.put, name)
    assert [run.id for run in await do(runs.ready_to_enqueue)] == left
    await do(holds.lift)
    assert [run.id for run in await do(runs.ready_to_enqueue)] == ["a", "b"]


async def test_what_was_enqueued_before_is_put_back_for_another_workflow(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.mark_enqueued, "a")
    await do(holds.put, EVERYTHING)
    assert await do(holds.leave_queue, "a", "a") is False
    assert await do(stale.unfinished_runs) == ()
    await do(holds.lift)
    assert await do(runs.ready_to_enqueue) == (ReadyRun("a", 99, 1),)
    assert ReadyRun("a", 99, 1).key == "a:held-1"
    assert await do(holds.leave_queue, "a", "a") is False, "the first workflow, after a kill"
    assert await do(holds.leave_queue, "a", "a:held-1") is True
    assert await do(holds.leave_queue, "a", "a:held-1:2") is True, "revived by the sweep"


async def test_a_run_that_was_put_back_is_not_taken_for_enqueued(do: Do) -> None:
    """The inbox stores that it has enqueued a run after it did: the workflow may have put it back meanwhile."""
    await do(runs.add, run_request("a"))
    await do(holds.put, EVERYTHING)
    assert await do(holds.leave_queue, "a", "a") is False
    await do(runs.mark_enqueued, "a", 0)
    await do(holds.lift)
    assert await do(runs.ready_to_enqueue) == (ReadyRun("a", 99, 1),)


async def test_a_run_under_way_goes_on(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.mark_enqueued, "a")
    assert await do(holds.leave_queue, "a", "a") is True
    await do(runs.set_state, "a", RunState.PREPARING)
    await do(holds.put, EVERYTHING)
    assert await do(holds.leave_queue, "a", "a") is True


async def test_a_repository_is_known_by_the_name_of_its_latest_run(do: Do, database: Database) -> None:
    await do(runs.add, run_request("a", repository=10))
    assert await do(history.repository_id, "Octo/Hello") == 10
    assert await do(history.repository_id, "octo/other") is None
