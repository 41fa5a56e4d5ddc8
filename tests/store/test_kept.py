"""Which kept change set a retry takes, and that taking it leaves that of the earlier run as it is."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.model import Ending, Kept, RunKind, RunState
from bot.store import kept, runs, stops
from bot.store.database import Database
from tests.factory import ending, outcome, pinned, run, run_request

FIRST, SECOND, THIRD = (f"{number}123abcd-89ef-5000-8000-000000000000" for number in "012")
TO_PUBLISH = ending(state=RunState.FAILED, kept=Kept.TO_PUBLISH)


def test_a_retry_takes_what_the_last_run_kept() -> None:
    assert kept.source(run(run_request(FIRST), ending=TO_PUBLISH, agent_at=1.0)) == FIRST
    assert kept.source(run(run_request(SECOND, kept_from=FIRST), ending=TO_PUBLISH, outcome=outcome())) == SECOND


def test_a_retry_that_had_nothing_done_hands_on_what_it_was_to_take() -> None:
    assert kept.source(run(run_request(SECOND, kept_from=FIRST), ending=ending(state=RunState.STOPPED))) == FIRST


def test_otherwise_amp_works_again() -> None:
    for last in (
        run(run_request(FIRST), ending=ending(state=RunState.FAILED, kept=Kept.TO_SEE), agent_at=1.0),
        run(run_request(FIRST), ending=ending(), agent_at=1.0, commit="c0" * 20),
        run(run_request(SECOND, kept_from=FIRST), ending=ending(state=RunState.FAILED), agent_at=1.0),
        run(run_request(SECOND, kept_from=FIRST), ending=ending(), commit="c0" * 20),
    ):
        assert kept.source(last) is None


async def test_taken_twice_it_is_there_once_and_the_earlier_run_keeps_its_own(database: Database) -> None:
    async def artifacts(of: str) -> list[bytes]:
        return [*await database.read(lambda c: list(runs.artifact_pieces(c, of, "changes")))]

    def prepare(connection: Connection) -> None:
        for request in (run_request(FIRST), run_request(SECOND, kept_from=FIRST)):
            runs.add(connection, request)
        runs.save_artifact(connection, FIRST, "changes", [b"one", b"two"])
        runs.set_outcome(connection, runs.get(connection, FIRST), outcome(answer="It is 42."))
        runs.set_commit(connection, FIRST, "c0" * 20, "amp/7-x")
        runs.append_event(connection, FIRST, stops.STOP, "mona")
        runs.end(connection, FIRST, TO_PUBLISH)

    await database.write(prepare)
    old = await database.read(kept.find, FIRST)
    assert old is not None
    for _ in range(2):
        await database.write(kept.take, SECOND, old, pinned(base_sha="d0" * 20), started=False)
    row = await database.read(runs.get, SECOND)
    assert (await artifacts(FIRST), await artifacts(SECOND)) == ([b"one", b"two"], [b"one", b"two"])
    assert row.pinned == pinned(base_sha="d0" * 20)
    assert row.outcome == outcome(answer="It is 42.", kept_from=FIRST)
    assert (row.commit, row.branch, row.agent_at) == (None, None, None)
    assert await database.read(stops.stopped_by, SECOND) == "mona", "it becomes a draft, as it was asked for"
    await database.write(kept.take, THIRD, row, pinned(), started=True)
    await database.write(lambda c: c.execute(sa.text(f"DELETE FROM artifacts WHERE run = '{FIRST}'")))
    assert await database.read(kept.find, FIRST) is None
    assert await artifacts(SECOND) == [b"one", b"two"]


async def test_of_a_run_that_fails_its_change_set_is_kept_once_it_is_collected(database: Database) -> None:
    async def left(kind: RunKind, *, collected: bool = True, ok: bool = True, stopped: bool = False) -> Kept:
        def fail(connection: Connection) -> None:
            name = f"{kind}-{collected}-{ok}-{stopped}"
            runs.add(connection, run_request(name, kind=kind))
            runs.set_kept_outcome(connection, name, outcome(ok=ok))
            if collected:
                runs.save_artifact(connection, name, kept.CHANGES, [b"one"])
            if stopped:
                runs.append_event(connection, name, stops.STOP, "mona")
            kept.end_failed(connection, name, ending(state=RunState.FAILED))
            kept.end_failed(connection, name, TO_PUBLISH)  # it is decided
            found.append(runs.get(connection, name).ending)

        found: list[Ending | None] = []
        await database.write(fail)
        assert found[-1] is not None
        return found[-1].kept

    assert await left(RunKind.WORK) is Kept.TO_PUBLISH
    assert await left(RunKind.WORK, ok=False) is Kept.TO_SEE
    assert await left(RunKind.WORK, ok=False, stopped=True) is Kept.TO_PUBLISH
    assert await left(RunKind.WORK, collected=False) is Kept.NOTHING
    assert await left(RunKind.REVIEW) is Kept.NOTHING
