"""One writer for the transcripts of all live runs: what they bring at about the same time is one transaction.

A thousand runs that each commit for themselves keep the database busy with nothing but waiting for the disk.
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

# Seconds between two transactions while several runs have something to write.
GAP_SECONDS = 0.25
# Looks a second, of all runs together, at what their agents have said: each costs some milliseconds.
LOOKS_PER_SECOND = 40.0
# Output is gathered at least for so long before it is brought: bursts come together.
GATHER_SECONDS = 0.5

Lines = tuple[tuple[int, str], ...]  # each with the offset just after it


@dataclass(frozen=True, slots=True)
class _Piece:
    run: str
    first: int  # sequence of its first line
    lines: Lines
    stored: asyncio.Future[None]

    def write(self, connection: Connection) -> None:
        runs.append_transcript(connection, self.run, self.first, self.lines)


class Transcripts:
    """One per process, in its loop."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self.live = 0  # runs that are being followed
        self._waiting: list[_Piece] = []
        self._writing: asyncio.Task[None] | None = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """One more run is live meanwhile."""
        self.live += 1
        try:
            yield
        finally:
            self.live -= 1

    @property
    def gather_seconds(self) -> float:
        """How long a run's output may gather in its sandbox now: the more runs, the longer. Its end never waits."""
        return max(GATHER_SECONDS, self.live / LOOKS_PER_SECOND)

    async def append(self, database: Database, run: str, first: int, lines: Lines) -> None:
        """Store a run's next lines, the first of which has the sequence `first`; returns once they are committed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: they are not stored.
        """
        if not lines:
            return
        piece = _Piece(run, first, lines, asyncio.get_running_loop().create_future())
        self._waiting.append(piece)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(database))
        await piece.stored

    async def _write(self, database: Database) -> None:
        while self._waiting:
            pieces, self._waiting = self._waiting, []
            try:
                await database.write(_together, pieces)
                _settle(pieces, None)
            except sa.exc.OperationalError as error:  # the database's trouble is everybody's
                _settle(pieces, error)
            except Exception:  # noqa: BLE001 - one of them does not fit its transcript: the others must not suffer
                for piece in pieces:
                    await _alone(database, piece)
            if len(pieces) > 1:
                await self._sleep(GAP_SECONDS)


def _together(connection: Connection, pieces: list[_Piece]) -> None:
    for piece in pieces:
        piece.write(connection)


async def _alone(database: Database, piece: _Piece) -> None:
    try:
        await database.write(piece.write)
    except Exception as error:  # noqa: BLE001 - it is raised where the piece came from
        _settle([piece], error)
    else:
        _settle([piece], None)


def _settle(pieces: list[_Piece], error: Exception | None) -> None:
    for piece in pieces:
        if piece.stored.done():  # whoever waited has left
            continue
        if error is None:
            piece.stored.set_result(None)
        else:
            piece.stored.set_exception(error)
