"""Stopping: one word to stop meets every run asked for before it, and of stop and finish exactly one wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.context import Context
from bot.dispatch.resolve import resolve
from bot.events.effects import FinalizeStopped, Reply, RetryRun, ShowStatus, StartRun, StopRuns
from bot.model import CommentKind, CommentRef, Ending, RunKind, RunState
from bot.store import runs, stops
from bot.store.database import Database
from bot.store.stops import StopResult
from tests.conftest import Do
from tests.events.deliveries import ACTOR, PLACE
from tests.factory import ending, pinned, run_request
from tests.store.rows import active

EARLIER, LATER, LATEST = run_request().at, "2026-05-02T03:04:05Z", "2026-06-02T03:04:05Z"
STOPPED = Ending(RunState.STOPPED, "Stopped.")
WAY = (RunState.PREPARING, RunState.WORKING, RunState.COLLECTING, RunState.PUBLISHING)
WISH = StopRuns(PLACE, "issue:9", CommentRef(CommentKind.ISSUE, 900), ACTOR, LATER, keep=False)


async def stop(do: Do, run: str, *, keep: bool = False) -> StopResult:
    def work(connection: Any) -> StopResult:
        return stops.stop(connection, run, "mona", keep=keep, ending=lambda _state: STOPPED)

    met: StopResult = await do(work)
    return met


async def at(do: Do, state: RunState, run: str = "a", kind: RunKind = RunKind.WORK) -> None:
    """Bring a new run to this state."""
    await do(runs.add, run_request(run, kind=kind))
    for each in WAY[: WAY.index(state) + 1] if state in WAY else ():
        assert await do(runs.set_state, run, each)


# --- one run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "keep", "met"),
    [
        (RunState.QUEUED, False, StopResult.DROPPED),
        (RunState.QUEUED, True, StopResult.DROPPED),
        (RunState.PREPARING, False, StopResult.DROPPED),
        (RunState.PREPARING, True, StopResult.DROPPED),
        (RunState.WORKING, False, StopResult.DROPPED),
        (RunState.WORKING, True, StopResult.KEPT),
        (RunState.COLLECTING, False, StopResult.DROPPED),
        (RunState.COLLECTING, True, StopResult.KEPT),
        (RunState.PUBLISHING, False, StopResult.TOO_LATE),
        (RunState.PUBLISHING, True, StopResult.TOO_LATE),
    ],
)
async def test_what_a_stop_does_depends_on_where_the_run_is(
    do: Do, state: RunState, keep: bool, met: StopResult
) -> None:
    await at(do, state)
    assert await stop(do, "a", keep=keep) is met
    row = await do(runs.get, "a")
    dropped = met is StopResult.DROPPED
    assert (row.state, row.ending) == ((RunState.STOPPED, STOPPED) if dropped else (state, None))
    assert row.stop == {StopResult.DROPPED: "drop", StopResult.KEPT: "keep", StopResult.TOO_LATE: None}[met]
    assert (row.ended_at is not None) is (state is RunState.QUEUED), "only what never began is over at once"
    assert row.active is (state is not RunState.QUEUED)
    assert await do(stops.stopped_by, "a") == ("" if met is StopResult.TOO_LATE else "mona")


async def test_there_is_nothing_to_keep_of_a_review(do: Do) -> None:
    await at(do, RunState.WORKING, kind=RunKind.REVIEW)
    assert await stop(do, "a", keep=True) is StopResult.DROPPED


async def test_a_stopped_run_goes_nowhere(do: Do) -> None:
    await at(do, RunState.PREPARING)
    assert await do(runs.set_sandbox, "a", "sbx-1") is True
    await stop(do, "a")
    assert await do(runs.set_sandbox, "a", "sbx-2") is False
    for state in WAY:
        assert await do(runs.set_state, "a", state) is False
    await do(runs.end, "a", ending())
    row = await do(runs.get, "a")
    assert (row.state, row.ending, row.sandbox) == (RunState.STOPPED, STOPPED, "sbx-2")


async def test_a_second_stop_finds_it_over_and_keep_may_become_drop(do: Do) -> None:
    await at(do, RunState.WORKING)
    assert [await stop(do, "a", keep=True) for _ in range(2)] == [StopResult.KEPT, StopResult.KEPT]
    assert [await stop(do, "a") for _ in range(2)] == [StopResult.DROPPED, StopResult.ALREADY_STOPPED]
    assert await stop(do, "a", keep=True) is StopResult.ALREADY_STOPPED


async def test_an_end_that_is_decided_is_not_changed(do: Do) -> None:
    await at(do, RunState.WORKING)
    await do(runs.end, "a", ending())
    assert await stop(do, "a") is StopResult.TOO_LATE
    assert (await do(runs.get, "a")).ending == ending()


async def test_the_end_of_a_waiting_run_leaves_the_line_in_order(do: Do, database: Database) -> None:
    for run in ("a", "b", "c"):
        await do(runs.add, run_request(run))
    assert await stop(do, "b") is StopResult.DROPPED
    assert await active(database) == ["a"]
    assert await stop(do, "a") is StopResult.DROPPED
    assert await active(database) == ["c"]


@pytest.mark.parametrize("keep", [False, True])
async def test_of_stop_and_finish_exactly_one_wins(do: Do, keep: bool) -> None:
    for number in range(30):
        run = f"r{number}"
        await do(runs.add, run_request(run, number))
        for state in WAY[:3]:
            await do(runs.set_state, run, state)

        async def finish(run: str = run) -> bool:
            return bool(await do(runs.set_state, run, RunState.PUBLISHING))

        both = (stop(do, run, keep=keep), finish()) if number % 2 else (finish(), stop(do, run, keep=keep))
        results = await asyncio.gather(*both)
        [met] = [result for result in results if isinstance(result, StopResult)]
        [published] = [result for result in results if isinstance(result, bool)]
        row = await do(runs.get, run)
        if met is StopResult.DROPPED:
            assert (published, row.state) == (False, RunState.STOPPED)
        elif met is StopResult.KEPT:
            assert (published, row.state, row.stop) == (True, RunState.PUBLISHING, "keep")
        else:
            assert (met, published, row.state, row.stop) == (StopResult.TOO_LATE, True, RunState.PUBLISHING, None)


async def test_lines_that_move_while_they_are_stopped_do_not_lock_each_other_out(do: Do, database: Database) -> None:
    names = [f"r{number}" for number in range(10)]
    await asyncio.gather(*(do(runs.add, run_request(run)) for run in names))
    ends = []
    for run in names:
        row = await do(runs.get, run)
        ends += [stop(do, run), do(runs.finish, row), do(runs.add, run_request(f"{run}x"))]
    await asyncio.gather(*ends)
    assert len(await active(database)) == 1


# --- wishes -----------------------------------------------------------------------------------------


@pytest.fixture
def wished(do: Do, context: Context) -> Any:
    async def wished(action: Any) -> Any:
        return await do(resolve, context, action)

    return wished


async def test_a_stop_meets_all_that_was_asked_for_before_it(do: Do, wished: Any) -> None:
    for run, when in (("a", EARLIER), ("b", EARLIER), ("c", LATEST)):
        await do(runs.add, run_request(run, at=when))
    await do(runs.add, run_request("elsewhere", 8))
    await do(runs.set_state, "a", RunState.PREPARING)
    assert await wished(WISH) == (FinalizeStopped(PLACE, WISH.trigger, ("a", "b"), ()),)
    states = [(await do(runs.get, run)).state for run in ("a", "b", "c", "elsewhere")]
    assert states == [RunState.STOPPED, RunState.STOPPED, RunState.QUEUED, RunState.QUEUED]
    assert "before its turn came" in (await do(runs.get, "b")).ending.message


async def test_the_same_gesture_in_another_delivery_does_nothing_more(do: Do, wished: Any) -> None:
    await do(runs.add, run_request("a"))
    assert await wished(WISH) != ()
    assert await wished(WISH) == ()
    (reply,) = await wished(replace(WISH, at=LATEST))
    assert isinstance(reply, Reply)
    assert reply.text == "Nothing is running here."


async def test_what_the_same_text_asks_for_is_not_stopped(do: Do, wished: Any) -> None:
    same = run_request("a", at=WISH.at, trigger=WISH.trigger)
    assert await wished(StartRun(same)) == (StartRun(same),)
    (reply,) = await wished(WISH)
    assert isinstance(reply, Reply)
    assert (await do(runs.get, "a")).state is RunState.QUEUED


async def test_comments_of_one_second_are_told_apart_by_their_number(do: Do, wished: Any) -> None:
    trigger = WISH.trigger
    for run, comment in (("before", 899), ("after", 901)):
        await do(runs.add, run_request(run, at=WISH.at, trigger=replace(trigger, comment=comment)))
    assert await wished(WISH) == (FinalizeStopped(PLACE, trigger, ("before",), ()),)


async def test_what_arrives_after_the_stop_but_was_asked_for_before_it_is_stopped(do: Do, wished: Any) -> None:
    await wished(WISH)
    for run, when in (("a", EARLIER), ("b", LATEST)):
        await wished(StartRun(run_request(run, at=when)))
    assert [(await do(runs.get, run)).state for run in ("a", "b")] == [RunState.STOPPED, RunState.QUEUED]
    await wished(replace(WISH, event_key="issue:8", at=EARLIER))  # an older word to stop does not hide the later one
    await wished(StartRun(run_request("c")))
    assert (await do(runs.get, "c")).state is RunState.STOPPED


async def test_too_late_is_said_and_the_rest_is_stopped(do: Do, wished: Any) -> None:
    await at(do, RunState.PUBLISHING)
    await do(runs.add, run_request("b"))
    stopped, late = await wished(WISH)
    assert stopped == FinalizeStopped(PLACE, WISH.trigger, ("b",), ())
    assert "Too late: the run here is being published" in late.text


async def test_a_retry_is_the_latest_ended_request_by_somebody_else(do: Do, wished: Any) -> None:
    list_own = run_request("new", actor=replace(ACTOR, id=2, login="omar"), text="", at=LATER)
    first = run_request("a", kind=RunKind.REVIEW, text="", path=None, line=None)
    second = run_request("b", text="do that", path="a.py", line=3)
    for each in (first, second, run_request("c", text="running")):
        await do(runs.add, each)
    (reply,) = await wished(RetryRun(list_own, "issue:9"))
    assert "Nothing here has ended yet" in reply.text
    await do(runs.end, "a", ending())
    await do(runs.end, "b", ending())
    retried = replace(list_own, kind=RunKind.WORK, text="do that", path="a.py", line=3)
    assert await wished(RetryRun(list_own, "issue:9")) == (StartRun(retried),)
    assert (await do(runs.get, "new")).request == retried
    await do(runs.end, "c", ending())
    assert await wished(RetryRun(list_own, "issue:9")) == (StartRun(retried),), "the same gesture is the same run"


async def test_the_state_of_a_conversation_is_one_answer(do: Do, wished: Any) -> None:
    await at(do, RunState.WORKING)
    await do(runs.record_base, "a", pinned())
    (reply,) = await wished(ShowStatus(PLACE, "issue:9", LATER))
    assert (reply.issue, reply.key, reply.at) == (PLACE, f"status:issue:9:{LATER}", LATER)
    assert reply.text.startswith("**Amp is at work** since ")
