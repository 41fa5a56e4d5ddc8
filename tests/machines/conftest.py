"""Several machines: processes of each kind on one PostgreSQL database, in front of one rig."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bot.rig.contract.contract import Contract
from bot.rig.process import BotProcess, Spawn
from bot.rig.rig import Rig
from tests.stories.conftest import leaked
from tests.stories.story import Story

_numbers = itertools.count(1)


@dataclass(slots=True)
class Machines:
    """`rig.bot` is the first web; the others stand in lists."""

    rig: Rig
    webs: list[BotProcess] = field(default_factory=list)
    workers: list[BotProcess] = field(default_factory=list)

    def add(self, part: str, spawn: Spawn | None = None) -> BotProcess:
        process = BotProcess(self.rig.folder, self.rig.environment, part, spawn)
        process.start()
        (self.workers if part == "worker" else self.webs).append(process)
        return process

    def begin(self, count: int = 1) -> list[tuple[Story, int]]:
        """Stories, each in a repository and an installation of its own, each with an issue."""
        stories = [Story.begin(self.rig) for _ in range(count)]
        return [(story, story.issue()) for story in stories]

    def working(self) -> dict[str, list[str]]:
        """Executor -> the runs it has under way, as the engine has it."""
        rows = self.rig.query(
            "SELECT executor_id, workflow_uuid FROM dbos.workflow_status WHERE status = 'PENDING' AND name = 'run_v1'"
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["executor_id"], []).append(row["workflow_uuid"])
        return found

    def executor(self, process: BotProcess) -> str | None:
        """The name under which this process has work."""
        return next((name for name in self.working() if f"-{process.pid}-" in name), None)

    @property
    def log(self) -> list[object]:
        return [line for process in (self.rig.bot, *self.webs, *self.workers) for line in process.log]


With = Callable[..., Machines]


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own on the session's server."""
    name = f"machines_{next(_numbers)}"
    server = sa.create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def machines_with(database_url: str, tmp_path: Path) -> Iterator[With]:
    """A web in front of a rig; workers are added by the test. After it, every promise of a story holds here too."""
    made: list[Machines] = []

    def make(**settings: str) -> Machines:
        rig = Rig(tmp_path, {"AMPBOT_DATABASE_URL": database_url, "AMPBOT_SILENT_SECONDS": "8", **settings})
        rig.__enter__()
        rig.bot = BotProcess(rig.folder, rig.environment, "web")
        rig.serve()
        made.append(Machines(rig))
        return made[-1]

    yield make
    for machines in made:
        rig = machines.rig
        for process in (*machines.webs, *machines.workers):
            process.stop()
        entries = rig.github.server.request_log.entries
        living = dict(rig.e2b.sandboxes)
        found = leaked(rig, entries)
        rig.__exit__(None, None, None)
        assert [found for entry in entries for found in Contract.load().check(entry)] == []
        assert living == {}, "a sandbox outlived its run"
        assert found == []
        assert [*rig.github.server.errors, *rig.e2b.server.errors] == [], "the stand-ins themselves raised"
