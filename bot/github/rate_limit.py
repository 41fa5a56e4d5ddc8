"""Keeps our requests below GitHub's rate limits: one token bucket for each installation, and GitHub's own limits.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

BURST = 20.0
PER_SECOND = 1.0
MINUTE, HOUR = 60.0, 3600.0
# GitHub allows 80 content-creating requests a minute and 500 an hour. It does not say which requests create content,
# so we count all that post or edit.
CONTENT = ((MINUTE, 80), (HOUR, 500))
# GitHub allows 900 points a minute. The rest allows for the difference between its clock and ours.
POINTS = 880
# The share of the urgent requests, and of the others: neither may use up all points.
LANE_POINTS = 720
READ, WRITE = 1, 5
# Requests of the App itself, such as those for tokens. They have no bucket: they are for all installations.
APP = 0


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What a request costs. `urgent`: acknowledgements and endings; they do not wait for a token of the bucket."""

    points: int = READ
    content: bool = False
    urgent: bool = False


@dataclass(slots=True)
class _Budget:
    tokens: float
    at: float
    blocked_until: float = 0.0
    content: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, RequestCost]] = field(default_factory=deque)


class RateLimit:
    """Delays requests. GitHub's limits apply to all of them, our token bucket to those that are not urgent."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._budgets: dict[int, _Budget] = {}

    async def acquire(self, installation: int, cost: RequestCost) -> None:
        """Wait until this installation may send a request of this cost."""
        budget = self._budget(installation)
        if installation != APP:
            await self._take_token(budget, cost.urgent)
        while (wait := self._seconds_to_wait(budget, cost)) > 0:
            await self._sleep(wait)
        if cost.content:
            budget.content.append(self._clock())
        budget.spent.append((self._clock(), cost))

    def block(self, installation: int, seconds: float) -> None:
        """Send no request of this installation for this time, urgent or not: GitHub has rate-limited it."""
        budget = self._budget(installation)
        budget.blocked_until = max(budget.blocked_until, self._clock() + seconds)

    def has_headroom(self, installation: int) -> bool:
        """Whether less than half of GitHub's limits on content is used, so that optional edits may be made too."""
        content = self._budget(installation).content
        time_now = self._clock()
        return all(sum(at > time_now - seconds for at in content) < limit / 2 for seconds, limit in CONTENT)

    def _budget(self, installation: int) -> _Budget:
        return self._budgets.setdefault(installation, _Budget(BURST, self._clock()))

    async def _take_token(self, budget: _Budget, urgent: bool) -> None:
        time_now = self._clock()
        tokens = min(BURST, budget.tokens + (time_now - budget.at) * PER_SECOND)
        # Urgent calls spend tokens but never go negative: no other call has to wait for them.
        budget.tokens, budget.at = max(tokens - 1, min(tokens, 0.0)) if urgent else tokens - 1, time_now
        if budget.tokens < 0 and not urgent:
            # The token is already taken, so later callers queue behind this one.
            await self._sleep(-budget.tokens / PER_SECOND)

    def _seconds_to_wait(self, budget: _Budget, cost: RequestCost) -> float:
        """Seconds until GitHub should accept the request, by what we know now; 0 if it may be sent."""
        time_now = self._clock()
        while budget.content and budget.content[0] <= time_now - HOUR:
            budget.content.popleft()
        while budget.spent and budget.spent[0][0] <= time_now - MINUTE:
            budget.spent.popleft()
        waits = [budget.blocked_until - time_now]
        if cost.content:
            for seconds, limit in CONTENT:
                recent = [at for at in budget.content if at > time_now - seconds]
                if len(recent) >= limit:
                    waits.append(recent[-limit] + seconds - time_now)
        lane = [(at, spent.points) for at, spent in budget.spent if spent.urgent == cost.urgent]
        waits.append(_seconds_until(lane, LANE_POINTS - cost.points, time_now))
        every = [(at, spent.points) for at, spent in budget.spent]
        waits.append(_seconds_until(every, POINTS - cost.points, time_now))
        return max(0.0, *waits)


def _seconds_until(spent: list[tuple[float, int]], limit: int, time_now: float) -> float:
    """Seconds until at most `limit` of these points were spent within the last minute."""
    counted, wait = sum(points for _, points in spent), 0.0
    for at, points in spent:
        if counted <= limit:
            break
        counted, wait = counted - points, at + MINUTE - time_now
    return wait
