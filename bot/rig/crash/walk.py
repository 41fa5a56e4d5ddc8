"""Walks the points of a story on one rig: kill the bot at the point, restart it, and compare the end state."""

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
from bot.rig.crash.end import Plain, differences, differences_from_all, end, more, starts, workflows
from bot.rig.crash.fork_server import ForkServer
from bot.rig.crash.points import Point
from bot.rig.crash.states import states
from bot.rig.crash.stories import Scenario, set_up
from bot.rig.http.faults import Fault, Request
from bot.rig.process import Spawn
from bot.rig.rig import Rig
from bot.store.database import engine_arguments

# GitHub's lists lag longer than a restart of the bot takes, and the bot waits longer than the lag.
LAG_SECONDS = 4.0
SETTINGS: Mapping[str, str] = {"AMPBOT_LIST_LAG_SECONDS": "5"}
IDLE_SECONDS = 180.0
_OPEN = "SELECT 1 FROM deliveries WHERE closed_at IS NULL UNION ALL SELECT 1 FROM runs WHERE ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Golden:
    """A run of a story without a kill: its end state, and the points it passed."""

    end: Plain
    points: tuple[Point, ...]
    other_end: Plain | None = None  # that of another version: each part of an end may be like either

    @property
    def ends(self) -> tuple[Plain, ...]:
        return (self.end,) if self.other_end is None else (self.end, self.other_end)


@dataclass(frozen=True, slots=True)
class PointResult:
    """The result of one point. `struck` is false if the story did not reach it this time."""

    point: Point
    struck: bool
    differing: tuple[str, ...]
    states: tuple[str, ...] = ()  # of the work that was unfinished at the kill
    doubled: bool = False  # there is more of something than there should be


@dataclass(frozen=True, slots=True)
class FaultResult:
    """The result of a story with faults. `struck`: all of them applied. `agents`: how often an agent was started."""

    struck: bool
    agents: int
    differing: tuple[str, ...]


