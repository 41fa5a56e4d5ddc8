"""GitHub's log of what it delivered to the App's webhook, and asking for a delivery once more.

https://docs.github.com/en/rest/apps/webhooks
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bot.github.client import Answer, Client


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver. A redelivery is another attempt, under the same GUID."""

    id: int
    guid: str
    at: float  # epoch seconds
    delivered: bool  # our answer was a 2xx
    event: str
    action: str | None


class _Attempt(Answer):
    id: int
    guid: str
    delivered_at: datetime
    status_code: int
    event: str
    action: str | None = None

    def value(self) -> Attempt:
        good = 200 <= self.status_code < 300
        return Attempt(self.id, self.guid, self.delivered_at.timestamp(), good, self.event, self.action)


class DeliveryLog:
    """Spoken with the App's own key."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def attempts(self) -> AsyncIterator[Attempt]:
        """The log, newest first, as far as it reaches. Whoever has seen enough stops. Raises: GitHubError."""
        cursor: str | None = None
        while True:
            query = {"per_page": 100} | ({"cursor": cursor} if cursor else {})
            got, cursor = await self._client.page("/app/hook/deliveries", list[_Attempt], query)
            for item in got:
                yield item.value()
            if cursor is None or not got:
                return

    async def redeliver(self, attempt: int) -> None:
        """Ask for it once more. Where the answer is lost, the log will show whether it was heard.

        Raises: GitHubError.
        """
        await self._client.call("POST", f"/app/hook/deliveries/{attempt}/attempts")
