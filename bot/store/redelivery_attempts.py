"""How often GitHub was asked to deliver again what did not arrive: kept in the marks, dropped after a week."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from bot.store import kv


@dataclass(frozen=True, slots=True)
class RedeliveryAttempts:
    times: int
    first: float  # epoch seconds: when GitHub tried first, as far as we saw


def get(connection: Connection, guid: str) -> RedeliveryAttempts | None:
    value = kv.get(connection, _name(guid))
    if value is None:
        return None
    times, _, first = value.partition(" ")
    # At first the number stood alone.
    return RedeliveryAttempts(int(times), float(first or "inf"))


def put(connection: Connection, guid: str, asked: RedeliveryAttempts) -> None:
    kv.put(connection, _name(guid), f"{asked.times} {asked.first}")


def _name(guid: str) -> str:
    return f"asked:{guid}"[:64]
