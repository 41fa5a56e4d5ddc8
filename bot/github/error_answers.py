"""GitHub's error answers as our exceptions: of the REST API by status and message, of GraphQL by the errors listed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    LimitedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)

# A secondary limit in other words, with status 422: https://github.com/cli/cli/issues/4801
_TOO_QUICKLY = "was submitted too quickly"

# GraphQL's types of errors, as the status and the error that REST would have answered with.
_KINDS: Mapping[str, tuple[int, type[GitHubError]]] = {
    "FORBIDDEN": (403, ForbiddenError),
    "NOT_FOUND": (404, NotFoundError),
    "UNPROCESSABLE": (422, UnprocessableError),
    "STALE_DATA": (422, UnprocessableError),
}


def from_rest(status: int, headers: Mapping[str, Any], text: str) -> GitHubError:
    """The error in an answer of the REST API."""
    message = _message(text)
    if status in (403, 429) or _TOO_QUICKLY in message:
        wait = _retry_after(status, message, headers)
        if wait is not None:
            return LimitedError(status, message, wait)
    kinds: dict[int, type[GitHubError]] = {
        401: UnauthorizedError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        410: NotFoundError,
        422: UnprocessableError,
    }
    if status in kinds:
        return kinds[status](status, message)
    return UnavailableError(status, message) if status >= 500 or status == 408 else GitHubError(status, message)


def from_graphql(data: Any, headers: Mapping[str, Any]) -> GitHubError | None:
    """The error in a GraphQL answer. Its status is 200 all the same.

    https://docs.github.com/en/graphql/guides/using-graphql-clients#handling-errors
    """
    errors = data.get("errors") if isinstance(data, dict) else None
    found = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    if not found:
        return None
    kinds, message = {item.get("type") for item in found}, str(found[0].get("message", "GraphQL error"))
    if "RATE_LIMITED" in kinds:
        return LimitedError(200, "GraphQL's rate limit", _retry_after(429, "", headers) or 0.0)
    if _TOO_QUICKLY in message:
        return LimitedError(200, message, 0.0)
    if message.startswith("Something went wrong"):
        return UnavailableError(200, message)
    if kinds == {"NOT_FOUND"}:
        return NotFoundError(404, message, data.get("data"))
    status, error = next((_KINDS[kind] for kind in _KINDS if kind in kinds), (200, GitHubError))
    return error(status, message)


def _message(text: str) -> str:
    """GitHub's error message; "" if the answer is not GitHub's JSON (a proxy may answer with an HTML page)."""
    try:
        data = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    details = data.get("errors")
    texts = [
        _detail(detail) if isinstance(detail, dict) else str(detail)
        for detail in (details if isinstance(details, list) else ())
    ]
    return "; ".join([str(data.get("message", "")), *texts])


def _detail(detail: Mapping[str, Any]) -> str:
    """One detail of a refusal: its own message, or the field and what is wrong with it, as in `head invalid`."""
    return str(detail.get("message") or f"{detail.get('field') or ''} {detail.get('code') or ''}".strip())


def _retry_after(status: int, message: str, headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait if this is a rate limit (0 if GitHub does not say how long), else None."""
    if "retry-after" in headers:
        try:
            return max(1.0, float(headers["retry-after"]))
        except ValueError:
            return 0.0
    if headers.get("x-ratelimit-remaining") == "0":
        try:
            return max(1.0, float(headers.get("x-ratelimit-reset", "")) - time.time() + 1)
        except ValueError:
            return 0.0
    return 0.0 if status == 429 or "rate limit" in message.lower() or _TOO_QUICKLY in message else None
