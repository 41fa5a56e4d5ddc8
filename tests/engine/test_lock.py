"""The lock of a worker: the server knows who lives, and who has lost it is never told to go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.engine.lock import WorkerLock, lock_key
from bot.store.database import CHANNEL


@pytest.fixture
async def locks(postgres_url: str) -> AsyncIterator[tuple[WorkerLock, WorkerLock]]:
    both = WorkerLock(postgres_url), WorkerLock(postgres_url)
    for lock in both:
        await lock.acquire()
    yield both
    for lock in both:
        if lock._connection is not None:
            await lock._connection.close()


async def hangs(lock: WorkerLock, seconds: float = 0.5) -> bool:
    """Whether whoever asks to write is left waiting."""
    try:
        async with asyncio.timeout(seconds):
            await lock.ensure_held()
    except TimeoutError:
        return True
    return False


@asynccontextmanager
async def held(lock: WorkerLock, executor: str) -> AsyncIterator[None]:
    """The lock of an executor whose connection was closed just now: the server takes a moment to notice."""
    while True:
        async with lock.try_lock(executor) as dead:
            if dead:
                yield
                return
        await asyncio.sleep(0.05)


def test_names_fit_the_engine_and_keys_the_server(postgres_url: str) -> None:
    names = {WorkerLock(postgres_url).executor for _ in range(10)}
    assert len(names) == 10
    assert all(len(name) <= 64 and -(2**63) <= lock_key(name) < 2**63 for name in names)


async def test_the_lock_of_the_living_is_not_to_be_had(locks: tuple[WorkerLock, WorkerLock]) -> None:
    one, other = locks
    async with one.try_lock(other.executor) as dead:
        assert not dead
    assert not await hangs(other, 20)
    assert other._connection is not None
    await other._connection.close()
    async with asyncio.timeout(20), held(one, other.executor):
        third = WorkerLock(one._url)
        await third.acquire()
        async with third.try_lock(other.executor) as dead_for_the_third:
            assert not dead_for_the_third, "one survivor at a time"
        assert third._connection is not None
        await third._connection.close()


async def test_who_is_ended_is_never_told_to_go_on(locks: tuple[WorkerLock, WorkerLock]) -> None:
    one, other = locks
    watching = asyncio.create_task(other.wait_lost())
    assert await one.terminate(other.executor)
    assert not await one.terminate("nobody")
    assert await hangs(other)
    async with asyncio.timeout(10):
        await watching
    assert not await hangs(one, 20)
    await one.wait_until_reachable()


async def test_work_left_by_others_wakes(locks: tuple[WorkerLock, WorkerLock]) -> None:
    woken = asyncio.Event()
    listening = asyncio.create_task(locks[0].listen(woken))
    async with asyncio.timeout(20):
        while not woken.is_set():  # until it listens, nobody hears
            connection = await locks[1].connect()
            await connection.execute(f"NOTIFY {CHANNEL}")
            await connection.close()
            await asyncio.sleep(0.05)
    listening.cancel()
