"""The receiver in trouble and in a hurry: 503 while the database will not have it, 202 for what a commit holds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.model import Delivery
from bot.store import deliveries as stored
from bot.store.database import Database
from bot.store.tables import deliveries
from bot.store.upgrade import migrate
from bot.web import writer as module
from bot.web.writer import DeliveryWriter, NotStoredError
from tests.factory import delivery
from tests.web.receiver import GUID, client, signed

# GitHub hangs up after 10 seconds; a loaded test machine takes some of its own.
GITHUB_SECONDS = 10.0


async def guids(database: Database) -> list[str]:
    query = sa.select(deliveries.c.guid).order_by(deliveries.c.guid)
    return await database.read(lambda connection: list(connection.scalars(query)))


@contextmanager
def locked_sqlite(database: Database) -> Iterator[None]:
    """By another process's transaction, as a backup tool or a curious operator begins one."""
    other = Database(database._url.render_as_string())
    with other.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        yield
    other.close()


@contextmanager
def locked_postgres(database: Database) -> Iterator[None]:
    other = Database(database._url.render_as_string(hide_password=False))
    with other.engine.connect() as connection:
        connection.execute(sa.text("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"))
        yield
    other.close()


@contextmanager
def full_sqlite(database: Database) -> Iterator[None]:
    """No page may be added, on any connection."""

    def limit(connection: Any, _record: object = None) -> None:
        connection.execute("PRAGMA max_page_count=1")  # SQLite takes it for "no more than there are"

    def unlimit(connection: Any, _record: object = None) -> None:
        connection.execute("PRAGMA max_page_count=1073741823")

    sa.event.listen(database.engine, "checkout", lambda connection, record, _: limit(connection, record))
    yield
    sa.event.listen(database.engine, "checkout", lambda connection, record, _: unlimit(connection, record))


