"""The parts of a sweep by themselves: sandboxes, doubled comments, lost workflows, and what has grown old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from bot.context import Context
from bot.dispatch import inbox
from bot.engine.workflows import Engine
from bot.events.effects import Reply, dump
from bot.github.errors import ForbiddenError, NotFoundError, UnavailableError
from bot.github.records import Comment
from bot.model import Kept
from bot.rig.e2b.server import E2B
from bot.sandbox.client import Sandboxes
from bot.store import deliveries, kept, runs
from bot.store import idempotency as effects_made
from bot.store.database import Database, now
from bot.store.tables import artifacts, marks, run_events, transcript
from bot.store.tables import deliveries as deliveries_table
from bot.store.tables import effects as effects_table
from bot.store.tables import runs as runs_table
from bot.sweep import comments, endings, loop, retention, revive, sandboxes
from bot.text import messages
from tests.events.deliveries import PLACE
from tests.factory import delivery, ending, outcome, run_request

DAY = 86_400.0


async def rows(database: Database, table: sa.Table) -> list[dict[str, Any]]:
    return await database.read(lambda c: [dict(row) for row in c.execute(sa.select(table)).mappings()])


# --- sandboxes --------------------------------------------------------------------------------------


@pytest.fixture
def e2b() -> Iterator[E2B]:
    with E2B() as running:
        yield running


async def test_only_sandboxes_that_a_live_run_needs_are_left(
    context: Context, e2b: E2B, monkeypatch: pytest.MonkeyPatch
) -> None:
    def e2b_of(instance: str) -> Sandboxes:
        return Sandboxes(e2b.api_key, instance=instance, api_url=e2b.url, sandbox_url=e2b.url)

    list_own, theirs = e2b_of("ampbot"), e2b_of("another")
    context = replace(context, sandboxes=list_own)

    async def box(of: Sandboxes, run: str) -> str:
        return (await of.create(run, "amp", seconds=600, repository=10)).id

    live, unwritten, ended, unknown = [await box(list_own, run) for run in ("live", "unwritten", "ended", "unknown")]
    doubled, other = await box(list_own, "doubled"), await box(theirs, "unknown-to-us")
    for number, run in enumerate(("live", "unwritten", "ended", "doubled")):
        await context.database.write(lambda c, r=run, n=number: runs.add(c, run_request(r, n + 1)))  # type: ignore[misc]  # bound now
    for run, sandbox in (("live", live), ("ended", ended), ("doubled", "another")):
        await context.database.write(runs.set_sandbox, run, sandbox)
    await context.database.write(lambda c: runs.finish(c, runs.get(c, "ended")))

    await sandboxes.reap(context)
    assert set(e2b.sandboxes) == {live, unwritten, unknown, doubled, other}, "what is young may yet be written down"
    monkeypatch.setattr(sandboxes, "YOUNG_SECONDS", -60.0)
    await sandboxes.reap(context)
    assert set(e2b.sandboxes) == {live, unwritten, other}


# --- doubled comments -------------------------------------------------------------------------------


class Thread:
    """A conversation whose comments are listed and deleted."""

    def __init__(self, *found: int) -> None:
        self.found = [Comment(number, "", "") for number in found]

    async def identity(self) -> Any:
        return SimpleNamespace(login="ampbot[bot]")

    async def conversation(self, _repo: object) -> Thread:
        return self

    async def find_comments(self, *_: object) -> tuple[Comment, ...]:
        return tuple(self.found)

    async def delete_comment(self, number: int) -> None:
        self.found = [comment for comment in self.found if comment.id != number]


@pytest.mark.parametrize(
    ("took", "held", "left"),
    [(20.0, "12", [12]), (20.0, "99", [11]), (2.0, "12", [11, 12, 13])],
    ids=["the row's stays", "else the oldest", "one that was tried once is not looked at"],
)
async def test_of_comments_made_twice_one_stays(context: Context, took: float, held: str, left: list[int]) -> None:
    thread = Thread(11, 12, 13)
    context = replace(context, github=thread)  # type: ignore[arg-type]  # as much of GitHub as is needed
    plan = dump((Reply(PLACE, "reply:issue:1:a", "text", "2026-01-01T00:00:00Z"),))
    done = now() - 60
    await context.database.write(deliveries.add, delivery("one"))
    await context.database.write(deliveries.store_plan, "one", plan, "1 effects")
    await context.database.write(
        lambda c: c.execute(
            effects_table.insert().values(key="reply:issue:1:a", tried_at=done - took, done_at=done, result=held)
        )
    )
    await comments.delete_duplicates(context)
    assert [comment.id for comment in thread.found] == left
    thread.found = [Comment(1, "", ""), Comment(2, "", "")]
    await comments.delete_duplicates(context)
    assert len(thread.found) == 2, "each is looked at once"


# --- workflows --------------------------------------------------------------------------------------


@pytest.fixture
async def engine(context: Context) -> AsyncIterator[Engine]:
    """One on which every workflow fails."""
    made = Engine(context.settings.database_url)

    async def fail(argument: str) -> None:
        raise ValueError(argument)

    made.workflow(inbox.DISPATCHES[0].workflow, fail)
    made.workflow(inbox.RUNS[0].workflow, fail)
    made.queue(inbox.RUNS[0].queue, concurrency=5, partition_concurrency=5)
    await made.start()
    yield made
    await made.stop()


async def ended(engine: Engine, keys: list[str]) -> None:
    deadline = time.monotonic() + 60
    while await engine.are_active(keys) != dict.fromkeys(keys, False):
        assert time.monotonic() < deadline, await engine.are_active(keys)
        await asyncio.sleep(0.05)


async def test_what_fails_again_and_again_is_given_up_and_its_conversation_goes_on(
    context: Context, engine: Engine
) -> None:
    await context.database.write(deliveries.add, delivery("one"))
    await context.database.write(deliveries.mark_dispatched, "one")
    for run in ("a", "b"):
        await context.database.write(lambda c, r=run: runs.add(c, run_request(r)))  # type: ignore[misc]  # bound now
    await context.database.write(runs.set_comment, "a", 0)
    await context.database.write(runs.mark_enqueued, "a")
    await context.database.write(runs.set_kept_outcome, "a", outcome())
    await context.database.write(runs.save_artifact, "a", kept.CHANGES, [b"a change set"])
    for tries in range(4):
        assert [row["closed_at"] for row in await rows(context.database, deliveries_table)] == [None]
        assert [row["active"] for row in await rows(context.database, runs_table)] == [True, False]
        await revive.requeue(context, engine)
        suffix = f":{tries}" if tries else ""
        await ended(engine, [f"delivery:one{suffix}", f"a{suffix}"])
    await revive.requeue(context, engine)
    (row,) = await rows(context.database, deliveries_table)
    assert (row["outcome"], row["plan"], row["closed_at"] is None) == ("given up", "[]", False)
    first, second = await rows(context.database, runs_table)
    assert (first["state"], first["active"], first["ended_at"] is None) == ("failed", False, False)
    assert (await context.database.read(runs.get, "a")).ending == replace(
        messages.internal_error("a"), kept=Kept.TO_PUBLISH
    )
    assert (second["state"], second["active"]) == ("queued", True)
    assert await engine.are_active(["delivery:one:4", "a:4"]) == {}
    # Only what has grown old is deleted.
    assert await engine.delete_ended(now() - 3600) == 0
    assert await engine.delete_ended(now() + 60) == 8
    assert await engine.are_active(["delivery:one", "a"]) == {}


# --- what has grown old -----------------------------------------------------------------------------


class Nothing:
    async def delete_ended(self, _before: float) -> int:
        return 0


async def test_words_go_after_weeks_and_ids_after_months(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {"new": 1.0, "old": 40.0, "ancient": 100.0}
    moment = now()
    for number, (name, days) in enumerate(ages.items()):
        at = moment - days * DAY
        for module in ("deliveries", "runs", "idempotency"):
            monkeypatch.setattr(f"bot.store.{module}.now", lambda at=at: at)

        def write(connection: sa.Connection, name: str = name, number: int = number) -> None:
            deliveries.add(connection, delivery(name, name, body=b"words"))
            deliveries.store_plan(connection, name, "[]", "1 effects")
            deliveries.close(connection, name)
            runs.add(connection, run_request(name, number + 1))
            runs.append_transcript(connection, name, 0, ((1, "words"),))
            runs.save_artifact(connection, name, "changes", b"words")
            runs.end(connection, name, ending())
            runs.finish(connection, runs.get(connection, name))
            effects_made.acquire(connection, name, "x")

        await context.database.write(write)
    await context.database.write(deliveries.add, delivery("open", "open", body=b"words"))
    await context.database.write(
        lambda c: c.execute(
            marks.insert(),
            [
                {"name": "asked:a", "value": "1", "at": moment - 8 * DAY},
                {"name": "asked:b", "value": "1", "at": moment},
                {"name": "created", "value": "1", "at": moment - 200 * DAY},
            ],
        )
    )
    for _ in range(2):
        await retention.purge(context, Nothing())  # type: ignore[arg-type]  # as much of an engine as is needed
        kept = {
            row["guid"]: (row["body"], row["plan"], row["digest"])
            for row in await rows(context.database, deliveries_table)
        }
        assert kept == {
            "new": (b"words", "[]", "new"),
            "old": (b"", None, "old"),
            "open": (b"words", None, "open"),
        }
        assert {row["id"] for row in await rows(context.database, runs_table)} == {"new", "old"}
        assert {row["key"] for row in await rows(context.database, effects_table)} == {"new", "old"}
        for table in (transcript, artifacts, run_events):
            assert {row["run"] for row in await rows(context.database, table)} == {"new"}
        assert {row["name"] for row in await rows(context.database, marks)} == {"asked:b", "created", "oldest_code"}


# --- the loop ---------------------------------------------------------------------------------------


async def test_one_parts_trouble_does_not_keep_the_others_from_theirs(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def part(name: str, *, fails: bool = False) -> Any:
        async def work(*_: object, **__: object) -> None:
            done.append(name)
            if fails:
                raise RuntimeError(name)

        return work

    monkeypatch.setattr("bot.sweep.missed.recover_deliveries", part("missed", fails=True))
    monkeypatch.setattr("bot.sweep.revive.requeue", part("revive"))
    monkeypatch.setattr("bot.sweep.sandboxes.reap", part("sandboxes"))
    monkeypatch.setattr("bot.sweep.comments.delete_duplicates", part("comments"))
    monkeypatch.setattr("bot.sweep.retention.purge", part("retention"))
    assert await loop.sweep_once(context, Nothing(), starting=True, tidy=True) is False  # type: ignore[arg-type]  # unused
    assert done == ["missed", "revive", "sandboxes", "comments", "retention"]


async def test_on_postgresql_one_sweeps_at_a_time(postgres_url: str) -> None:
    one, two = Database(postgres_url), Database(postgres_url)
    try:
        async with one.try_lock("sweep") as first, two.try_lock("sweep") as second, two.try_lock("other") as other:
            assert (first, second, other) == (True, False, True)
        async with two.try_lock("sweep") as later:
            assert later
    finally:
        one.close()
        two.close()


# --- ends that were not shown -----------------------------------------------------------------------


class Refusing:
    """A GitHub that answers every request with this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def conversation(self, *_: object) -> None:
        raise self._error

    async def current_name(self, *_: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ForbiddenError(403, "archived"), True),
        (NotFoundError(404, "deleted"), False),
        (UnavailableError(502, "away"), True),
    ],
    ids=["refused", "nobody is left to tell", "away for longer than a sweep may take"],
)
async def test_an_end_that_is_refused_again_rests_for_an_hour(
    context: Context, monkeypatch: pytest.MonkeyPatch, error: Exception, again: bool
) -> None:
    monkeypatch.setattr(endings, "REPORT_SECONDS", 0.2 if isinstance(error, UnavailableError) else 20.0)
    context = replace(context, github=Refusing(error))  # type: ignore[arg-type]  # as much of GitHub as is needed
    await context.database.write(runs.add, run_request("one", 1))
    await context.database.write(runs.set_comment, "one", 5)
    await context.database.write(runs.end, "one", ending())
    await context.database.write(lambda c: runs.finish(c, runs.get(c, "one")))
    before = now() - 2 * 3600
    await context.database.write(lambda c: c.execute(runs_table.update().values(unshown_at=before)))
    await endings.retry_reports(context)
    (row,) = await rows(context.database, runs_table)
    assert (row["unshown_at"] is not None) == again
    if again:
        assert row["unshown_at"] > now() - 60
