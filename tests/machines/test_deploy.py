"""A rolling deploy: what the old program began ends well under the new one, and the new one's is not the old one's."""

from __future__ import annotations

from functools import partial

from bot.rig.process import program
from tests.machines import newer
from tests.machines.conftest import With
from tests.machines.working import HELD, assert_each_done_once, at_work, go_on

NEWER = partial(program, (newer.__file__, "worker"))


def test_runs_of_the_old_program_end_well_and_new_ones_are_left_to_the_new(machines_with: With) -> None:
    machines = machines_with()
    rig = machines.rig
    old = machines.add("worker")
    before = machines.begin(4)
    for story, number in before:
        story.say(number, HELD)
    at_work(machines, before)

    new = machines.add("worker", NEWER)
    old.stop()
    machines.workers.remove(old)
    between = machines.begin(2)
    for story, number in between:
        story.say(number, HELD)
    at_work(machines, between)

    # Rolled back: the old program is there again while the new one has runs under way, and takes none of them.
    again = machines.add("worker")
    new.kill()
    machines.workers.remove(new)
    go_on(machines, before)
    rig.wait("the older runs to end", lambda: all(story.states() == ["published"] for story, _ in before), 180)
    assert {story.states()[0] for story, _ in between} == {"working"}
    assert again.running
    go_on(machines, between)

    machines.add("worker", NEWER)
    rig.wait_idle(180)
    assert_each_done_once(machines, [*before, *between])
    shapes = {row["name"] for row in rig.query("SELECT DISTINCT name FROM dbos.workflow_status")}
    assert {"run_v1", "run_v2"} <= shapes
