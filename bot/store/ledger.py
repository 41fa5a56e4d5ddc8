"""The ledger: what each turn of Amp used, stored once. It holds no text, and is kept when runs are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.agent.outcome import Outcome
from bot.agent.stream import Usage
from bot.caps import By
from bot.store.database import insert_once
from bot.store.runs import Run
from bot.store.tables import ledger


@dataclass(frozen=True, slots=True)
class Costs:
    """The sum of some turns. `name`: a login, a repository's full name, or a day of UTC; `id`: GitHub's, or the day."""

    id: str
    name: str
    runs: int
    turns: int
    usage: Usage


def record(connection: Connection, run: Run, outcome: Outcome | None) -> None:
    """Store what the run's turn used, unless it is stored. `outcome` None: Amp said nothing, and used nothing.

    A run that only published what another one kept used nothing either.
    """
    if outcome is None or outcome.kept_from is not None or run.agent_at is None:
        return
    request, usage = run.request, outcome.usage
    insert_once(
        connection,
        ledger,
        key=f"{run.id}:0",  # a run is one turn so far
        run=run.id,
        installation=request.issue.repo.installation,
        repository=request.issue.repo.id,
        repository_name=run.pinned.repo_name if run.pinned is not None else request.issue.repo.full_name,
        actor=request.actor.id,
        login=request.actor.login,
        at=run.agent_at,
        turns=outcome.turns,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read=usage.cache_read,
        cache_creation=usage.cache_creation,
    )


def costs(connection: Connection, by: By) -> tuple[Costs, ...]:
    """The sums: days in order, people and repositories by what they used, most first, under their latest names."""
    sums: dict[str, Costs] = {}
    for row in connection.execute(sa.select(ledger).order_by(ledger.c.at, ledger.c.key)):
        day = datetime.fromtimestamp(row.at, UTC).date().isoformat()
        key, name = {
            By.PERSON: (str(row.actor), row.login),
            By.REPOSITORY: (str(row.repository), row.repository_name),
            By.DAY: (day, day),
        }[by]
        before = sums.get(key, Costs(key, name, 0, 0, Usage()))
        usage = Usage(row.input_tokens, row.output_tokens, row.cache_read, row.cache_creation)
        sums[key] = Costs(key, name, before.runs + 1, before.turns + row.turns, before.usage + usage)
    if by is By.DAY:
        return tuple(sums.values())
    return tuple(sorted(sums.values(), key=lambda each: (-each.usage.total, each.name)))
