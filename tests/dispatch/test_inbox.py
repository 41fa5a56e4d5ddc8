"""The inbox ends when it is told to, whatever arrives at that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.context import Context
from bot.dispatch import inbox


# How many turns of the event loop the cancellation comes after the work. In the first of them, asyncio.wait_for of
# Python 3.11 drops the cancellation.
@pytest.mark.parametrize("turns", range(4))
async def test_work_that_arrives_at_the_end_does_not_keep_it_alive(
    context: Context, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    async def nothing_pending(*_arguments: Any) -> int:
        return 0

    monkeypatch.setattr(inbox, "dispatch_pending", nothing_pending)
    engine: Any = None
    loop = asyncio.create_task(inbox.dispatch_forever(context, engine))
    await asyncio.sleep(0)  # it waits for work
    context.work.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    loop.cancel()
    await asyncio.wait({loop}, timeout=5)
    ended = loop.done()
    loop.cancel()
    assert ended
