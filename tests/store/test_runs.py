"""Runs: at most one of a conversation is active, the others wait in order, and the first end stands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.agent.outcome import Failure
from bot.agent.stream import Usage
from bot.model import CommentKind, CommentRef, Ending, RunKind, RunState
from bot.store import runs
from bot.store.database import Database
from bot.store.runs import ReadyRun
from bot.store.tables import runs as table
from bot.store.tables import threads
from tests import factory
from tests.conftest import Do
from tests.factory import ending, outcome, pinned, run_request
from tests.store.rows import active

PINNED = pinned(head_branch="fix", merge_base="me" * 20)
OUTCOME = outcome(
    ok=False,
    answer="ünï \x1b",
    error="broke",
    failure=Failure.TIMEOUT,
    usage=Usage(1, 2, 3, 4),
    turns=5,
    duration_ms=6,
)
ENDING = ending()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every moment is later than the one before, by a whole second."""
    ticks = count(1_000)
    monkeypatch.setattr("bot.store.runs.now", lambda: float(next(ticks)))


async def test_a_run_is_stored_as_it_was_asked_for(do: Do) -> None:
    asked = run_request("a", kind=RunKind.REVIEW, text="ünï\x1b `x`", path="a/b", line=3)
    assert await do(runs.add, asked) == 0
    assert await do(runs.get, "a") == factory.run(asked, created_at=1_000.0)


async def test_nobodys_run_is_an_error(do: Do) -> None:
    with pytest.raises(sa.exc.NoResultFound):
        await do(runs.get, "nobody")


# --- the line of a conversation ---------------------------------------------------------------------


async def test_runs_of_a_conversation_stand_in_line(do: Do, database: Database) -> None:
    assert [await do(runs.add, run_request(run)) for run in ("c", "a", "b")] == [0, 1, 2]
    assert await active(database) == ["c"]


async def test_conversations_do_not_wait_for_each_other(do: Do, database: Database) -> None:
    asked = [run_request("a"), run_request("b", number=8), run_request("c", repository=11)]
    assert [await do(runs.add, each) for each in asked] == [0, 0, 0]
    assert await active(database) == ["a", "b", "c"]


async def test_adding_a_run_again_changes_nothing_and_tells_its_place(do: Do, database: Database) -> None:
    for run in ("a", "b", "c"):
        await do(runs.add, run_request(run))
    before = await do(runs.get, "b")
    assert await do(runs.add, run_request("b", text="something else")) == 1
    assert await do(runs.get, "b") == before
    await do(runs.finish, await do(runs.get, "a"))
    assert [await do(runs.add, run_request(run)) for run in ("a", "b", "c")] == [0, 0, 1]
    assert await active(database) == ["b"]
    assert (await do(runs.get, "a")).active is False


async def test_the_end_of_a_run_lets_the_oldest_in(do: Do, database: Database) -> None:
    for run in ("c", "a", "b"):
        await do(runs.add, run_request(run))
    seen = []
    for run in ("c", "a", "b"):
        seen.append(await active(database))
        await do(runs.finish, await do(runs.get, run))
    assert seen == [["c"], ["a"], ["b"]]
    assert await active(database) == []


async def test_a_run_that_has_ended_is_never_let_in_again(do: Do, database: Database) -> None:
    await do(runs.add, run_request("a"))
    row = await do(runs.get, "a")
    await do(runs.finish, row)
    ended = await do(runs.get, "a")
    await do(runs.finish, row)  # a step that is run again
    await do(runs.activate_next, 10, 7)
    assert await do(runs.get, "a") == ended
    assert (ended.active, ended.ended_at) == (False, 1_001.0)
    assert await active(database) == []


async def test_a_run_that_ends_in_line_lets_nobody_pass(do: Do, database: Database) -> None:
    for run in ("a", "b", "c"):
        await do(runs.add, run_request(run))
    await do(runs.finish, await do(runs.get, "b"))
    assert await active(database) == ["a"]
    await do(runs.finish, await do(runs.get, "a"))
    assert await active(database) == ["c"]


async def test_the_database_itself_holds_that_one_is_active(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.add, run_request("b"))
    with pytest.raises(sa.exc.IntegrityError):
        await do(lambda connection: connection.execute(table.update().values(active=True)))


