"""`/amp stop` is anybody's to carry out: the worker whose run it is need not even be able to hear it."""

from __future__ import annotations

import os
import signal

from tests.machines.conftest import With
from tests.stories.stopping import LONG, asked, assert_stopped, changed, sandboxes


def test_a_run_is_stopped_from_another_machine(machines_with: With) -> None:
    machines = machines_with(AMPBOT_SILENT_SECONDS="120")
    deaf = machines.add("worker")
    (story, number), *_ = machines.begin()
    asked(story, number, LONG)
    changed(story)
    assert machines.executor(deaf) is not None
    os.kill(deaf.pid, signal.SIGSTOP)
    try:
        machines.add("worker")
        stop = story.say(number, "/amp stop")
        story.until("the stop to be done", lambda: len(story.reactions(stop)) == 2)
        assert [sandbox.live for sandbox in sandboxes(story)] == [False]
        assert_stopped(story, number, "Amp and its sandbox are ended, and nothing was published.", stop)
    finally:
        os.kill(deaf.pid, signal.SIGCONT)
    machines.rig.wait_idle(120)
    assert_stopped(story, number, "Amp and its sandbox are ended, and nothing was published.", stop)
