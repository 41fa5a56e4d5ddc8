"""`/amp stop` meets a run wherever it is: the agent and its sandbox end, nothing is published, the comment says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from bot.rig.http.faults import Fault, Side
from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.stopping import LONG, NOTHING, Gate, asked, assert_stopped, changed, sandboxes, taken
from tests.stories.story import BOT, ENDLESS, HELD, STRANGER, Story

# --- wherever the run is ----------------------------------------------------------------------------


def test_at_work(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    changed(story)
    stop = story.say(number, "/amp stop")
    story.settle()
    assert_stopped(story, number, "Amp and its sandbox are ended, and nothing was published.", stop)
    assert "[Amp thread](" in story.only_answer(number), "what it took is said of a stopped run too"
    assert " tokens in, " in story.only_answer(number)


def test_while_the_sandbox_is_made(story: Story, gate: Gate) -> None:
    """Whoever stops it cannot know of a sandbox that is not there yet: the worker ends it as it comes."""
    number = story.issue()
    story.rig.e2b.server.faults.add(gate.fault("POST", r"/sandboxes$", Side.AFTER))
    story.say(number, LONG)
    story.until("the sandbox", gate.reached.is_set)
    stop = story.say(number, "/amp stop")
    story.until("the stop to be done", lambda: taken(story, stop))
    assert "before Amp began." in story.only_answer(number)
    gate.open()
    story.settle()
    assert_stopped(story, number, "Nothing was changed.", stop)
    assert [len(sandbox.commands) for sandbox in sandboxes(story)] == [0]


def test_while_the_checkout_is_made(story: Story, gate: Gate) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(gate.fault("POST", rf"/{story.repo.full_name}\.git/git-upload-pack"))
    story.say(number, LONG)
    story.until("the fetch", gate.reached.is_set)
    stop = story.say(number, "/amp stop")
    story.until("the stop to be done", lambda: taken(story, stop))
    gate.open()
    story.settle()
    assert_stopped(story, number, "before Amp began.", stop)


def test_while_it_waits_in_line(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    story.say(number, "/amp second\n\n- create two.txt: 2\n")
    story.until("the second to be queued", lambda: len(story.from_bot(number)) == 2)
    stop = story.say(number, "/amp stop")
    story.settle()
    assert story.states() == ["stopped", "stopped"]
    first, second = story.from_bot(number)
    assert "Amp and its sandbox are ended" in first
    assert "Stopped by mona before its turn came. Nothing was changed." in second
    assert len(sandboxes(story)) == 1, "the second never had a sandbox"
    assert story.pulls() == []
    assert story.reactions(stop) == [(BOT, "+1"), (BOT, "eyes")]


def test_while_it_waits_for_a_place_in_the_engine(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(AMPBOT_MAX_RUNS="1"))
    one, two = story.issue(), story.issue("Another")
    asked(story, one)
    story.say(two, "/amp second\n\n- create two.txt: 2\n")
    story.until("the second to be queued", lambda: len(story.from_bot(two)) == 1)
    stop = story.say(two, "/amp stop")
    story.until("the stop to be done", lambda: taken(story, stop))
    assert "before its turn came." in story.only_answer(two)
    assert story.states() == ["working", "stopped"]
    story.say(one, "/amp stop")
    story.settle()
    story.until("the engine to have let the second through", lambda: unfinished(story) == [])
    assert story.states() == ["stopped", "stopped"]
    assert len(sandboxes(story)) == 1
    assert "before its turn came." in story.only_answer(two)


def unfinished(story: Story) -> list[dict[str, str]]:
    return story.rig.query("SELECT workflow_uuid FROM workflow_status WHERE status IN ('PENDING', 'ENQUEUED')")


def test_while_the_changes_are_collected(story: Story, gate: Gate) -> None:
    number = story.issue()
    # The first file that is read is the list of names in the checkout, the second the change set.
    story.rig.e2b.server.faults.add(replace(gate.fault("GET", r"/files"), skip=1))
    story.say(number, "/amp go\n\n- create new.txt: new\n")
    story.until("the collecting", gate.reached.is_set)
    assert story.states() == ["collecting"]
    stop = story.say(number, "/amp stop")
    story.until("the stop to be done", lambda: taken(story, stop))
    gate.open()
    story.settle()
    assert_stopped(story, number, "nothing was published", stop)


@pytest.mark.parametrize("path", [r"/git/commits$", r"/pulls$"])
def test_while_it_is_published_it_is_too_late(story: Story, gate: Gate, path: str) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(gate.fault("POST", f"/{story.repo.full_name}{path}"))
    story.say(number, "/amp go\n\n- create new.txt: new\n")
    story.until("the publishing", gate.reached.is_set)
    stop = story.say(number, "/amp stop")
    story.until("the answer", lambda: len(story.from_bot(number)) == 2)
    gate.open()
    story.settle()
    assert story.states() == ["published"]
    assert story.only_pull().draft is False
    done, late = story.from_bot(number)
    assert "### ✅ Done" in done
    assert "Too late: the run here is being published or just ending." in late
    assert story.reactions(stop) == [(BOT, "eyes")]


def test_a_review_is_stopped_while_it_is_read(story: Story, gate: Gate) -> None:
    """There is nothing to keep of a review."""
    pull = story.pull({"new.txt": "new\n"})
    before = story.branches()
    # The fetch, the look for Amp and the checkout come first.
    story.rig.e2b.server.faults.add(replace(gate.fault("POST", r"/process\.Process/Start"), skip=3))
    story.say(pull.number, "/amp review")
    story.until("the agent's start", gate.reached.is_set)
    assert story.states() == ["working"]
    stop = story.say(pull.number, "/amp stop keep")
    story.until("the stop to be done", lambda: taken(story, stop))
    gate.open()
    story.settle()
    assert story.states() == ["stopped"]
    assert "nothing was published" in story.only_answer(pull.number)
    assert (story.reviews(pull.number), story.branches()) == ([], before)


def test_a_review_that_is_posted_is_not_stopped(story: Story, gate: Gate) -> None:
    pull = story.pull({"new.txt": "new\n"})
    story.rig.github.server.faults.add(gate.fault("POST", f"/{story.repo.full_name}/pulls/{pull.number}/reviews$"))
    story.say(pull.number, "/amp review")
    story.until("the review", gate.reached.is_set)
    story.say(pull.number, "/amp stop keep")
    story.until("the answer", lambda: len(story.from_bot(pull.number)) == 2)
    gate.open()
    story.settle()
    assert story.states() == ["reviewed"]
    assert len(story.reviews(pull.number)) == 1
    assert "Too late" in story.from_bot(pull.number)[1]


# --- who, what, and how often -----------------------------------------------------------------------


def test_where_nothing_runs_it_says_so(story: Story) -> None:
    number = story.issue()
    stop = story.say(number, "/amp stop")
    story.settle()
    assert NOTHING in story.only_answer(number)
    assert story.reactions(stop) == [(BOT, "eyes")]


def test_twice(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    first = story.say(number, "/amp stop")
    second = story.say(number, "/amp stop")
    story.settle()
    run, reply = story.from_bot(number)
    assert "### ⏹️ Stopped" in run
    assert NOTHING in reply
    assert story.states() == ["stopped"]
    done = sorted([story.reactions(first), story.reactions(second)])
    assert done == [[(BOT, "+1"), (BOT, "eyes")], [(BOT, "eyes")]]


def test_a_stranger_stops_nothing(story: Story) -> None:
    number = story.issue()
    asked(story, number, f"/amp go\n\n- {HELD}\n- create new.txt: new\n")
    story.say(number, "/amp stop", by=STRANGER)
    story.until("the denial", lambda: len(story.from_bot(number)) == 2)
    story.settle()
    assert story.states() == ["published"]
    assert "only people with write access" in story.from_bot(number)[1]


def test_another_conversation_goes_on(story: Story) -> None:
    one, two = story.issue(), story.issue("Another")
    asked(story, one, f"/amp go\n\n- {HELD}\n- create new.txt: new\n")
    story.say(two, "/amp stop")
    story.until("the answer", lambda: story.from_bot(two))
    story.settle()
    assert story.states() == ["published"]
    assert NOTHING in story.only_answer(two)


def test_what_the_same_comment_asks_for_comes_instead(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    stop = story.say(number, "/amp stop\n\n/amp do this\n\n- create new.txt: new\n")
    story.settle()
    assert story.states() == ["stopped", "published"]
    assert story.reactions(stop) == [(BOT, "+1"), (BOT, "eyes")]
    old, new = story.from_bot(number)
    assert "### ⏹️ Stopped" in old
    assert "### ✅ Done" in new


def test_what_was_asked_for_before_and_arrives_after_is_stopped_too(story: Story, gate: Gate) -> None:
    number = story.issue()
    permission = rf"/{story.repo.full_name}/collaborators/"
    story.rig.github.server.faults.add(gate.fault("GET", permission))
    story.say(number, LONG)
    story.until("the question who may ask", gate.reached.is_set)
    story.say(number, "/amp stop")
    story.until("the answer", lambda: len(story.from_bot(number)) == 1)
    gate.open()
    story.settle()
    assert story.states() == ["stopped"]
    nothing, late = story.from_bot(number)
    assert NOTHING in nothing
    assert "before its turn came." in late
    assert sandboxes(story) == []


# --- after a crash, and how long it takes -----------------------------------------------------------


@pytest.mark.parametrize("text", ["/amp stop", "/amp stop keep"])
def test_a_stop_outlives_a_crash(rig_with: RigWith, gate: Gate, text: str) -> None:
    rig = rig_with.mortal()
    story = Story.begin(rig)
    number = story.issue()
    asked(story, number)
    changed(story)
    pattern = r"^/sandboxes/" if text == "/amp stop" else r"/process\.Process/Start"
    rig.e2b.server.faults.add(gate.fault("", pattern))
    story.say(number, text)
    story.until("the stop to be under way", lambda: story.runs()[0]["stop"] is not None)
    rig.bot.kill()
    gate.open()
    rig.serve()
    story.settle()
    assert story.states() == ["stopped"]
    assert len(story.from_bot(number)) == 1
    assert [pull.draft for pull in story.pulls()] == ([True] if "keep" in text else [])


def over(story: Story, number: int) -> bool:
    live = dict(story.rig.e2b.sandboxes)
    return "### ⏹️ Stopped" in story.only_answer(number) and all(sandbox.id not in live for sandbox in sandboxes(story))


def test_how_long_it_takes(rig: Rig, record_property: Callable[[str, object], None]) -> None:
    """From the comment to its end: no sandbox, and the run's comment says so. Printed, not held to a number.

    As far away as the real ones: GitHub answers after 150 ms, E2B after 300 ms.
    """
    rig.github.server.faults.add(Fault("delay", path=r"^/(api|graphql)", seconds=0.15, times=0))
    rig.e2b.server.faults.add(Fault("delay", seconds=0.3, times=0))
    took = []
    for _ in range(5):
        story = Story.begin(rig)
        number = story.issue()
        asked(story, number, f"/amp count\n\n- {ENDLESS}\n")
        begun = time.monotonic()
        story.say(number, "/amp stop")
        story.until("the end", partial(over, story, number))
        took.append(time.monotonic() - begun)
    took.sort()
    said = f"stop: p50 {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s (of {len(took)})"
    record_property("stop", said)
    print(said)