async def test_many_at_once_stand_in_one_line(do: Do, database: Database) -> None:
    names = [f"r{number}" for number in range(12)]
    places = await asyncio.gather(*(do(runs.add, run_request(run)) for run in names * 2))
    assert places.count(0) == 2  # the same run, added twice
    seen = set()
    while holding := await active(database):
        [run] = holding
        seen.add(run)
        row = await do(runs.get, run)
        await asyncio.gather(do(runs.finish, row), do(runs.finish, row), do(runs.add, run_request("late")))
    assert seen == {*names, "late"}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_order_each_conversation_has_one_active_run_or_none_waiting(
    sqlite: Database, seed: int
) -> None:
    chance = random.Random(seed)
    waiting: dict[int, list[str]] = {1: [], 2: []}

    def step(connection: Connection, name: int) -> None:
        number = chance.choice([1, 2])
        if chance.random() < 0.6 or not waiting[number]:
            waiting[number].append(f"{name:03}")
            assert runs.add(connection, run_request(f"{name:03}", number)) == len(waiting[number]) - 1
        else:
            gone = waiting[number].pop(chance.choice([0, 0, chance.randrange(len(waiting[number]))]))
            runs.finish(connection, runs.get(connection, gone))

    for name in range(120):
        await sqlite.write(step, name)
        assert await active(sqlite) == sorted(line[0] for line in waiting.values() if line)


# --- what the engine is told ------------------------------------------------------------------------


async def test_the_engine_is_told_of_active_runs_once(do: Do) -> None:
    for run, number in (("b", 1), ("a", 2), ("c", 1)):
        await do(runs.add, run_request(run, number, installation=90 + number))
    assert await do(runs.ready_to_enqueue) == (ReadyRun("b", 91, 0), ReadyRun("a", 92, 0))
    assert await do(runs.ready_to_enqueue, 1) == (ReadyRun("b", 91, 0),)
    await do(runs.mark_enqueued, "b")
    assert await do(runs.ready_to_enqueue) == (ReadyRun("a", 92, 0),)
    await do(runs.finish, await do(runs.get, "b"))
    assert await do(runs.ready_to_enqueue) == (ReadyRun("a", 92, 0), ReadyRun("c", 91, 0))
    await do(runs.finish, await do(runs.get, "a"))
    assert await do(runs.ready_to_enqueue) == (ReadyRun("c", 91, 0),)


# --- a run's life -----------------------------------------------------------------------------------


async def test_a_run_remembers_each_stage(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.set_comment, "a", 2**40)
    await do(runs.set_state, "a", RunState.PREPARING)
    await do(runs.record_base, "a", PINNED)
    await do(runs.set_sandbox, "a", "sbx-1")
    await do(runs.set_state, "a", RunState.WORKING)
    await do(runs.set_outcome, await do(runs.get, "a"), OUTCOME)
    await do(runs.set_commit, "a", "c0ffee", "amp/7-x")
    await do(runs.set_pull, "a", 12)
    await do(runs.end, "a", ENDING)
    await do(runs.finish, await do(runs.get, "a"))
    found = await do(runs.get, "a")
    assert found == factory.run(
        run_request("a"),
        state=RunState.PUBLISHED,
        active=False,
        created_at=1_000.0,
        started_at=found.started_at,
        agent_at=found.agent_at,
        ended_at=found.ended_at,
        comment=2**40,
        pinned=PINNED,
        sandbox="sbx-1",
        outcome=OUTCOME,
        commit="c0ffee",
        branch="amp/7-x",
        pull=12,
        ending=ENDING,
    )
    assert 1_000 < found.started_at < found.agent_at < found.ended_at


async def test_a_stage_that_is_begun_again_starts_no_clock_anew(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.set_state, "a", RunState.PREPARING)
    await do(runs.set_state, "a", RunState.WORKING)
    first = await do(runs.get, "a")
    await do(runs.set_state, "a", RunState.PREPARING)
    await do(runs.set_state, "a", RunState.WORKING)
    assert await do(runs.get, "a") == first


async def test_the_first_end_stands_and_no_stage_comes_after_it(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.end, "a", ENDING)
    await do(runs.end, "a", Ending(RunState.FAILED, "No."))
    await do(runs.set_state, "a", RunState.WORKING)
    found = await do(runs.get, "a")
    assert (found.state, found.ending) == (RunState.PUBLISHED, ENDING)


