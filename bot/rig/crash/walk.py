"""One rig, many deaths: each point of a story is walked by killing the bot there, starting it again, and looking."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from bot.rig.crash import points
from bot.rig.crash.commits import Commits
from bot.rig.crash.end import Plain, differences, end, workflows
from bot.rig.crash.fork_server import ForkServer
from bot.rig.crash.points import Point
from bot.rig.crash.stories import set_up
from bot.rig.http.faults import Request
from bot.rig.rig import Rig
from bot.store.database import engine_arguments

# GitHub's lists lag for longer than the bot needs to start again, and the bot waits for longer than that.
LAG_SECONDS = 4.0
SETTINGS: Mapping[str, str] = {"AMPBOT_LIST_LAG_SECONDS": "5"}
IDLE_SECONDS = 180.0
_OPEN = "SELECT 1 FROM deliveries WHERE closed_at IS NULL UNION ALL SELECT 1 FROM runs WHERE ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Golden:
    """A story that nobody disturbed: its end, and where it could have been killed."""

    end: Plain
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class PointResult:
    """What came of one point. `struck` is false where the story did not come by it this time."""

    point: Point
    struck: bool
    differing: tuple[str, ...]


@dataclass(slots=True)
class Walk:
    """A running rig to walk on, as a context manager. `database` is the bot's, a SQLite file if None."""

    database: str | None = None
    rig: Rig = field(init=False)
    _commits: Commits = field(init=False)
    _engine: sa.Engine = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ampbot-crash-")))
        self._commits = Commits(folder / "commits")
        database = {} if self.database is None else {"AMPBOT_DATABASE_URL": self.database}
        fork_server = self._stack.enter_context(ForkServer())
        settings = {**SETTINGS, **self._commits.environment, **database}
        self.rig = self._stack.enter_context(Rig(folder, settings, spawn=fork_server))
        url = self.rig.database_url.replace("postgresql://", "postgresql+psycopg://")
        # No connection outlives its query: a file that somebody else holds open is not recovered from its log.
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, **engine_arguments(url))
        self.rig.github.settings.list_lag_seconds = LAG_SECONDS
        self.rig.serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def undisturbed(self, story: str) -> Golden:
        """The story as it goes by itself, begun by a bot that has just started."""
        self.rig.bot.stop()
        self.rig.bot.start()
        github, e2b = self.rig.github.server.request_log, self.rig.e2b.server.request_log
        scenario = set_up(self.rig, story)
        self._settle()
        marks = [max((entry.number for entry in request_log.entries), default=0) for request_log in (github, e2b)]
        since = time.time()
        self._commits.arm()
        scenario.ask()
        self._settle()
        self._commits.disarm()
        sandboxes = [sandbox.id for sandbox in self.rig.e2b.records]
        found = [
            *points.of_requests(points.GITHUB, github.since(marks[0]), sandboxes),
            *points.of_requests(points.E2B, e2b.since(marks[1]), sandboxes),
            *points.of_commits(self._commits.seen()),
        ]
        golden = Golden(end(self.rig, self._query, scenario, since), tuple(dict.fromkeys(found)))
        scenario.tear_down()
        return golden

    def walk(self, story: str, golden: Golden, point: Point) -> PointResult:
        """Tell the story once more, kill the bot at `point`, start it again, and compare the ends."""
        # Each walk is a world of its own: what the one before it asked of GitHub does not count.
        self.rig.github.state.meter.reset()
        scenario = set_up(self.rig, story)
        self._settle()
        since = time.time()
        delivered = len(self.rig.github.deliveries)
        points.arm(point, self.rig, self._commits, self._kill)
        scenario.ask()
        self._until_dead_or_idle()
        struck = not self.rig.bot.running
        self._commits.disarm()
        self.rig.github.server.faults.clear()
        self.rig.e2b.server.faults.clear()
        if struck:
            self.rig.bot.kill()  # it is dead; this clears up after it
            self.rig.bot.start()
            self._redeliver(delivered)
        try:
            self._settle()
            differing = tuple(differences(golden.end, end(self.rig, self._query, scenario, since)))
        except TimeoutError as error:
            differing = (str(error), *self._last_log_lines())
        scenario.tear_down()
        return PointResult(point, struck, differing)

    # --- the bot's life -----------------------------------------------------------------------------

    def _kill(self, _request: Request) -> None:
        """From the rig's own thread, in the middle of a request: returns once the process is no more."""
        os.kill(self.rig.bot.pid, signal.SIGKILL)
        while self.rig.bot.running:
            time.sleep(0.001)

    def _redeliver(self, first: int) -> None:
        """What failed is asked for again: GitHub never does that by itself."""
        log = self.rig.github.deliveries[first:]
        arrived = {delivery.guid for delivery in log if delivery.status == "OK"}
        for delivery in log:
            if delivery.guid not in arrived:
                self.rig.github.state.outbox.redeliver(delivery)

    # --- waiting ------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Until nothing is on its way to the bot, and nothing left for it to do."""
        deadline = time.monotonic() + IDLE_SECONDS
        while not (self.rig.github.wait_deliveries() and self._idle() and self.rig.github.wait_deliveries(0)):
            if not self.rig.bot.running:
                raise RuntimeError("\n".join(["the bot ended by itself", *self._last_log_lines()]))
            if time.monotonic() > deadline:
                raise TimeoutError(f"not idle after {IDLE_SECONDS:.0f} s")
            time.sleep(0.05)

    def _until_dead_or_idle(self) -> None:
        deadline = time.monotonic() + IDLE_SECONDS
        quiet = 0
        while self.rig.bot.running and quiet < 5 and time.monotonic() < deadline:
            # A moment longer than idle: the last point is the last commit itself, and what comes after it.
            quiet = quiet + 1 if self.rig.github.wait_deliveries() and self._idle() else 0
            time.sleep(0.05)

    def _idle(self) -> bool:
        unfinished = f"SELECT 1 FROM {workflows(self.rig)} WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')"
        return not self._query(f"{_OPEN} UNION ALL {unfinished}")

    def _query(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(sql), parameters).mappings()]

    def _last_log_lines(self) -> tuple[str, ...]:
        return tuple(str(line) for line in self.rig.bot.log[-8:])
