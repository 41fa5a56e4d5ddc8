"""GitHub's log of deliveries to the App's webhook, and redelivery.

https://docs.github.com/en/rest/apps/webhooks
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bot.github.client import Answer, Client


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver. A redelivery is another attempt with the same GUID."""

    id: int
    guid: str
    at: float  # epoch seconds
    delivered: bool  # we answered with a 2xx
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
        delivered = 200 <= self.status_code < 300
        return Attempt(self.id, self.guid, self.delivered_at.timestamp(), delivered, self.event, self.action)


class DeliveryLog:
    """`client` must authenticate as the App."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def attempts(self) -> AsyncIterator[Attempt]:
        """All attempts in the log, newest first, one page at a time. Raises: GitHubError."""
        cursor: str | None = None
        while True:
            query = {"per_page": 100} | ({"cursor": cursor} if cursor else {})
            page, cursor = await self._client.page("/app/hook/deliveries", list[_Attempt], query)
            for item in page:
                yield item.value()
            if cursor is None or not page:
                return

    async def redeliver(self, attempt: int) -> None:
        """Request a redelivery. If the answer is lost, the log shows whether GitHub redelivered.

        Raises: GitHubError.
        """
        await self._client.call("POST", f"/app/hook/deliveries/{attempt}/attempts")
