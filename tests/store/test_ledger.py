"""The ledger: each turn is stored once, and sums are those of the turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.agent.stream import Usage
from bot.caps import By
from bot.store import ledger, runs, stale
from bot.store.ledger import Costs
from bot.store.runs import Run
from tests import factory
from tests.conftest import Do
from tests.factory import actor, outcome, repo, run_request

DAY = 86_400.0
USAGE = Usage(input_tokens=1, output_tokens=2, cache_read=3, cache_creation=4)


def worked(run: str, person: int = 1, login: str = "alice", day: int = 0, **changes: Any) -> Run:
    request = run_request(run, actor=actor(id=person, login=login))
    return factory.run(request, agent_at=day * DAY + 3600, **changes)


async def test_a_turn_is_stored_once_however_often_it_is_told(do: Do) -> None:
    for _ in range(20):
        await do(ledger.record, worked("a"), outcome(usage=USAGE, turns=3))
    await do(ledger.record, worked("b"), outcome(usage=USAGE, turns=4))
    assert await do(ledger.costs, By.PERSON) == (Costs("1", "alice", 2, 7, USAGE + USAGE),)


async def test_who_used_nothing_is_not_in_it(do: Do) -> None:
    await do(ledger.record, worked("a"), None)
    await do(ledger.record, worked("b"), outcome(usage=USAGE, kept_from="a"))
    await do(ledger.record, factory.run(run_request("c")), outcome(usage=USAGE))
    assert await do(ledger.costs, By.DAY) == ()


async def test_people_are_told_apart_by_id_under_their_latest_name(do: Do) -> None:
    await do(ledger.record, worked("a", 1, "alice"), outcome(usage=USAGE))
    await do(ledger.record, worked("b", 1, "alice-new", day=1), outcome(usage=USAGE))
    await do(ledger.record, worked("c", 2, "alice", day=2), outcome(usage=USAGE))
    assert await do(ledger.costs, By.PERSON) == (
        Costs("1", "alice-new", 2, 6, USAGE + USAGE),
        Costs("2", "alice", 1, 3, USAGE),
    )


async def test_days_and_repositories(do: Do) -> None:
    await do(ledger.record, worked("a", day=1), outcome(usage=USAGE))
    await do(ledger.record, worked("b", day=0), outcome(usage=USAGE))
    other = run_request("c", 7, 11)
    issue = replace(other.issue, repo=repo(id=11, name="other"))
    elsewhere = factory.run(replace(other, issue=issue), agent_at=1.0)
    await do(ledger.record, elsewhere, outcome(usage=USAGE))
    assert [(each.name, each.runs) for each in await do(ledger.costs, By.DAY)] == [("1970-01-01", 2), ("1970-01-02", 1)]
    assert [(each.id, each.name, each.runs) for each in await do(ledger.costs, By.REPOSITORY)] == [
        ("10", "octo/hello", 2),
        ("11", "octo/other", 1),
    ]


async def test_it_outlives_its_runs(do: Do) -> None:
    await do(runs.add, run_request("a"))
    await do(ledger.record, worked("a"), outcome(usage=USAGE))
    await do(stale.delete_rows, 1e12, 1e12)
    assert len(await do(ledger.costs, By.DAY)) == 1