@contextmanager
def read_only_sqlite(database: Database) -> Iterator[None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    sa.event.listen(database.engine, "begin", begin)
    yield
    sa.event.remove(database.engine, "begin", begin)


Trouble = Callable[[Database], AbstractContextManager[None]]
TROUBLES = [
    pytest.param("sqlite", locked_sqlite, id="SQLite locked"),
    pytest.param("sqlite", full_sqlite, id="SQLite full"),
    pytest.param("sqlite", read_only_sqlite, id="SQLite read-only"),
    pytest.param("postgres", locked_postgres, id="PostgreSQL locked"),
]


@pytest.mark.parametrize(("kind", "trouble"), TROUBLES)
async def test_in_trouble_it_answers_503_in_time_and_recovers_by_itself(
    request: pytest.FixtureRequest, context: Context, kind: str, trouble: Trouble
) -> None:
    database: Database = request.getfixturevalue(kind)
    context = replace(context, database=database)
    large = json.dumps({"x": "x" * 200_000}).encode()
    async with client(context) as github:
        before = await github.post("/webhook", content=b"{}", headers=signed(b"{}", guid="a"))
        with trouble(database):
            began = time.monotonic()
            answers = await asyncio.gather(
                *(
                    github.post("/webhook", content=large, headers=signed(large, guid=f"b{number}"))
                    for number in range(20)
                )
            )
            took = time.monotonic() - began
            asked = time.monotonic()
            ready = await github.get("/readyz")
            ready_took = time.monotonic() - asked
        again = await github.post("/webhook", content=large, headers=signed(large, guid="b0"))
        well = await github.get("/readyz")
    assert (before.status_code, {answer.status_code for answer in answers}) == (202, {503})
    assert ready.status_code in ((200, 503) if trouble is full_sqlite else (503,))
    assert max(took, ready_took) < GITHUB_SECONDS, "each by itself: it is one request that is given so long"
    assert (again.status_code, again.json()["stored"], well.status_code) == (202, True, 200)
    assert await guids(database) == ["a", "b0"], "nothing of the refused ones was left behind"


async def test_those_who_wait_patiently_for_a_lock_do_not_keep_the_receiver_waiting(
    context: Context, sqlite: Database
) -> None:
    with locked_sqlite(sqlite):
        patient = [asyncio.create_task(sqlite.write(lambda c: c.execute(deliveries.delete()))) for _ in range(12)]
        await asyncio.sleep(0.2)
        async with client(context) as github:
            answer = await github.post("/webhook", content=b"{}", headers=signed(b"{}"))
        assert answer.status_code == 503
        assert not any(task.done() for task in patient)
    await asyncio.gather(*patient)


async def test_a_database_that_says_nothing_is_not_waited_for(
    context: Context, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as PostgreSQL behind a network that swallows everything."""
    monkeypatch.setattr(module, "DEADLINE", 0.3)
    silent = asyncio.Event()
    write_within = sqlite.write_within

    async def stuck(*arguments: Any) -> Any:
        await silent.wait()
        return await write_within(*arguments)

    receiver = DeliveryWriter(sqlite)
    monkeypatch.setattr(sqlite, "write_within", stuck)
    with pytest.raises(NotStoredError, match="no answer"):
        await receiver.store(delivery("a"))
    with pytest.raises(NotStoredError, match="no answer"):
        await receiver.store(delivery("b"))
    silent.set()
    monkeypatch.setattr(module, "DEADLINE", 20.0)
    assert await receiver.store(delivery("c"))
    # The first one's commit went through after all. That is allowed: sent again, it is recognised.
    assert await guids(sqlite) == ["a", "c"]
    assert not await receiver.store(delivery("a"))


async def test_those_who_arrive_during_a_commit_share_the_next(database: Database) -> None:
    commits = 0

    def count(_connection: Connection) -> None:
        nonlocal commits
        commits += 1

    sa.event.listen(database.engine, "commit", count)
    receiver = DeliveryWriter(database)
    fresh = await asyncio.gather(*(receiver.store(delivery(f"g{number:02}")) for number in range(50)))
    assert (fresh, commits) == ([True] * 50, 1)
    assert await guids(database) == [f"g{number:02}" for number in range(50)]
    await asyncio.gather(*(receiver.store(delivery(f"h{number:03}")) for number in range(module.MAX_GROUP + 1)))
    assert commits == 3
    assert len(await guids(database)) == 50 + module.MAX_GROUP + 1


async def test_of_equal_ones_in_a_group_one_is_new(database: Database) -> None:
    receiver = DeliveryWriter(database)
    group = [delivery("a", "x"), delivery("a", "x"), delivery("b", "x"), delivery("c", "y"), delivery("d", "z")]
    fresh = await asyncio.gather(*(receiver.store(one) for one in group))
    assert sum(fresh[:3]) == 1
    assert fresh[3:] == [True, True]
    assert len(await guids(database)) == 3
    assert await asyncio.gather(*(receiver.store(one) for one in group)) == [False] * 5


async def test_what_is_answered_can_be_seen_by_others_at_once(database: Database) -> None:
    receiver = DeliveryWriter(database)
    other = Database(database._url.render_as_string(hide_password=False))

    async def post(guid: str) -> bool:
        await receiver.store(delivery(guid))
        return guid in await guids(other)

    assert await asyncio.gather(*(post(f"g{number}") for number in range(30))) == [True] * 30
    other.close()


async def test_groups_of_two_processes_with_the_same_deliveries_do_not_block_each_other(postgres: Database) -> None:
    """GitHub's own retries through two machines: the same rows, met in different orders."""
    other = Database(postgres._url.render_as_string(hide_password=False))
    here, there = DeliveryWriter(postgres), DeliveryWriter(other)
    for turn in range(20):
        group = [delivery(f"{turn}-{number}") for number in range(20)]
        fresh = await asyncio.gather(
            *(here.store(one) for one in group), *(there.store(one) for one in reversed(group))
        )
        assert sum(fresh) == 20
    other.close()


async def test_one_that_cannot_be_stored_does_not_keep_out_those_beside_it(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_all = stored.add_all

    def picky(connection: Connection, group: tuple[Delivery, ...]) -> tuple[bool, ...]:
        fresh = add_all(connection, group)
        if any(one.guid == "bad" for one in group):
            raise sa.exc.DataError("INSERT", {}, ValueError("too big"))
        return fresh

    monkeypatch.setattr(stored, "add_all", picky)
    receiver = DeliveryWriter(sqlite)
    group = [delivery("a"), delivery("bad"), delivery("b")]
    results = await asyncio.gather(*(receiver.store(one) for one in group), return_exceptions=True)
    assert (results[0], str(results[1]), results[2]) == (True, "ValueError", True)
    assert await guids(sqlite) == ["a", "b"]


async def test_an_exception_nobody_thought_of_leaves_nobody_unanswered(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = DeliveryWriter(sqlite)

    def broken(*_: object) -> tuple[bool, ...]:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(stored, "add_all", broken)
        with pytest.raises(NotStoredError, match="LookupError"):
            await receiver.store(delivery("a"))
    assert await receiver.store(delivery("a"))


async def test_a_connection_of_before_a_restart_costs_no_delivery(postgres: Database, context: Context) -> None:
    async with client(replace(context, database=postgres)) as github:
        await github.post("/webhook", content=b"{}", headers=signed(b"{}", guid="a"))
        await postgres.write(
            lambda c: c.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
        )
        other = Database(postgres._url.render_as_string(hide_password=False))
        await other.write(
            lambda c: c.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
        )
        other.close()
        answer = await github.post("/webhook", content=b"[]", headers=signed(b"[]", guid="b"))
    assert answer.status_code == 202
    assert await guids(postgres) == ["a", "b"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with a real end."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


async def test_a_disk_that_is_full_and_has_room_again(context: Context, small_disk: Path) -> None:
    database = Database(f"sqlite:///{small_disk}/ampbot.sqlite3")
    await asyncio.to_thread(migrate, database)
    full = replace(context, database=database)
    body = json.dumps({"x": "x" * 100_000}).encode()

    async def post(github: httpx.AsyncClient, guid: str) -> int:
        changed = body + guid.encode()
        return (await github.post("/webhook", content=changed, headers=signed(changed, guid=guid))).status_code

    ballast = small_disk / "ballast"
    async with client(full) as github:
        assert await post(github, "first") == 202
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        await asyncio.to_thread(ballast.write_bytes, bytes(free))
        refused = [await post(github, f"refused-{number}") for number in range(3)]
        await asyncio.to_thread(ballast.unlink)
        accepted = [await post(github, f"refused-{number}") for number in range(3)]
    assert (refused, accepted) == ([503] * 3, [202] * 3)
    assert await guids(database) == ["first", "refused-0", "refused-1", "refused-2"]
    whole = await database.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar())
    assert whole == "ok"
    database.close()


async def test_a_handle_that_can_only_read_is_not_kept(context: Context, sqlite: Database) -> None:
    """As SQLite opens one while the file may not be written: it stays so for as long as it is open."""
    async with client(context) as github:
        await github.post("/webhook", content=b"{}", headers=signed(b"{}", guid="a"))
        await sqlite.read(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
        answer = await github.post("/webhook", content=b"[]", headers=signed(b"[]", guid="b"))
    assert answer.status_code == 202
    assert await guids(sqlite) == ["a", "b"]


async def test_a_disk_that_was_read_only_at_the_start_is_written_once_it_can_be(
    context: Context, small_disk: Path
) -> None:
    """SQLite would keep a handle that it had to open for reading alone for as long as the process lives."""
    database = Database(f"sqlite:///{small_disk}/ampbot.sqlite3")
    await asyncio.to_thread(migrate, database)
    database.close()
    await asyncio.to_thread(remount, small_disk, "ro")
    database = Database(f"sqlite:///{small_disk}/ampbot.sqlite3")
    async with client(replace(context, database=database)) as github:
        refused = [
            (await github.post("/webhook", content=b"{}", headers=signed(b"{}", guid=GUID))).status_code
            for _ in range(3)
        ]
        await asyncio.to_thread(remount, small_disk, "rw")
        accepted = await github.post("/webhook", content=b"{}", headers=signed(b"{}", guid=GUID))
    assert (refused, accepted.status_code) == ([503] * 3, 202)
    assert await guids(database) == [GUID]
    database.close()
