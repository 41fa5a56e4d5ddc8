"""A run that kills every worker that touches it is attempted five times in all, whoever attempts it."""

from __future__ import annotations

import contextlib
import os
import signal

from bot.rig.http.faults import Fault, Request
from tests.machines.conftest import With
from tests.machines.working import ASK, HELD, at_work, go_on
from tests.stories.dying import idle, restart_until


def test_two_workers_together_attempt_it_five_times(machines_with: With) -> None:
    machines = machines_with()
    rig = machines.rig
    workers = [machines.add("worker") for _ in range(2)]
    ((deadly, number), (healthy, other)) = machines.begin(2)
    healthy.say(other, HELD)
    at_work(machines, [(healthy, other)])
    victims: list[int] = []

    def kill(_request: Request) -> None:
        victim = None
        while victim is None:  # for a moment the engine may name the worker that was killed before
            run = deadly.runs()[0]["id"]
            executor = next((name for name, runs in machines.working().items() if run in runs), "")
            victim = next((worker for worker in workers if worker.running and f"-{worker.pid}-" in executor), None)
        pid = victim.pid
        victims.append(pid)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # it was started again already
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    path = f"/repos/{deadly.repo.full_name}/git/refs$"
    rig.github.server.faults.add(Fault("call", method="POST", path=path, times=0, call=kill))
    deadly.say(number, ASK.format(seconds=0))
    deadly.until("the run to be stored, so that it is the first", lambda: len(deadly.states()) == 1)
    deadly.say(number, "/amp say hello\n\n- answer: Hello.\n")
    restart_until(rig, lambda: deadly.states()[:1] == ["failed"], *workers)
    rig.github.server.faults.clear()
    go_on(machines, [(healthy, other)])
    restart_until(rig, lambda: idle(rig), *workers)
    assert (len(victims), len(set(victims))) == (5, 5)
    assert deadly.states() == ["failed", "answered"]
    answers = deadly.from_bot(number)
    assert sorted(body.count("ampbot's process ended 5 times while it was publishing") for body in answers) == [0, 1]
    assert (healthy.states(), len(healthy.pulls())) == (["published"], 1)
