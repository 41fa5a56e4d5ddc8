"""Stopping: one word to stop meets every run asked for before it, and of stop and finish exactly one wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.context import World
from bot.dispatch.resolve import settle
from bot.events.effects import Reply, RetryRun, ShowStatus, ShowStopped, StartRun, StopRuns
from bot.model import Ending, RunKind, RunState
from bot.store import runs, stops
from bot.store.database import Database
from bot.store.stops import Met
from tests.conftest import Do
from tests.events.deliveries import ACTOR, PLACE
from tests.store.test_runs import ENDING, PINNED, active, request
from tests.text.test_names import REQUEST

LATER, LATEST = "2026-05-02T03:04:05Z", "2026-06-02T03:04:05Z"
STOPPED = Ending(RunState.STOPPED, "Stopped.")
WAY = (RunState.PREPARING, RunState.WORKING, RunState.COLLECTING, RunState.PUBLISHING)
WISH = StopRuns(PLACE, "issue:9", replace(REQUEST.trigger, comment=900), ACTOR, LATER, keep=False)


async def stop(do: Do, run: str, *, keep: bool = False) -> Met:
    def work(connection: Any) -> Met:
        return stops.stop(connection, run, "mona", keep=keep, ending=lambda _state: STOPPED)

    met: Met = await do(work)
    return met


async def at(do: Do, state: RunState, run: str = "a", kind: RunKind = RunKind.WORK) -> None:
    """Bring a new run to this state."""
    await do(runs.add, replace(request(run), kind=kind))
    for each in WAY[: WAY.index(state) + 1] if state in WAY else ():
        assert await do(runs.enter, run, each)


# --- one run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "keep", "met"),
    [
        (RunState.QUEUED, False, Met.DROPPED),
        (RunState.QUEUED, True, Met.DROPPED),
        (RunState.PREPARING, False, Met.DROPPED),
        (RunState.PREPARING, True, Met.DROPPED),
        (RunState.WORKING, False, Met.DROPPED),
        (RunState.WORKING, True, Met.KEPT),
        (RunState.COLLECTING, False, Met.DROPPED),
        (RunState.COLLECTING, True, Met.KEPT),
        (RunState.PUBLISHING, False, Met.LATE),
        (RunState.PUBLISHING, True, Met.LATE),
    ],
)
async def test_what_a_stop_does_depends_on_where_the_run_is(do: Do, state: RunState, keep: bool, met: Met) -> None:
    await at(do, state)
    assert await stop(do, "a", keep=keep) is met
    row = await do(runs.get, "a")
    dropped = met is Met.DROPPED
    assert (row.state, row.ending) == ((RunState.STOPPED, STOPPED) if dropped else (state, None))
    assert row.stop == {Met.DROPPED: "drop", Met.KEPT: "keep", Met.LATE: None}[met]
    assert (row.ended_at is not None) is (state is RunState.QUEUED), "only what never began is over at once"
    assert row.active is (state is not RunState.QUEUED)
    assert await do(stops.stopped_by, "a") == ("" if met is Met.LATE else "mona")


async def test_there_is_nothing_to_keep_of_a_review(do: Do) -> None:
    await at(do, RunState.WORKING, kind=RunKind.REVIEW)
    assert await stop(do, "a", keep=True) is Met.DROPPED


async def test_a_stopped_run_goes_nowhere(do: Do) -> None:
    await at(do, RunState.PREPARING)
    assert await do(runs.in_sandbox, "a", "sbx-1") is True
    await stop(do, "a")
    assert await do(runs.in_sandbox, "a", "sbx-2") is False
    for state in WAY:
        assert await do(runs.enter, "a", state) is False
    await do(runs.end, "a", ENDING)
    row = await do(runs.get, "a")
    assert (row.state, row.ending, row.sandbox) == (RunState.STOPPED, STOPPED, "sbx-2")


async def test_a_second_stop_finds_it_over_and_keep_may_become_drop(do: Do) -> None:
    await at(do, RunState.WORKING)
    assert [await stop(do, "a", keep=True) for _ in range(2)] == [Met.KEPT, Met.KEPT]
    assert [await stop(do, "a") for _ in range(2)] == [Met.DROPPED, Met.OVER]
    assert await stop(do, "a", keep=True) is Met.OVER


async def test_an_end_that_is_decided_is_not_changed(do: Do) -> None:
    await at(do, RunState.WORKING)
    await do(runs.end, "a", ENDING)
    assert await stop(do, "a") is Met.LATE
    assert (await do(runs.get, "a")).ending == ENDING


async def test_the_end_of_a_waiting_run_leaves_the_line_in_order(do: Do, database: Database) -> None:
    for run in ("a", "b", "c"):
        await do(runs.add, request(run))
    assert await stop(do, "b") is Met.DROPPED
    assert await active(database) == ["a"]
    assert await stop(do, "a") is Met.DROPPED
    assert await active(database) == ["c"]


@pytest.mark.parametrize("keep", [False, True])
async def test_of_stop_and_finish_exactly_one_wins(do: Do, keep: bool) -> None:
    for number in range(30):
        run = f"r{number}"
        await do(runs.add, replace(request(run, number)))
        for state in WAY[:3]:
            await do(runs.enter, run, state)

        async def finish(run: str = run) -> bool:
            return bool(await do(runs.enter, run, RunState.PUBLISHING))

        both = (stop(do, run, keep=keep), finish()) if number % 2 else (finish(), stop(do, run, keep=keep))
        results = await asyncio.gather(*both)
        [met] = [result for result in results if isinstance(result, Met)]
        [published] = [result for result in results if isinstance(result, bool)]
        row = await do(runs.get, run)
        if met is Met.DROPPED:
            assert (published, row.state) == (False, RunState.STOPPED)
        elif met is Met.KEPT:
            assert (published, row.state, row.stop) == (True, RunState.PUBLISHING, "keep")
        else:
            assert (met, published, row.state, row.stop) == (Met.LATE, True, RunState.PUBLISHING, None)


async def test_lines_that_move_while_they_are_stopped_do_not_lock_each_other_out(do: Do, database: Database) -> None:
    names = [f"r{number}" for number in range(10)]
    await asyncio.gather(*(do(runs.add, request(run)) for run in names))
    ends = []
    for run in names:
        row = await do(runs.get, run)
        ends += [stop(do, run), do(runs.release, row), do(runs.add, request(f"{run}x"))]
    await asyncio.gather(*ends)
    assert len(await active(database)) == 1


# --- wishes -----------------------------------------------------------------------------------------


@pytest.fixture
def wished(do: Do, world: World) -> Any:
    async def wished(wish: Any) -> Any:
        return await do(settle, world, wish)

    return wished


async def test_a_stop_meets_all_that_was_asked_for_before_it(do: Do, wished: Any) -> None:
    for run, when in (("a", REQUEST.at), ("b", REQUEST.at), ("c", LATEST)):
        await do(runs.add, replace(request(run), at=when))
    await do(runs.add, request("elsewhere", 8))
    await do(runs.enter, "a", RunState.PREPARING)
    assert await wished(WISH) == (ShowStopped(PLACE, WISH.trigger, ("a", "b"), ()),)
    states = [(await do(runs.get, run)).state for run in ("a", "b", "c", "elsewhere")]
    assert states == [RunState.STOPPED, RunState.STOPPED, RunState.QUEUED, RunState.QUEUED]
    assert "before its turn came" in (await do(runs.get, "b")).ending.say


async def test_the_same_gesture_in_another_delivery_does_nothing_more(do: Do, wished: Any) -> None:
    await do(runs.add, request("a"))
    assert await wished(WISH) != ()
    assert await wished(WISH) == ()
    (reply,) = await wished(replace(WISH, at=LATEST))
    assert isinstance(reply, Reply)
    assert reply.text == "Nothing is running here."


async def test_what_the_same_text_asks_for_is_not_stopped(do: Do, wished: Any) -> None:
    same = replace(request("a"), at=WISH.at, trigger=WISH.trigger)
    assert await wished(StartRun(same)) == (StartRun(same),)
    (reply,) = await wished(WISH)
    assert isinstance(reply, Reply)
    assert (await do(runs.get, "a")).state is RunState.QUEUED


async def test_comments_of_one_second_are_told_apart_by_their_number(do: Do, wished: Any) -> None:
    trigger = WISH.trigger
    for run, comment in (("before", 899), ("after", 901)):
        await do(runs.add, replace(request(run), at=WISH.at, trigger=replace(trigger, comment=comment)))
    assert await wished(WISH) == (ShowStopped(PLACE, trigger, ("before",), ()),)


async def test_what_arrives_after_the_stop_but_was_asked_for_before_it_is_stopped(do: Do, wished: Any) -> None:
    await wished(WISH)
    for run, when in (("a", REQUEST.at), ("b", LATEST)):
        await wished(StartRun(replace(request(run), at=when)))
    assert [(await do(runs.get, run)).state for run in ("a", "b")] == [RunState.STOPPED, RunState.QUEUED]
    await wished(replace(WISH, cause="issue:8", at=REQUEST.at))  # an older word to stop does not hide the later one
    await wished(StartRun(request("c")))
    assert (await do(runs.get, "c")).state is RunState.STOPPED


async def test_too_late_is_said_and_the_rest_is_stopped(do: Do, wished: Any) -> None:
    await at(do, RunState.PUBLISHING)
    await do(runs.add, request("b"))
    stopped, late = await wished(WISH)
    assert stopped == ShowStopped(PLACE, WISH.trigger, ("b",), ())
    assert "Too late: the run here is being published" in late.text


async def test_a_retry_is_the_latest_ended_request_by_somebody_else(do: Do, wished: Any) -> None:
    mine = replace(request("new"), actor=replace(ACTOR, id=2, login="omar"), text="", at=LATER)
    first = replace(request("a"), kind=RunKind.REVIEW, text="", path=None, line=None)
    second = replace(request("b"), text="do that", path="a.py", line=3)
    for each in (first, second, replace(request("c"), text="running")):
        await do(runs.add, each)
    (reply,) = await wished(RetryRun(mine, "issue:9"))
    assert "Nothing here has ended yet" in reply.text
    await do(runs.end, "a", ENDING)
    await do(runs.end, "b", ENDING)
    retried = replace(mine, kind=RunKind.WORK, text="do that", path="a.py", line=3)
    assert await wished(RetryRun(mine, "issue:9")) == (StartRun(retried),)
    assert (await do(runs.get, "new")).request == retried
    await do(runs.end, "c", ENDING)
    assert await wished(RetryRun(mine, "issue:9")) == (StartRun(retried),), "the same gesture is the same run"


async def test_the_state_of_a_conversation_is_one_answer(do: Do, wished: Any) -> None:
    await at(do, RunState.WORKING)
    await do(runs.pin, "a", PINNED)
    (reply,) = await wished(ShowStatus(PLACE, "issue:9", LATER))
    assert (reply.place, reply.key, reply.at) == (PLACE, f"status:issue:9:{LATER}", LATER)
    assert reply.text.startswith("**Amp is at work** since ")
