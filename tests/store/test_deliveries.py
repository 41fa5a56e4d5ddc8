"""The inbox: every delivery once, taken up in order, its plan written once."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bot.store import deliveries
from bot.store.database import Database
from bot.store.deliveries import GIVEN_UP
from bot.store.tables import deliveries as table
from tests.conftest import Do
from tests.factory import delivery, stored_delivery


async def test_what_is_stored_comes_back_as_it_came(do: Do) -> None:
    sent = delivery("a", body=b'{"text": "\xff\x00"}')
    assert await do(deliveries.add, sent)
    stored = await do(deliveries.get, "a")
    assert stored == stored_delivery(sent, stored.received_at)


@pytest.mark.parametrize(
    ("guid", "digest", "fresh"),
    [("a", "x", False), ("a", "y", False), ("b", "x", False), ("b", "y", True)],
)
async def test_neither_a_guid_nor_a_digest_comes_twice(do: Do, guid: str, digest: str, fresh: bool) -> None:
    await do(deliveries.add, delivery("a", "x"))
    assert await do(deliveries.add, delivery(guid, digest)) is fresh


async def test_a_duplicate_changes_nothing_of_what_is_stored(do: Do) -> None:
    await do(deliveries.add, delivery("a", "x"))
    await do(deliveries.store_plan, "a", "[]", "nothing")
    before = await do(deliveries.get, "a")
    await do(deliveries.add, delivery("a", "y", event="other", body=b"other"))
    assert await do(deliveries.get, "a") == before


async def test_of_many_at_once_one_is_stored_and_nobody_fails(do: Do) -> None:
    fresh = await asyncio.gather(*(do(deliveries.add, delivery(f"g{number % 5}", "same")) for number in range(20)))
    assert sum(fresh) == 1


async def test_the_oldest_is_taken_up_first_and_once(do: Do) -> None:
    for guid in ("c", "a", "b"):
        await do(deliveries.add, delivery(guid))
    assert tuple(await do(deliveries.undispatched)) == ("c", "a", "b")
    assert tuple(await do(deliveries.undispatched, 2)) == ("c", "a")
    await do(deliveries.mark_dispatched, "a")
    await do(deliveries.mark_dispatched, "nobody")
    assert tuple(await do(deliveries.undispatched)) == ("c", "b")


async def test_a_plan_is_written_once(do: Do) -> None:
    await do(deliveries.add, delivery("a"))
    await do(deliveries.store_plan, "a", "first", "because")
    await do(deliveries.store_plan, "a", "second", "why not")
    stored = await do(deliveries.get, "a")
    assert (stored.plan, stored.outcome) == ("first", "because")


async def test_a_delivery_is_closed_once(do: Do, database: Database) -> None:
    async def closed() -> float | None:
        when: float | None = await database.read(lambda connection: connection.scalar(sa.select(table.c.closed_at)))
        return when

    await do(deliveries.add, delivery("a"))
    assert await closed() is None
    await do(deliveries.close, "a")
    first = await closed()
    await do(deliveries.close, "a")
    assert first is not None
    assert await closed() == first


async def test_nobodys_delivery_is_an_error(do: Do) -> None:
    with pytest.raises(sa.exc.NoResultFound):
        await do(deliveries.get, "nobody")


# --- those that were given up -----------------------------------------------------------------------


async def given_up(do: Do, *, planned: bool) -> None:
    await do(deliveries.add, delivery("a", "x", body=b"words"))
    await do(deliveries.mark_dispatched, "a")
    if planned:
        await do(deliveries.store_plan, "a", "a plan", "1 effects")
    else:
        await do(deliveries.store_plan, "a", "sorry", GIVEN_UP)
    await do(deliveries.give_up, "a")
    await do(deliveries.close, "a")


@pytest.mark.parametrize("planned", [True, False])
async def test_one_that_was_given_up_begins_anew_when_it_is_redelivered(do: Do, planned: bool) -> None:
    await given_up(do, planned=planned)
    assert await do(deliveries.is_given_up, "a")
    assert await do(deliveries.undispatched) == {}
    assert await do(deliveries.add, delivery("a", "x", body=b"words")) is True
    stored = await do(deliveries.get, "a")
    assert (stored.plan, stored.outcome) == (("a plan", "1 effects") if planned else (None, None))
    assert (stored.body, stored.given_up, stored.renewals) == (b"words", False, 1)
    assert await do(deliveries.undispatched) == {"a": "delivery:a:again1"}
    assert await do(deliveries.add, delivery("a", "x", body=b"words")) is False, "it is under way"


@pytest.mark.parametrize(("guid", "digest"), [("a", "y"), ("b", "x")])
async def test_only_the_same_delivery_begins_it_anew(do: Do, guid: str, digest: str) -> None:
    await given_up(do, planned=False)
    assert await do(deliveries.add, delivery(guid, digest)) is False
    assert await do(deliveries.is_given_up, "a")


async def test_one_that_is_still_being_given_up_does_not_begin_anew(do: Do) -> None:
    await do(deliveries.add, delivery("a", "x"))
    await do(deliveries.give_up, "a")
    assert await do(deliveries.add, delivery("a", "x")) is False


async def test_new_and_renewed_ones_come_in_one_group(do: Do) -> None:
    await given_up(do, planned=False)
    arrived = (delivery("b", "z"), delivery("a", "x"), delivery("b", "z"))
    assert await do(deliveries.add_all, arrived) == (True, True, False)
