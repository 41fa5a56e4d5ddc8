"""Intents: of many who claim an effect one is told that it is fresh."""

from __future__ import annotations

import asyncio
from collections import Counter

from bot.store.idempotency import Completed, InDoubt, New, complete, reserve
from tests.conftest import Do


async def test_an_effect_is_fresh_then_tried_then_done(do: Do) -> None:
    assert await do(reserve, "a") == New()
    assert await do(reserve, "a") == InDoubt()
    assert await do(reserve, "a") == InDoubt()
    await do(complete, "a", "42")
    assert await do(reserve, "a") == Completed("42")
    assert await do(reserve, "b") == New()


async def test_of_many_at_once_one_is_told_that_it_is_fresh(do: Do) -> None:
    claims = await asyncio.gather(*(do(reserve, "a") for _ in range(20)))
    assert Counter(claims) == {New(): 1, InDoubt(): 19}


async def test_what_nobody_claimed_cannot_be_settled(do: Do) -> None:
    await do(complete, "a", "42")
    assert await do(reserve, "a") == New()
