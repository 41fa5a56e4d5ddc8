"""The living finish what the dead began: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable

from bot.rig.process import BotProcess
from tests.machines.conftest import Machines, With
from tests.stories.story import Story

ASK = "/amp do it\n\n- say: Begun.\n- wait {seconds}\n- append README.md: more\n- answer: Done.\n"
# The agent goes on when it is told to: on a slow machine forty are at work at once only if none can end before.
HELD = ASK.replace("- wait {seconds}", "- run: until [ -e ~/go ]; do sleep 0.5; done")


def at_work(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    """Wait until all of them are at once."""
    ids = {story.repo.id for story, _ in stories}

    def hold() -> bool:
        rows = machines.rig.query("SELECT repository FROM runs WHERE state = 'working'")
        return ids <= {row["repository"] for row in rows}

    machines.rig.wait("all to be at work", hold, 120)


def go_on(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    """Tell the agents of these."""
    ids = {str(story.repo.id) for story, _ in stories}
    for sandbox in machines.rig.e2b.sandboxes.values():
        if sandbox.options.metadata["repository"] in ids:
            (sandbox.home / "go").touch()


def ends(stories: Iterable[tuple[Story, int]]) -> list[tuple[list[str], int, int, list[str]]]:
    """Of each: states of its runs, pull requests, the bot's comments, and the branches."""
    return [
        (story.states(), len(story.pulls()), len(story.from_bot(number)), sorted(story.branches()))
        for story, number in stories
    ]


def assert_each_done_once(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    for states, pulls, comments, branches in ends(stories):
        assert (states, pulls, comments, len(branches)) == (["published"], 1, 1, 2)
    for story, number in stories:
        assert "### ✅ Done" in story.only_answer(number)
        assert story.kept() == (["changes"], True)
        (run,) = story.runs()
        rows = machines.rig.query("SELECT sequence, line FROM transcript WHERE run = :run ORDER BY 1", run=run["id"])
        assert [row["sequence"] for row in rows] == list(range(len(rows)))
        kinds = [json.loads(row["line"])["type"] for row in rows]
        assert (kinds.count("system"), kinds.count("result")) == (1, 1), "one agent, from its beginning to its end"
    assert len(machines.rig.e2b.records) == len(stories), "one sandbox for each run"


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