@dataclass(slots=True)
class Walk:
    """A running rig, as a context manager.

    `database` is the URL of the bot's database; None: a SQLite file. `after` starts the bot of this tree; None: a fork
    server of the walk's own. `before` starts the bot of another version, which works until it is killed; None: the bot
    is the same before and after.
    """

    database: str | None = None
    before: Spawn | None = None
    after: Spawn | None = None
    settings: Mapping[str, str] = field(default_factory=dict)  # more settings of the bot, or variables of its process
    rig: Rig = field(init=False)
    _commits: Commits = field(init=False)
    _engine: sa.Engine = field(init=False)
    _acted_at: float = 0.0
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ampbot-crash-")))
        self._commits = Commits(folder / "commits")
        database = {} if self.database is None else {"AMPBOT_DATABASE_URL": self.database}
        if self.after is None:
            self.after = self._stack.enter_context(ForkServer())
        settings = {**SETTINGS, **self._commits.environment, **database, **self.settings}
        self.rig = self._stack.enter_context(Rig(folder, settings, spawn=self.before or self.after))
        url = self.rig.database_url.replace("postgresql://", "postgresql+psycopg://")
        # No connection outlives its query: SQLite recovers the WAL only when no other process has the file open.
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, **engine_arguments(url))
        self.rig.github.settings.list_lag_seconds = LAG_SECONDS
        self.rig.github.settings.lag_every = 0  # points are counted in requests, which must be the same each time
        self.rig.serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.rig.bot.kill()  # faster than to stop it, and nobody uses its database again
        finally:
            self._stack.close()

    def undisturbed(self, story: str) -> Golden:
        """Run the story without a kill, on a freshly started bot. One of another version is upgraded after the end."""
        if self.before is None:  # else the walk is for one story, and has just begun
            self.rig.bot.kill()
            self.rig.bot.start()
        github, e2b = self.rig.github.server.request_log, self.rig.e2b.server.request_log
        scenario = set_up(self.rig, story)
        self._settle()
        marks = [max((entry.number for entry in request_log.entries), default=0) for request_log in (github, e2b)]
        since = time.time()
        self._commits.arm()
        self._perform(scenario)
        self._settle()
        self._commits.disarm()
        sandboxes = [sandbox.id for sandbox in self.rig.e2b.records]
        found = [
            *points.of_requests(points.GITHUB, github.since(marks[0]), sandboxes),
            *points.of_requests(points.E2B, e2b.since(marks[1]), sandboxes),
            *points.of_commits(self._commits.seen()),
        ]
        if self.before is not None:
            self.rig.bot.kill()  # it is idle
            self._start_upgraded()
            self._settle()
        golden = Golden(end(self.rig, self._query, scenario, since), tuple(dict.fromkeys(found)))
        scenario.tear_down()
        return golden

    def walk(self, story: str, golden: Golden, point: Point) -> PointResult:
        """Run the story, kill the bot at `point`, restart it, and compare the end state with the golden one."""
        # Requests of earlier walks must not count against GitHub's rate limits.
        self.rig.github.state.meter.reset()
        scenario = set_up(self.rig, story)
        self._settle()
        since = time.time()
        delivered = len(self.rig.github.deliveries)
        points.arm(point, self.rig, self._commits, self._kill)
        self._perform(scenario)
        self._until_dead_or_idle()
        struck = not self.rig.bot.running
        self._commits.disarm()
        self.rig.github.server.faults.clear()
        self.rig.e2b.server.faults.clear()
        unfinished: tuple[str, ...] = ()
        if struck or self.before is not None:
            self.rig.bot.kill()  # if the process is gone already, this closes its pipes
            unfinished = states(self.rig.database_url)
            self._start_upgraded()
            self._redeliver(delivered)
        try:
            self._perform(scenario)
            self._settle()
            reached = end(self.rig, self._query, scenario, since)
            differing = tuple(differences_from_all(golden.ends, reached))
            doubled = more(golden.end, reached)
        except TimeoutError as error:
            differing, doubled = (str(error), *self._last_log_lines()), False
        scenario.tear_down()
        return PointResult(point, struck, differing, unfinished, doubled)

    def _perform(self, scenario: Scenario) -> None:
        """Do the steps that are left, each in its time. Returns early if the bot is dead.

        Two steps are never in one second: GitHub tells times in whole seconds, and a prompt holds what was said before.
        """
        deadline = time.monotonic() + IDLE_SECONDS
        while scenario.steps and self.rig.bot.running:
            if time.time() > self._acted_at + 2 and self._query(scenario.steps[0].when, id=scenario.repo.id):
                scenario.steps.pop(0).act()
                self._acted_at = time.time()
            elif time.monotonic() > deadline:
                raise TimeoutError(f"waited {IDLE_SECONDS:.0f} s for: {scenario.steps[0].when}")
            else:
                time.sleep(0.02)

    def _start_upgraded(self) -> None:
        """Start the bot of this tree."""
        self.rig.bot.start(self.after)

    def answered(self, story: str, golden: Golden, *faults: Fault) -> FaultResult:
        """Run the story with these faults of GitHub's, and compare the end state with the golden one."""
        self.rig.github.state.meter.reset()
        scenario = set_up(self.rig, story)
        self._settle()
        since = time.time()
        self.rig.github.server.faults.add(*faults)
        try:
            self._perform(scenario)
            self._settle()
            differing = tuple(differences(golden.end, end(self.rig, self._query, scenario, since)))
        except TimeoutError as error:
            differing = (str(error), *self._last_log_lines())
        struck = not self.rig.github.server.faults.faults
        self.rig.github.server.faults.clear()
        scenario.tear_down()
        return FaultResult(struck, starts(self.rig, scenario), differing)

    # --- killing the bot ----------------------------------------------------------------------------

    def _kill(self, _request: Request) -> None:
        """Called on the rig's thread in the middle of a request. Returns when the process is gone."""
        os.kill(self.rig.bot.pid, signal.SIGKILL)
        while self.rig.bot.running:
            time.sleep(0.001)

    def _redeliver(self, first: int) -> None:
        """Redeliver what failed, as GitHub does not do that by itself."""
        log = self.rig.github.deliveries[first:]
        arrived = {delivery.guid for delivery in log if delivery.status == "OK"}
        for delivery in log:
            if delivery.guid not in arrived:
                self.rig.github.state.outbox.redeliver(delivery)

    # --- waiting ------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Wait until no delivery is in flight and the bot has nothing to do."""
        deadline = time.monotonic() + IDLE_SECONDS
        while not (self.rig.github.wait_deliveries() and self._idle() and self.rig.github.wait_deliveries(0)):
            if not self.rig.bot.running:
                raise RuntimeError("\n".join(["the bot exited by itself", *self._last_log_lines()]))
            if time.monotonic() > deadline:
                raise TimeoutError(f"not idle after {IDLE_SECONDS:.0f} s")
            time.sleep(0.05)

    def _until_dead_or_idle(self) -> None:
        deadline = time.monotonic() + IDLE_SECONDS
        quiet = 0
        while self.rig.bot.running and quiet < 5 and time.monotonic() < deadline:
            # Idle five times in a row: the last points are the last commit and what follows it.
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
