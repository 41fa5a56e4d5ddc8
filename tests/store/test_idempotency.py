"""Intents: of many who claim an effect one is told that it is fresh."""

from __future__ import annotations

import asyncio
from collections import Counter

from bot.store.idempotency import Done, Fresh, Tried, claim, settle
from tests.conftest import Do


async def test_an_effect_is_fresh_then_tried_then_done(do: Do) -> None:
    assert await do(claim, "a") == Fresh()
    assert await do(claim, "a") == Tried()
    assert await do(claim, "a") == Tried()
    await do(settle, "a", "42")
    assert await do(claim, "a") == Done("42")
    assert await do(claim, "b") == Fresh()


async def test_of_many_at_once_one_is_told_that_it_is_fresh(do: Do) -> None:
    claims = await asyncio.gather(*(do(claim, "a") for _ in range(20)))
    assert Counter(claims) == {Fresh(): 1, Tried(): 19}


async def test_what_nobody_claimed_cannot_be_settled(do: Do) -> None:
    await do(settle, "a", "42")
    assert await do(claim, "a") == Fresh()
