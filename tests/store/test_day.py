"""A day's caps: what is counted, for how long, and that a burst does not pass them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.engine import Connection

from bot.caps import Caps, Day, DayReached
from bot.model import Ending, RunRequest, RunState
from bot.store import day, runs
from bot.store.database import Database
from tests.conftest import Do
from tests.factory import actor, run_request

CAPS = Caps(minutes=50, tokens=1, turns=1, person=2, repository=3, installation=4)
HOURS = 3600.0


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time, in hours."""

    def at(hours: float) -> None:
        for module in ("bot.store.runs", "bot.store.day"):
            monkeypatch.setattr(f"{module}.now", lambda: hours * HOURS)

    at(100)
    return at


def asked(run: str, person: int = 1, repository: int = 10, number: int = 7) -> RunRequest:
    return run_request(run, number, repository=repository, actor=actor(id=person))


async def test_the_cap_of_a_person_is_freed_run_by_run(do: Do, at: Callable[[float], None]) -> None:
    await do(runs.add, asked("a"))
    at(101)
    assert await do(day.judge, asked("x"), CAPS) is None
    await do(runs.add, asked("b"))
    assert await do(day.judge, asked("x"), CAPS) == DayReached(Day.PERSON, 2, 124 * HOURS)
    assert await do(day.judge, asked("x", person=2), CAPS) is None
    at(124)
    assert await do(day.judge, asked("x"), CAPS) is None


async def test_a_person_is_counted_by_id_in_every_repository(do: Do, at: Callable[[float], None]) -> None:
    await do(runs.add, asked("a", repository=10))
    await do(runs.add, asked("b", repository=11))
    renamed = replace(asked("x", repository=12), actor=actor(id=1, login="alice-new"))
    assert (await do(day.judge, renamed, CAPS)).day is Day.PERSON


async def test_repositories_and_installations_have_caps_too(do: Do, at: Callable[[float], None]) -> None:
    for number in range(3):
        await do(runs.add, asked(f"a{number}", person=number))
    assert await do(day.judge, asked("x", person=9), CAPS) == DayReached(Day.REPOSITORY, 3, 124 * HOURS)
    assert await do(day.judge, asked("x", person=9, repository=11), CAPS) is None
    await do(runs.add, asked("b", person=8, repository=11))
    assert await do(day.judge, asked("x", person=9, repository=12), CAPS) == DayReached(
        Day.INSTALLATION, 4, 124 * HOURS
    )


async def test_the_cap_is_named_that_lasts_longest(do: Do, at: Callable[[float], None]) -> None:
    await do(runs.add, asked("a", person=2))
    at(101)
    for run in ("b", "c"):
        await do(runs.add, asked(run, person=1))
    assert await do(day.judge, asked("x", person=1), CAPS) == DayReached(Day.PERSON, 2, 125 * HOURS)


@pytest.mark.parametrize("worked", [False, True])
async def test_a_run_that_ended_without_amp_does_not_count(do: Do, at: Callable[[float], None], worked: bool) -> None:
    for run in ("a", "b"):
        await do(runs.add, asked(run))
    if worked:
        await do(runs.set_state, "a", RunState.WORKING)
    await do(runs.end, "a", Ending(RunState.REFUSED, "No."))
    assert (await do(day.judge, asked("x"), CAPS) is not None) == worked


async def test_fifty_at_once_do_not_pass_it(database: Database, at: Callable[[float], None]) -> None:
    """Each in a transaction of its own, in an issue of its own."""

    def ask(connection: Connection, number: int) -> bool:
        request = asked(f"r{number}", number=number, repository=number)
        day.lock(connection, request)
        if day.judge(connection, request, CAPS) is not None:
            return False
        runs.add(connection, request)
        return True

    taken = await asyncio.gather(*(database.write(ask, number) for number in range(50)))
    assert taken.count(True) == 2


async def test_a_refusal_is_answered_once_an_issue_and_a_few_times_a_day(do: Do, at: Callable[[float], None]) -> None:
    answers = [await do(day.may_answer, asked("x", number=number)) for number in (1, 1, 2, 3, 4, 5, 6, 7)]
    assert answers == [True, False, True, True, True, True, False, False]
    assert await do(day.may_answer, asked("x", person=2, number=1)) is True
    at(124)
    assert await do(day.may_answer, asked("x", number=1)) is True
