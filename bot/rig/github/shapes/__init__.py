"""GitHub's JSON: the format of each record in answers and webhook payloads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


def moment(at: float) -> str:
    """GitHub writes whole seconds in UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_or_none(at: float | None) -> str | None:
    return None if at is None else moment(at)
