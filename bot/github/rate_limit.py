"""How fast we speak to GitHub: one budget for each installation, under its published limits.

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
# GitHub's own: 80 content-creating requests a minute, 500 an hour. It does not say which those are, so all that
# post or edit are counted.
CONTENT = ((MINUTE, 80), (HOUR, 500))
# GitHub's own is 900 a minute, and its clock is not ours.
POINTS = 880
# Neither the urgent nor the others may take all of it.
LANE_POINTS = 720
READ, WRITE = 1, 5
# The App itself, which mints all installations' tokens: it has GitHub's limits, and no budget of an installation.
APP = 0


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What a request counts for. `urgent`: acknowledgements and end states, which do not wait for the budget."""

    points: int = READ
    content: bool = False
    urgent: bool = False


@dataclass(slots=True)
class _Budget:
    tokens: float
    at: float
    held_until: float = 0.0
    content: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, RequestCost]] = field(default_factory=deque)


class RateLimit:
    """Answers when a request may go out. GitHub's own limits bind all of them; our budget those that can wait."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._budgets: dict[int, _Budget] = {}

    async def turn(self, installation: int, turn: RequestCost) -> None:
        """Wait for this installation's turn."""
        budget = self._budget(installation)
        if installation != APP:
            await self._own_turn(budget, turn.urgent)
        while (wait := self._wait(budget, turn)) > 0:
            await self._sleep(wait)
        if turn.content:
            budget.content.append(self._clock())
        budget.spent.append((self._clock(), turn))

    def hold(self, installation: int, seconds: float) -> None:
        """GitHub has limited this installation: no request of it goes out for so long, urgent or not."""
        budget = self._budget(installation)
        budget.held_until = max(budget.held_until, self._clock() + seconds)

    def is_idle(self, installation: int) -> bool:
        """Whether so little was written lately that courtesies may be written too."""
        content = self._budget(installation).content
        moment = self._clock()
        return all(sum(at > moment - seconds for at in content) < most / 2 for seconds, most in CONTENT)

    def _budget(self, installation: int) -> _Budget:
        return self._budgets.setdefault(installation, _Budget(BURST, self._clock()))

    async def _own_turn(self, budget: _Budget, urgent: bool) -> None:
        moment = self._clock()
        tokens = min(BURST, budget.tokens + (moment - budget.at) * PER_SECOND)
        # The urgent take what there is, and leave no debt that the others would have to wait for.
        budget.tokens, budget.at = max(tokens - 1, min(tokens, 0.0)) if urgent else tokens - 1, moment
        if budget.tokens < 0 and not urgent:
            # The token is taken already, so later callers queue up behind this one.
            await self._sleep(-budget.tokens / PER_SECOND)

    def _wait(self, budget: _Budget, turn: RequestCost) -> float:
        """Seconds until GitHub takes it, as far as can be told now; 0 if it may go out."""
        moment = self._clock()
        while budget.content and budget.content[0] <= moment - HOUR:
            budget.content.popleft()
        while budget.spent and budget.spent[0][0] <= moment - MINUTE:
            budget.spent.popleft()
        waits = [budget.held_until - moment]
        if turn.content:
            for seconds, most in CONTENT:
                recent = [at for at in budget.content if at > moment - seconds]
                if len(recent) >= most:
                    waits.append(recent[-most] + seconds - moment)
        lane = [(at, each.points) for at, each in budget.spent if each.urgent == turn.urgent]
        waits.append(_until_left(lane, LANE_POINTS - turn.points, moment))
        waits.append(_until_left([(at, each.points) for at, each in budget.spent], POINTS - turn.points, moment))
        return max(0.0, *waits)


def _until_left(spent: list[tuple[float, int]], most: int, moment: float) -> float:
    """Seconds until no more than `most` of these points was spent within a minute."""
    left, wait = sum(points for _, points in spent), 0.0
    for at, points in spent:
        if left <= most:
            break
        left, wait = left - points, at + MINUTE - moment
    return wait
