"""Overlapping work is waited for as a whole."""

from __future__ import annotations

import asyncio

import pytest

from bot.engine.gather import gather_all


async def test_results_come_in_the_order_given() -> None:
    ready = asyncio.Event()

    async def first() -> str:
        await ready.wait()
        return "a"

    async def second() -> int:
        ready.set()  # so they do overlap
        return 2

    assert await gather_all(first(), second()) == ("a", 2)


async def test_a_failure_waits_for_the_others_and_the_first_in_order_is_raised() -> None:
    ended = []

    async def fails_late() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append("late")
        raise LookupError("late")

    async def fails_at_once() -> None:
        ended.append("at once")
        raise ValueError("at once")

    async def works() -> None:
        await asyncio.sleep(0)
        ended.append("works")

    with pytest.raises(LookupError, match="late"):
        await gather_all(fails_late(), fails_at_once(), works())
    assert ended == ["at once", "works", "late"]


async def test_who_cancels_the_whole_cancels_the_parts() -> None:
    cancelled = []

    async def endless(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(name)
            raise

    task = asyncio.create_task(gather_all(endless("a"), endless("b")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == ["a", "b"]
