"""A hold over several workers: nothing new starts, whoever dies meanwhile, and after it each run is done once."""

from __future__ import annotations

from bot.rig.rig import Rig
from bot.store import holds
from bot.store.database import Database
from bot.text import cap_messages
from tests.machines.conftest import With
from tests.machines.working import ASK, HELD, assert_each_done_once, at_work, ends, go_on


def change(rig: Rig, *, hold: bool) -> None:
    """As `ampbot hold` and `ampbot resume` do."""
    database = Database(rig.database_url)
    with database.engine.begin() as connection:
        if hold:
            holds.put(connection, holds.EVERYTHING)
        else:
            holds.lift(connection)
    database.close()


def test_what_the_engine_has_queued_is_put_back_and_begun_once(machines_with: With) -> None:
    machines = machines_with(AMPBOT_MAX_RUNS="2", AMPBOT_SILENT_SECONDS="30")
    workers = [machines.add("worker") for _ in range(3)]
    rig, stories = machines.rig, machines.begin(6)
    busy, waiting = stories[:2], stories[2:]
    for story, number in busy:
        story.say(number, HELD)
    at_work(machines, busy)
    for story, number in waiting:
        story.say(number, ASK.format(seconds=0))
    rig.wait("all to be enqueued", lambda: all(row["queued_in_engine_at"] for s, _ in stories for row in s.runs()), 60)
    rig.wait("their comments", lambda: all(story.from_bot(number) for story, number in waiting), 60)
    change(rig, hold=True)
    go_on(machines, busy)
    rig.wait("those at work to end", lambda: [each[0] for each in ends(busy)] == [["published"]] * 2, 120)
    rig.wait(
        "the others to say that they are on hold",
        lambda: all(cap_messages.on_hold() in story.only_answer(number) for story, number in waiting),
        120,
    )
    assert [(row["state"], row["started_at"], row["holds"]) for s, _ in waiting for row in s.runs()] == [
        ("queued", None, 1)
    ] * 4
    workers[0].kill()
    machines.workers.remove(workers[0])
    change(rig, hold=False)
    rig.wait_idle(240)
    assert_each_done_once(machines, stories)
