"""A day's cap holds over several workers: fifty commands at once start as many runs as it allows."""

from __future__ import annotations

from tests.machines.conftest import With

CAP = 5


def test_fifty_commands_of_one_person_at_once(machines_with: With) -> None:
    machines = machines_with(AMPBOT_DAILY_RUNS_PER_PERSON=str(CAP))
    for _ in range(3):
        machines.add("worker")
    stories = machines.begin(10)
    for story, number in stories:
        for _ in range(5):
            story.say(number, "/amp why?\n\n- answer: Because.\n")
    machines.rig.wait_idle(240)
    states = [state for story, _ in stories for state in story.states()]
    assert states == ["answered"] * CAP
    assert len(machines.rig.e2b.records) == CAP
    said = [body for story, number in stories for body in story.from_bot(number)]
    refusals = [body for body in said if "Not started: mona has had 5 runs" in body]
    assert len(said) == CAP + len(refusals)
    per_issue = [sum("Not started" in body for body in story.from_bot(number)) for story, number in stories]
    assert max(per_issue) == 1
