"""One writer for all transcripts: what is together is committed together, and trouble stays where it belongs."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store import runs
from bot.store.database import Database
from bot.store.tables import transcript
from bot.store.transcripts import MIN_BATCH_SECONDS, POLLS_PER_SECOND, Lines, Transcripts


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def count_commits(database: Database) -> list[None]:
    commits: list[None] = []
    sa.event.listen(database.engine, "commit", lambda _connection: commits.append(None))
    return commits


def stored(connection: Connection) -> list[tuple[str, int, int, str]]:
    columns = (transcript.c.run, transcript.c.sequence, transcript.c.until, transcript.c.line)
    return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns[:2]))]


def line(number: int) -> Lines:
    return ((number * 10, f"line {number}"),)


async def test_what_many_runs_bring_at_once_is_a_few_transactions_and_all_of_it(database: Database) -> None:
    transcripts, commits = Transcripts(at_once), count_commits(database)
    names = [f"run-{number:02d}" for number in range(40)]
    await asyncio.gather(*(transcripts.append(database, name, 0, line(1)) for name in names))
    assert await database.read(stored) == [(name, 0, 10, "line 1") for name in names]
    assert len(commits) == 1


async def test_each_returns_when_its_lines_can_be_read_by_others(database: Database) -> None:
    transcripts = Transcripts(at_once)

    async def follow(name: str) -> None:
        for number in range(5):
            await transcripts.append(database, name, number, line(number))
            assert await database.read(runs.transcript_position, name) == (
                number + 1,
                number * 10,
            )

    await asyncio.gather(*(follow(f"run-{number}") for number in range(8)))
    assert len(await database.read(stored)) == 40


async def test_lines_that_are_there_already_are_refused_to_their_run_alone(database: Database) -> None:
    transcripts = Transcripts(at_once)
    await transcripts.append(database, "b", 0, line(1))
    answers = await asyncio.gather(
        *(transcripts.append(database, name, 0, line(2)) for name in "abc"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(None), sa.exc.IntegrityError, type(None)]
    assert await database.read(stored) == [("a", 0, 20, "line 2"), ("b", 0, 10, "line 1"), ("c", 0, 20, "line 2")]


async def test_a_database_in_trouble_is_said_to_each_and_the_next_lines_are_taken_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcripts = Transcripts(at_once)

    async def locked(_work: object) -> None:
        raise sa.exc.OperationalError("COMMIT", None, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", locked)
        answers = await asyncio.gather(
            *(transcripts.append(database, name, 0, line(1)) for name in "ab"), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [sa.exc.OperationalError] * 2
    await asyncio.gather(*(transcripts.append(database, name, 0, line(1)) for name in "ab"))
    assert await database.read(stored) == [("a", 0, 10, "line 1"), ("b", 0, 10, "line 1")]


async def test_who_leaves_while_waiting_leaves_the_others_their_lines(database: Database) -> None:
    transcripts = Transcripts(at_once)
    leaving = asyncio.create_task(transcripts.append(database, "a", 0, line(1)))
    staying = asyncio.create_task(transcripts.append(database, "b", 0, line(1)))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert leaving.cancelled()
    assert await database.read(stored) == [("a", 0, 10, "line 1"), ("b", 0, 10, "line 1")]


async def test_nothing_to_write_is_no_transaction(database: Database) -> None:
    commits = count_commits(database)
    await Transcripts(at_once).append(database, "a", 0, ())
    assert commits == []


def test_the_more_runs_the_rarer_the_looks_and_their_sum_is_bounded() -> None:
    transcripts = Transcripts()
    assert transcripts.batch_seconds == MIN_BATCH_SECONDS
    with transcripts.live_run():
        assert transcripts.batch_seconds == MIN_BATCH_SECONDS
        transcripts.live = 1000
        assert 1000 / transcripts.batch_seconds == POLLS_PER_SECOND
