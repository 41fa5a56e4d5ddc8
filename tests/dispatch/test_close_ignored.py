"""Deliveries that ask for nothing are closed as they are read; what may have killed its reader is not read again."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bot.context import Context
from bot.dispatch import delivery as dispatching
from bot.dispatch.delivery import close_ignored
from bot.store import attempts, deliveries
from bot.store.attempts import Attempts
from bot.store.database import Database, now
from tests.conftest import Do
from tests.factory import delivery

KEYS = {"a": "delivery:a", "b": "delivery:b"}


@pytest.fixture
def reader(context: Context, database: Database) -> Context:
    """A world over a database of either kind, whose GitHub is known and not needed."""
    return replace(context, database=database, github=SimpleNamespace(identity_known=True))  # type: ignore[arg-type]  # see above


@pytest.fixture(autouse=True)
async def stored(do: Do) -> None:
    for guid in KEYS:
        await do(deliveries.add, delivery(guid, event="ping"))


async def test_what_asks_for_nothing_is_closed_and_leaves_no_attempt(reader: Context, do: Do) -> None:
    assert await close_ignored(reader, KEYS) == (frozenset({"a", "b"}), frozenset())
    assert await do(deliveries.undispatched) == {}
    assert await do(attempts.begun_since, list(KEYS.values()), 0.0) == frozenset()


async def test_what_an_earlier_process_died_of_is_left_to_its_workflow(
    reader: Context, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends."""

    async def deadly(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(dispatching, "_invocations", deadly)
        with pytest.raises(Killed):
            await close_ignored(reader, KEYS)
    later = now() + dispatching.READING_SECONDS + 1
    monkeypatch.setattr(dispatching, "now", lambda: later)
    assert await close_ignored(replace(reader, attempts=Attempts()), KEYS) == (frozenset(), frozenset())
    assert await do(attempts.earlier, "delivery:a", "") == 1, "the first of the five"


async def test_what_another_worker_is_reading_is_left_to_it(reader: Context, do: Do, database: Database) -> None:
    await do(attempts.begin_first, ["delivery:a"])
    closed, others = await close_ignored(reader, KEYS)
    assert closed == {"b"}
    assert others == (frozenset() if database.is_sqlite else {"a"}), "on SQLite there is no other"


async def test_the_workflow_does_not_count_the_reading_of_its_own_process(
    reader: Context, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asks(*_: object) -> tuple[str, str]:
        return "an event", "what it asks for"

    monkeypatch.setattr(dispatching, "_invocations", asks)
    assert await close_ignored(reader, KEYS) == (frozenset(), frozenset())
    known = "delivery:a" in reader.attempts.survived
    assert await reader.database.write(attempts.begin, "delivery:a", "", limit=5, known=known) == 1
