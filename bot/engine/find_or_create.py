"""Idempotent creation on GitHub: reserve a key in the database, and search GitHub before a second attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.context import Context
from bot.github.errors import UnavailableError
from bot.store import idempotency

MAX_ATTEMPTS = 3


async def find_or_create(
    context: Context,
    key: str,
    *,
    find: Callable[[], Awaitable[str | None]],
    create: Callable[[], Awaitable[str]],
) -> str:
    """Return the result stored under `key`, or that of `find`, or that of `create`.

    Raises:
        GitHubError: GitHub refused it, or the outcome is still unknown after MAX_ATTEMPTS.
    """
    for attempt in range(MAX_ATTEMPTS):
        reservation = await context.database.write(idempotency.reserve, key)
        if isinstance(reservation, idempotency.Completed):
            return reservation.result
        result = None
        if isinstance(reservation, idempotency.InDoubt):
            # No other attempt is running now. Wait for GitHub's lists to catch up before searching.
            await context.sleep(context.settings.list_lag_seconds)
            result = await find()
        if result is None:
            try:
                result = await create()
            except UnavailableError:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                continue
        await context.database.write(idempotency.complete, key=key, result=result)
        return result
    raise AssertionError("unreachable")
