"""The marks that an earlier ampbot left are found under their names and read as they were meant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.context import Context
from bot.dispatch.resolve import resolve
from bot.events import effects
from bot.events.effects import FinalizeStopped, StartRun, StopRuns
from bot.model import Actor, ActorKind, CommentRef, RunRequest, RunState
from bot.store import kv, redelivery_attempts, runs, stale, stops, upgrade
from bot.store.database import Database
from bot.store.redelivery_attempts import RedeliveryAttempts
from bot.sweep import comments, missed
from tests.conftest import Do
from tests.store.kinds import KINDS

STORED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "stored" / "bbf5ba0.json").read_text())
MARKS: dict[str, str] = {each["name"]: each["value"] for each in STORED if each["kind"] == "marks"}
STOP = "stop:41000399:1"
COUNTED, BARE = "ef4c31ec-9084-4047-8459-d2cb7c5c5fa7", "5b2f0d7e-3c1a-4d57-9a86-0e6a5d1c9f42"
TESTED = {STOP, f"asked:{COUNTED}", f"asked:{BARE}", "alive", "created", "comments", "oldest_code"}
AT = "2026-11-27T17:19:39Z"


@pytest.fixture
def database(sqlite: Database) -> Database:
    """Of `do`: what is stored does not depend on where."""
    return sqlite


def value(kind: str, name: str) -> Any:
    (found,) = [each["value"] for each in STORED if (each["kind"], each["name"]) == (kind, name)]
    return found


def stopped() -> FinalizeStopped:
    (plan, *_) = effects.load(json.dumps(value("deliveries.plan", "stop")))
    assert isinstance(plan, FinalizeStopped)
    return plan


def request(at: str, comment: int) -> RunRequest:
    """Something asked for in the conversation of the mark."""
    found: RunRequest = KINDS["runs.request"].adapter.validate_python(value("runs.request", "work on an issue"))
    trigger = CommentRef(stopped().trigger.kind, comment)
    return replace(found, issue=stopped().issue, trigger=trigger, at=at)


async def left(do: Do, name: str) -> None:
    await do(kv.put, name, MARKS[name])


async def mark(do: Do, name: str) -> str:
    found: str = await do(kv.get, name)
    return found


def test_every_mark_is_tested() -> None:
    assert set(MARKS) == TESTED


@pytest.mark.parametrize(
    ("at", "comment", "state"),
    [
        ("2026-11-27T17:19:38Z", 3000000196, RunState.STOPPED),
        (AT, 3000000194, RunState.STOPPED),
        (AT, 3000000196, RunState.QUEUED),
        ("2026-11-27T17:19:40Z", 3000000194, RunState.QUEUED),
    ],
)
async def test_a_stop_meets_what_was_asked_for_before_it(
    do: Do, context: Context, at: str, comment: int, state: RunState
) -> None:
    await left(do, STOP)
    late = request(at, comment)
    await do(resolve, context, StartRun(late))
    assert (await do(runs.get, late.id)).state is state
    assert await do(stops.stopped_by, late.id) == ("mona" if state is RunState.STOPPED else "")


async def test_a_stop_is_left_as_it_was(do: Do, context: Context) -> None:
    show = stopped()
    mona = Actor(41000042, "mona", ActorKind.USER)
    await do(resolve, context, StopRuns(show.issue, "issue:3000000195", show.trigger, mona, AT, keep=False))
    assert await mark(do, STOP) == MARKS[STOP]


@pytest.mark.parametrize(
    ("guid", "means"), [(COUNTED, RedeliveryAttempts(1, 1795799981.527)), (BARE, RedeliveryAttempts(3, float("inf")))]
)
async def test_how_often_a_delivery_was_asked_for(do: Do, guid: str, means: RedeliveryAttempts) -> None:
    await left(do, f"asked:{guid}")
    assert await do(redelivery_attempts.get, guid) == means


async def test_how_often_is_left_as_it_was(do: Do) -> None:
    await do(redelivery_attempts.put, COUNTED, RedeliveryAttempts(1, 1795799981.527))
    assert await mark(do, f"asked:{COUNTED}") == MARKS[f"asked:{COUNTED}"]


async def test_when_the_database_was_made_and_last_alive(do: Do, context: Context) -> None:
    await left(do, "created")
    moment = float(MARKS["created"])
    assert await missed._last_alive(context, 0.0) == moment
    await do(kv.put, "created", "1.0")
    await left(do, "alive")
    assert await missed._last_alive(context, 0.0) == float(MARKS["alive"]) - missed.SLACK_SECONDS


async def test_until_when_comments_were_looked_at(do: Do, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []

    def made_again(_connection: object, since: float, _lag: float) -> frozenset[str]:
        looked.append(since)
        return frozenset()

    monkeypatch.setattr(stale, "retried_effects", made_again)
    await left(do, "comments")
    await comments.delete_duplicates(context)
    assert looked == [float(MARKS["comments"])]


async def test_how_old_code_may_be(do: Do) -> None:
    await do(kv.put, "oldest_code", "9")
    assert await do(upgrade._oldest_code) == 9
    await left(do, "oldest_code")
    assert await do(upgrade._oldest_code) == 1
