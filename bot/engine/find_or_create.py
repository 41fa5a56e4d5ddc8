"""Effects that GitHub would do twice are done once: an intent row first, and a search before any second attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.context import Context
from bot.github.errors import UnavailableError
from bot.store import idempotency

ATTEMPTS = 3


async def find_or_create(
    context: Context,
    key: str,
    *,
    find: Callable[[], Awaitable[str | None]],
    create: Callable[[], Awaitable[str]],
) -> str:
    """The result of the effect named `key`: from memory, found outside, or made now.

    Raises:
        GitHubError: it was refused, or its outcome is still unknown after every attempt.
    """
    for attempt in range(ATTEMPTS):
        claim = await context.database.write(idempotency.reserve, key)
        if isinstance(claim, idempotency.Completed):
            return claim.result
        result = None
        if isinstance(claim, idempotency.InDoubt):
            # Lists may lag behind a write, and the last attempt's may have waited for its turn: the look is taken only
            # this long after we know that none is under way.
            await context.sleep(context.settings.list_lag_seconds)
            result = await find()
        if result is None:
            try:
                result = await create()
            except UnavailableError:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
        await context.database.write(idempotency.complete, key=key, result=result)
        return result
    raise AssertionError("unreachable")
