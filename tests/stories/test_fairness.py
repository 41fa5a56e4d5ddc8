"""A hundred commands in one repository, and one in another: the one is answered while most of the hundred wait."""

from __future__ import annotations

import itertools
import time

import pytest

from bot.rig.rig import Rig
from tests.stories.story import BOT, HELD, Story

BUSY = 100


def test_a_busy_repository_does_not_keep_another_waiting(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A rig of its own, under GitHub's limits, and ended in the midst of it: the hundred take half an hour."""
    settings = {"AMPBOT_MAX_RUNS": "6", "AMPBOT_MAX_RUNS_PER_INSTALLATION": "3"}
    with Rig(tmp_path_factory.mktemp("fair"), settings) as rig:
        rig.serve()
        busy, calm = Story.begin(rig), Story.begin(rig)
        for each in range(BUSY):
            busy.say(busy.issue(), f"/amp number {each}\n\n- append notes/{each}.txt: {each}\n")
        busy.until("the busy one's runs to begin", lambda: "working" in busy.states())
        number = calm.issue()
        asked = time.time()
        comment = calm.say(number, "/amp just one\n\n- create one.txt: 1\n")
        calm.until("the one to be acknowledged", lambda: calm.reactions(comment) == [(BOT, "eyes")])
        calm.until("the one to be answered", lambda: calm.states() == ["published"])
        ended = [row for row in busy.runs() if row["ended_at"] is not None]
        accepted = rig.query("SELECT guid FROM deliveries WHERE event = 'issue_comment'")
        print(f"the one took {time.time() - asked:.1f} s; of the {BUSY} {len(ended)} had ended")
        assert len(accepted) >= BUSY + 1, "all of them are stored"
        assert len(ended) < BUSY * 0.5
        assert "### ✅ Done" in calm.until("the last word", lambda: _ended(calm, number))
        assert len(calm.pulls()) == 1
        rig.bot.kill()


def test_what_waits_in_line_is_acknowledged_at_once_and_says_where_it_stands(story: Story) -> None:
    number = story.issue()
    story.say(number, f"/amp first\n\n- {HELD}\n- answer: One.\n")
    story.until("the first run to work", lambda: story.states() == ["working"])
    waiting = [story.say(number, f"/amp {name}\n\n- answer: {name}.\n") for name in ("second", "third")]
    story.until("both to be seen", lambda: all(story.reactions(each) == [(BOT, "eyes")] for each in waiting))
    story.until("both to be answered", lambda: len(story.from_bot(number)) == 3)
    assert story.states() == ["working", "queued", "queued"]
    places = [body.partition("number ")[2].partition(" in line")[0] for body in story.from_bot(number)[1:]]
    assert sorted(places) == ["1", "2"]
    story.settle()
    assert story.states() == ["answered"] * 3
    ends = [(row["started_at"], row["ended_at"]) for row in story.runs()]
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(ends)), "one at a time"


def _ended(story: Story, number: int) -> str | None:
    answer = story.only_answer(number)
    return answer if "✅" in answer else None
