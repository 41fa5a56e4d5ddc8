"""How often we asked GitHub to redeliver a delivery. Stored in the key-value store, deleted after a week."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from bot.store import kv


@dataclass(frozen=True, slots=True)
class RedeliveryAttempts:
    times: int
    first: float  # epoch seconds: GitHub's first attempt that we saw


def get(connection: Connection, guid: str) -> RedeliveryAttempts | None:
    value = kv.get(connection, _name(guid))
    if value is None:
        return None
    times, _, first = value.partition(" ")
    # Old rows hold the number only.
    return RedeliveryAttempts(int(times), float(first or "inf"))


def put(connection: Connection, guid: str, attempts: RedeliveryAttempts) -> None:
    kv.put(connection, _name(guid), f"{attempts.times} {attempts.first}")


def _name(guid: str) -> str:
    return f"asked:{guid}"[:64]
