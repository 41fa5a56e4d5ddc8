"""The living finish what the dead began: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import time

from bot.rig.process import BotProcess
from tests.machines.conftest import Machines, With
from tests.machines.working import ASK, HELD, assert_each_done_once, at_work, go_on


def busiest(machines: Machines) -> BotProcess:
    return max(machines.workers, key=lambda worker: len(machines.working().get(machines.executor(worker) or "", [])))


def test_runs_of_a_killed_worker_are_taken_over(machines_with: With) -> None:
    machines = machines_with(AMPBOT_MAX_RUNS="60", AMPBOT_SILENT_SECONDS="30")
    for _ in range(3):
        machines.add("worker")
    stories = machines.begin(40)
    for story, number in stories:
        story.say(number, HELD)
    rig = machines.rig
    at_work(machines, stories)
    victim = busiest(machines)
    assert machines.executor(victim) is not None
    name, killed = machines.executor(victim), time.monotonic()
    victim.kill()
    machines.workers.remove(victim)
    rig.wait("the living to have its runs", lambda: name not in machines.working(), 60)
    print(f"all its runs were the others' after {time.monotonic() - killed:.1f} s")
    go_on(machines, stories)
    rig.wait_idle(180)
    assert_each_done_once(machines, stories)
    assert any(row["takeovers"] for story, _ in stories for row in story.runs())


def test_a_frozen_worker_is_replaced_and_does_nothing_when_it_wakes(machines_with: With) -> None:
    machines = machines_with()
    frozen = machines.add("worker")
    stories = machines.begin(3)
    for story, number in stories:
        story.say(number, HELD)
    rig = machines.rig
    at_work(machines, stories)
    os.kill(frozen.pid, signal.SIGSTOP)
    go_on(machines, stories)
    machines.add("worker")
    rig.wait_idle(180)
    os.kill(frozen.pid, signal.SIGCONT)
    rig.wait("it to start itself anew", lambda: any(line.get("event") == "starting anew" for line in frozen.log), 60)
    machines.workers[-1].stop()
    machines.workers.pop()
    assert_each_done_once(machines, stories)
    # Under its new name it works as before.
    (story, number), *_ = machines.begin()
    story.say(number, ASK.format(seconds=0))
    rig.wait_idle(120)
    assert_each_done_once(machines, [*stories, (story, number)])


def test_two_webs_store_one_delivery_once(machines_with: With) -> None:
    machines = machines_with()
    second = machines.add("web")
    machines.add("worker")
    (story, number), *_ = machines.begin()
    story.say(number, ASK.format(seconds=0))
    machines.rig.github.wait_deliveries()
    machines.rig.github.set_hook(machines.rig.app, f"{second.url}/webhook", machines.rig.secret)
    for delivery in machines.rig.github.deliveries:
        machines.rig.github.state.outbox.redeliver(delivery)
    machines.rig.wait_idle(120)
    assert_each_done_once(machines, [(story, number)])