async def test_progress_is_dated(do: Do, database: Database) -> None:
    async def progress() -> float | None:
        return await database.read(lambda connection: connection.scalar(sa.select(table.c.progress_at)))

    await do(runs.add, run_request("a"))
    moments = [await progress()]
    steps: list[tuple[Any, ...]] = [
        (runs.set_comment, "a", 1),
        (runs.set_state, "a", RunState.PREPARING),
        (runs.append_transcript, "a", 0, ((1, "x"),)),
        (runs.end, "a", ENDING),
    ]
    for step in steps:
        await do(*step)
        moments.append(await progress())
    assert moments == sorted(set(moments), key=lambda moment: moment or 0)


async def test_the_thread_of_a_conversation_is_its_newest(do: Do, database: Database) -> None:
    async def of_conversations() -> list[tuple[Any, ...]]:
        query = sa.select(threads.c.repository, threads.c.number, threads.c.thread, threads.c.run).order_by(
            threads.c.number
        )
        return await database.read(lambda connection: [tuple(row) for row in connection.execute(query)])

    for run, number, thread in (("a", 7, "T-1"), ("b", 7, "T-2"), ("c", 8, "T-3"), ("d", 7, None)):
        await do(runs.add, run_request(run, number))
        await do(runs.set_outcome, await do(runs.get, run), replace(OUTCOME, thread=thread))
    assert await of_conversations() == [(10, 7, "T-2", "b"), (10, 8, "T-3", "c")]


# --- what a run keeps -------------------------------------------------------------------------------


async def test_an_artifact_is_kept_under_its_name(do: Do) -> None:
    content = bytes(range(256)) * 1_000
    await do(runs.save_artifact, "a", "changes", b"first")
    await do(runs.save_artifact, "a", "changes", content)
    await do(runs.save_artifact, "b", "changes", b"other")
    assert await do(runs.load_artifact, "a", "changes") == content
    assert await do(runs.load_artifact, "a", "nothing") is None


async def test_a_large_artifact_is_kept_in_pieces(do: Do, database: Database) -> None:
    def pieces(run: str) -> Callable[[Connection], list[bytes]]:
        return lambda connection: list(runs.artifact_pieces(connection, run, "changes"))

    await do(runs.save_artifact, "a", "changes", (b"one", b"two", b"three"))
    await do(runs.save_artifact, "a", "changesets", (b"other", b"one"))
    assert await database.read(pieces("a")) == [b"one", b"two", b"three"]
    assert await do(runs.load_artifact, "a", "changes") == b"onetwothree"
    assert await do(runs.has_artifact, "a", "changes")
    # A shorter one leaves no piece of it, and nothing of another is touched.
    await do(runs.save_artifact, "a", "changes", b"new")
    assert await database.read(pieces("a")) == [b"new"]
    assert await do(runs.load_artifact, "a", "changesets") == b"otherone"
    assert await database.read(pieces("b")) == []
    assert not await do(runs.has_artifact, "b", "changes")


async def test_a_transcript_goes_on_where_it_stopped(do: Do) -> None:
    await do(runs.add, run_request("a"))
    assert await do(runs.transcript_position, "a") == (0, 0)
    await do(runs.append_transcript, "a", 0, ((6, '{"a"}'), (12, "ünï"), (13, "")))
    await do(runs.append_transcript, "a", 3, ())
    assert await do(runs.transcript_position, "a") == (3, 13)
    await do(runs.append_transcript, "a", 3, ((20, "last"),))
    assert await do(runs.transcript_position, "a") == (4, 20)
    assert await do(runs.transcript_lines, "a") == ('{"a"}', "ünï", "", "last")
    assert await do(runs.transcript_lines, "a", 2) == ("", "last")
    assert await do(runs.transcript_lines, "b") == ()


async def test_a_transcript_line_is_never_written_twice(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(runs.append_transcript, "a", 0, ((1, "x"),))
    with pytest.raises(sa.exc.IntegrityError):
        await do(runs.append_transcript, "a", 0, ((1, "x"),))
    assert await do(runs.transcript_lines, "a") == ("x",)


async def test_a_line_of_any_bytes_can_be_stored(do: Do) -> None:
    line = b"\x00\x1b[0m\xff\xed\xa0\x80".decode("utf-8", "replace")
    await do(runs.add, run_request("a"))
    await do(runs.append_transcript, "a", 0, ((9, line),))
    assert await do(runs.transcript_lines, "a") == (line.replace("\0", "\ufffd"),)


async def test_a_trigger_of_each_kind_survives(do: Do) -> None:
    for index, kind in enumerate(CommentKind):
        asked = run_request(f"r{index}", number=index, trigger=CommentRef(kind, 400))
        await do(runs.add, asked)
        assert (await do(runs.get, f"r{index}")).request == asked
