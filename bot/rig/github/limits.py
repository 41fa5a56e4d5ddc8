"""GitHub's primary and secondary rate limits, with settable thresholds.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.rig.github.refusal import Refusal

_SECONDARY = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
_HELP = "If you reach out to GitHub Support for help, please include the request ID"


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds for each installation, App or user. 0: no limit."""

    core: int = 5000  # requests an hour
    graphql: int = 5000  # points an hour
    anonymous: int = 60  # requests an hour
    concurrent: int = 100  # REST and GraphQL together
    points: int = 900  # a minute; a read costs 1, a write 5
    graphql_points: int = 2000  # a minute; a query costs 1, a mutation 5
    content_minute: int = 80
    content_hour: int = 500
    # Whether an edit (PATCH, PUT) counts as creating content. GitHub does not document it. Many edits of one comment
    # have been limited in practice, so edits count by default.
    edits_count: bool = True
    status: int = 403  # status of a refusal; GitHub also uses 429
    retry_after: int | None = 60  # seconds; None: no header


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request costs."""

    resource: str  # core or graphql
    points: int
    content: bool = False
    edit: bool = False


@dataclass(slots=True)
class _Bucket:
    reset_at: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    under_way: int = 0
    points: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)
    content: deque[float] = field(default_factory=deque)


class Meter:
    """Counts the requests of each bucket. Safe to use from several threads."""

    def __init__(self, limits: Callable[[], Limits], clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def reset(self) -> None:
        """Forget everything counted so far."""
        with self._lock:
            for bucket in self._buckets.values():
                bucket.used.clear()
                bucket.points.clear()
                bucket.content.clear()

    @contextmanager
    def request(self, name: str) -> Iterator[None]:
        """Count a concurrent request while the block runs. Raises Refusal if there are too many."""
        with self._lock:
            bucket = self._buckets.setdefault(name, _Bucket())
            limits = self._limits()
            if limits.concurrent and bucket.under_way >= limits.concurrent:
                raise self._secondary()
            bucket.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                bucket.under_way -= 1

    def charge(self, name: str, cost: Cost) -> None:
        """Count a request before it has any effect. Raises Refusal if a limit is reached."""
        limits = self._limits()
        now = self._clock()
        with self._lock:
            bucket = self._bucket(name, cost.resource, now)
            limit = self._limit(name, cost.resource)
            used = bucket.used[cost.resource]
            if limit and used >= limit:
                raise self._primary(name)
            bucket.used[cost.resource] = used + 1
            per_minute = limits.points if cost.resource == "core" else limits.graphql_points
            spent = bucket.points.setdefault(cost.resource, deque())
            while spent and spent[0][0] <= now - 60:
                spent.popleft()
            if per_minute and sum(points for _, points in spent) + cost.points > per_minute:
                raise self._secondary()
            spent.append((now, cost.points))
            if cost.content or (cost.edit and limits.edits_count):
                self._charge_content(bucket.content, limits, now)

    def refund(self, name: str, cost: Cost) -> None:
        """A 304 does not count against the primary limit."""
        with self._lock:
            bucket = self._bucket(name, cost.resource, self._clock())
            bucket.used[cost.resource] = max(bucket.used[cost.resource] - 1, 0)

    def standing(self, name: str, resource: str) -> Mapping[str, int]:
        """limit, remaining, reset and used, as the headers and /rate_limit show them."""
        with self._lock:
            bucket = self._bucket(name, resource, self._clock())
            limit, used = self._limit(name, resource), bucket.used[resource]
            return {
                "limit": limit,
                "remaining": max(limit - used, 0),
                "reset": int(bucket.reset_at[resource]),
                "used": min(used, limit),
            }

    def headers(self, name: str, resource: str) -> dict[str, str]:
        standing = self.standing(name, resource)
        shown = {f"x-ratelimit-{key}": str(value) for key, value in standing.items()}
        return {**shown, "x-ratelimit-resource": resource}

    def _limit(self, name: str, resource: str) -> int:
        limits = self._limits()
        if resource == "graphql":
            return limits.graphql
        return limits.core if " ID " in name else limits.anonymous

    def _bucket(self, name: str, resource: str, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(name, _Bucket())
        if bucket.reset_at.get(resource, 0.0) <= now:
            bucket.reset_at[resource] = now + 3600
            bucket.used[resource] = 0
        bucket.used.setdefault(resource, 0)
        return bucket

    def _charge_content(self, content: deque[float], limits: Limits, now: float) -> None:
        while content and content[0] <= now - 3600:
            content.popleft()
        last_minute = sum(1 for at in content if at > now - 60)
        too_fast = limits.content_minute and last_minute >= limits.content_minute
        too_many = limits.content_hour and len(content) >= limits.content_hour
        if too_fast or too_many:
            raise self._secondary(
                "You have exceeded a secondary rate limit and have been temporarily blocked from content "
                f"creation. Please retry your request again later. {_HELP}."
            )
        content.append(now)

    def _primary(self, name: str) -> Refusal:
        return Refusal(
            self._limits().status,
            f"API rate limit exceeded for {name}. {_HELP}.",
            docs="https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
        )

    def _secondary(self, message: str = "") -> Refusal:
        limits = self._limits()
        said = f"You have exceeded a secondary rate limit. Please wait a few minutes before you try again. {_HELP}."
        headers = {} if limits.retry_after is None else {"retry-after": str(limits.retry_after)}
        return Refusal(limits.status, message or said, docs=_SECONDARY, headers=headers)
