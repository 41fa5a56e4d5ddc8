"""Attempts at a piece of work, as they are counted in the database."""

from __future__ import annotations

import pytest

from bot.store import attempts, deliveries, runs
from bot.store.database import Database, now
from bot.store.tables import attempts as table
from tests.conftest import Do
from tests.factory import delivery, ending, run_request


async def begin(database: Database, key: str = "a", progress: str = "", limit: int = 5, **more: bool) -> int | None:
    number: int | None = await database.write(attempts.begin, key, progress, limit=limit, **more)
    return number


async def test_attempts_are_numbered_up_to_the_limit(do: Do, database: Database) -> None:
    assert [await begin(database) for _ in range(7)] == [1, 2, 3, 4, 5, None, None]
    assert await begin(database, "b") == 1
    assert (await do(attempts.earlier, "a", ""), await do(attempts.earlier, "c", "")) == (5, 0)


async def test_progress_leaves_the_last_attempt(do: Do, database: Database) -> None:
    numbers = [await begin(database, progress=progress) for progress in ("", "", "x", "x", "y")]
    assert numbers == [1, 2, 2, 3, 2]


async def test_what_a_process_survived_is_not_counted_twice(do: Do, database: Database) -> None:
    assert await begin(database) == 1
    assert await begin(database, known=True) == 1
    assert await begin(database, "b", known=True) == 1


async def test_an_attempt_is_given_back_once(do: Do, database: Database) -> None:
    for _ in range(2):
        await begin(database)
    for left in (1, 0, 0):
        await do(attempts.give_back, ("a", "nobody's"))
        assert await do(attempts.earlier, "a", "") == left


async def test_after_progress_only_the_attempt_under_way_counts(do: Do, database: Database) -> None:
    for _ in range(4):
        await begin(database)
    await do(attempts.forget_earlier, "a")
    assert await do(attempts.earlier, "a", "") == 1


async def test_the_first_attempt_at_each_is_told_from_later_ones(do: Do) -> None:
    before = now() - 1
    assert await do(attempts.begin_first, ("a", "b")) == {"a", "b"}
    assert await do(attempts.begin_first, ("b", "c")) == {"c"}
    assert await do(attempts.begun_since, ("a", "x"), before) == {"a"}
    assert await do(attempts.begun_since, ("a", "x"), now() + 1) == frozenset()


@pytest.mark.parametrize("what", ["run", "delivery"])
async def test_the_end_forgets_the_attempts(do: Do, database: Database, what: str) -> None:
    own = ("a", "a:report") if what == "run" else ("delivery:a", "delivery:a:0", "delivery:a:again1")
    for key in (*own, "another", "a-b:report", "delivery:a-b"):
        await begin(database, key)
    if what == "run":
        await do(runs.add, run_request("a"))
        await do(runs.end, "a", ending())
        await do(lambda connection: runs.finish(connection, runs.get(connection, "a")))
    else:
        await do(deliveries.add, delivery("a"))
        await do(deliveries.close, "a")
    left = await database.read(
        lambda connection: set(connection.scalars(table.select().with_only_columns(table.c.key)))
    )
    assert left == {"another", "a-b:report", "delivery:a-b"}
