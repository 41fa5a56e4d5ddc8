"""One writer for the transcripts of all live runs. It stores what arrives together in one transaction.

With a transaction for each of a thousand runs, the database would only wait for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store import runs
from bot.store.database import Database

# Seconds between two transactions while several runs write.
GAP_SECONDS = 0.25
# Most polls a second for output, over all runs: each costs some milliseconds.
POLLS_PER_SECOND = 40.0
# Seconds for which output is collected at least, so that a burst is one batch.
MIN_BATCH_SECONDS = 0.5

Lines = tuple[tuple[int, str], ...]  # (byte offset after the line, line)


@dataclass(frozen=True, slots=True)
class _Batch:
    run: str
    first: int  # sequence of the first line
    lines: Lines
    stored: asyncio.Future[None]

    def write(self, connection: Connection) -> None:
        runs.append_transcript(connection, self.run, self.first, self.lines)


class Transcripts:
    """One per process and event loop."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self.live = 0  # runs whose output is being read
        self._waiting: list[_Batch] = []
        self._writing: asyncio.Task[None] | None = None

    @contextmanager
    def live_run(self) -> Iterator[None]:
        """Count a run as live within the context."""
        self.live += 1
        try:
            yield
        finally:
            self.live -= 1

    @property
    def batch_seconds(self) -> float:
        """Seconds for which output is collected in a sandbox; grows with the live runs. The end is not delayed."""
        return max(MIN_BATCH_SECONDS, self.live / POLLS_PER_SECOND)

    async def append(self, database: Database, run: str, first: int, lines: Lines) -> None:
        """Store a run's next lines and return once they are committed. `first` is the sequence of the first one.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the lines are not stored.
        """
        if not lines:
            return
        batch = _Batch(run, first, lines, asyncio.get_running_loop().create_future())
        self._waiting.append(batch)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(database))
        await batch.stored

    async def _write(self, database: Database) -> None:
        while self._waiting:
            batches, self._waiting = self._waiting, []
            try:
                await database.write(_write_all, batches)
                _resolve(batches, None)
            except sa.exc.OperationalError as error:  # the database failed: all of them fail
                _resolve(batches, error)
            except Exception:  # noqa: BLE001 - one batch is bad: store the others
                for batch in batches:
                    await _write_one(database, batch)
            if len(batches) > 1:
                await self._sleep(GAP_SECONDS)


def _write_all(connection: Connection, batches: list[_Batch]) -> None:
    for batch in batches:
        batch.write(connection)


async def _write_one(database: Database, batch: _Batch) -> None:
    try:
        await database.write(batch.write)
    except Exception as error:  # noqa: BLE001 - append() raises it
        _resolve([batch], error)
    else:
        _resolve([batch], None)


def _resolve(batches: list[_Batch], error: Exception | None) -> None:
    for batch in batches:
        if batch.stored.done():  # the caller was cancelled
            continue
        if error is None:
            batch.stored.set_result(None)
        else:
            batch.stored.set_exception(error)
