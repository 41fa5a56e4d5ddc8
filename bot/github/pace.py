"""How fast we speak to GitHub: one bucket for each installation, well under its published limits.

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
# GitHub's own: 80 content-creating requests a minute, 500 an hour.
CONTENT = ((60.0, 80), (3600.0, 500))


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    held_until: float = 0.0
    content: deque[float] = field(default_factory=deque)


class Pace:
    """Answers when a request may go out. Urgent ones (acknowledgements, end states) never wait for the bucket."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._buckets: dict[int, _Bucket] = {}

    async def turn(self, installation: int, *, creates: bool = False, urgent: bool = False) -> None:
        """Wait for this installation's turn. `creates`: the request makes content others are notified of."""
        bucket = self._bucket(installation)
        while (wait := bucket.held_until - self._clock()) > 0:
            await self._sleep(wait)
        if creates:
            await self._content_turn(bucket)
        moment = self._clock()
        bucket.tokens = min(BURST, bucket.tokens + (moment - bucket.at) * PER_SECOND) - 1
        bucket.at = moment
        if bucket.tokens < 0 and not urgent:
            # The token is taken already, so later callers queue up behind this one.
            await self._sleep(-bucket.tokens / PER_SECOND)

    def hold(self, installation: int, seconds: float) -> None:
        """GitHub has limited this installation: no request of it goes out for so long, urgent or not."""
        bucket = self._bucket(installation)
        bucket.held_until = max(bucket.held_until, self._clock() + seconds)

    def _bucket(self, installation: int) -> _Bucket:
        return self._buckets.setdefault(installation, _Bucket(BURST, self._clock()))

    async def _content_turn(self, bucket: _Bucket) -> None:
        """GitHub counts these whoever is urgent, so nobody is exempt here."""
        while True:
            moment = self._clock()
            while bucket.content and bucket.content[0] <= moment - CONTENT[-1][0]:
                bucket.content.popleft()
            wait = 0.0
            for seconds, most in CONTENT:
                recent = [at for at in bucket.content if at > moment - seconds]
                if len(recent) >= most:
                    wait = max(wait, recent[-most] + seconds - moment)
            if wait <= 0:
                bucket.content.append(moment)
                return
            await self._sleep(wait)
