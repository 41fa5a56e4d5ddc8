"""The engine over deploys: old code leaves alone what only newer code knows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.engine.workflows import Engine, PendingWorkflow
from bot.store.database import Database
from bot.store.upgrade import migrate


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ampbot.sqlite3"
    database = Database(url)
    migrate(database)
    database.close()
    return url


@pytest.mark.parametrize(
    ("key", "argument"),
    [("delivery:a-b", "a-b"), ("delivery:a-b:2", "a-b"), ("r-u-n", "r-u-n"), ("r-u-n:1", "r-u-n")],
)
def test_a_key_tells_what_its_workflow_works_on(key: str, argument: str) -> None:
    assert PendingWorkflow(key, "a workflow", "an executor").argument == argument


async def test_old_code_takes_nothing_from_a_newer_queue(url: str) -> None:
    done = {name: asyncio.Event() for name in ("old", "new")}

    async def work(argument: str) -> None:
        done[argument].set()

    async def newer(poll_seconds: float) -> Engine:
        engine = Engine(url, poll_seconds=poll_seconds)
        engine.workflow("run_v2", work)
        engine.queue("runs_v2", concurrency=9, partition_concurrency=9)
        await engine.start()
        return engine

    engine = await newer(3)  # so that it is stopped before it looks
    await engine.enqueue("run_v2", queue="runs_v2", partition="1", key="a", argument="new")
    await engine.stop()
    older = Engine(url, poll_seconds=0.05)
    older.workflow("run_v1", work)
    older.queue("runs_v1", concurrency=9, partition_concurrency=9)
    await older.start()
    await older.enqueue("run_v1", queue="runs_v1", partition="1", key="b", argument="old")
    async with asyncio.timeout(20):
        await done["old"].wait()
    await asyncio.sleep(6)  # the queue is there to be looked at every 3 s
    assert (done["new"].is_set(), await older.are_active(["a", "b"])) == (False, {"a": True, "b": False})
    await older.stop()
    engine = await newer(0.05)
    async with asyncio.timeout(20):
        await done["new"].wait()
    await engine.stop()
