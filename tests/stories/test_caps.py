"""Caps: what is asked beyond a day's runs is not started, and the refusals do not fill the thread."""

from __future__ import annotations

from tests.stories.conftest import RigWith
from tests.stories.story import BOT, Story

ANSWER = "/amp why?\n\n- answer: Because.\n"


def test_twelve_commands_at_once_with_a_cap_of_two(rig_with: RigWith) -> None:
    """Each installation has its own repository, so that the cap of the repository is what binds."""
    story = Story.begin(rig_with(AMPBOT_DAILY_RUNS_PER_REPOSITORY="2"))
    numbers = [story.issue() for _ in range(2)]
    comments = [(number, story.say(number, ANSWER)) for number in numbers for _ in range(6)]
    story.settle()
    assert story.states() == ["answered", "answered"]
    reactions = [story.reactions(comment) for _, comment in comments]
    refused = [(BOT, "confused"), (BOT, "eyes")]
    assert sorted(reactions) == [*[refused] * 10, *[[(BOT, "eyes")]] * 2]
    said = [body for number in numbers for body in story.from_bot(number)]
    refusals = [body for body in said if "Not started: this repository has had 2 runs" in body]
    assert len(refusals) == len({number for number, comment in comments if story.reactions(comment) == refused})
    assert len(said) == 2 + len(refusals)
    assert "AMPBOT_DAILY_RUNS_PER_REPOSITORY" in refusals[0]
    mine = [box for box in story.rig.e2b.records if box.options.metadata["repository"] == str(story.repo.id)]
    assert len(mine) == 2, "no sandbox for what was refused"
