"""`/amp stop keep` ends the agent alone: what it had changed by then becomes a draft."""

from __future__ import annotations

from dataclasses import replace

from tests.stories.stopping import LONG, Gate, asked, assert_stopped, changed, taken
from tests.stories.story import BOT, ENDLESS, Story


def test_keep_publishes_what_exists_as_a_draft(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    changed(story)
    stop = story.say(number, "/amp stop keep")
    story.settle()
    assert story.states() == ["stopped"]
    pull = story.only_pull()
    assert (pull.draft, pull.issue.title) == (True, "The answer is wrong")
    assert story.change() == {"new.txt": ("100644", b"new\n")}
    assert "mona stopped this run before it was done" in (pull.issue.body or "")
    answer = story.only_answer(number)
    assert "### ⏹️ Stopped" in answer
    assert f"is in the draft pull request #{pull.number} (1 file changed): it may be unfinished." in answer
    assert story.reactions(stop) == [(BOT, "+1"), (BOT, "eyes")]
    assert sorted(story.branches()) == sorted(["main", pull.head_ref])


def test_keep_where_nothing_was_changed(story: Story) -> None:
    number = story.issue()
    asked(story, number, f"/amp think\n\n- {ENDLESS}\n")
    stop = story.say(number, "/amp stop keep")
    story.settle()
    assert_stopped(story, number, "Amp had changed nothing by then", stop)


def test_keep_just_before_the_agent_begins(story: Story, gate: Gate) -> None:
    """Whoever stops it finds no agent to end; the worker, which begins one, must not leave it running."""
    number = story.issue()
    # The fetch, the look for Amp and the checkout come first.
    story.rig.e2b.server.faults.add(replace(gate.fault("POST", r"/process\.Process/Start"), skip=3))
    story.say(number, f"/amp think\n\n- {ENDLESS}\n- create new.txt: new\n")
    story.until("the agent's start", gate.reached.is_set)
    assert story.states() == ["working"]
    stop = story.say(number, "/amp stop keep")
    story.until("the stop to be done", lambda: taken(story, stop))
    gate.open()
    story.settle()
    assert_stopped(story, number, "Amp had changed nothing by then", stop)


def test_keep_before_there_is_anything_is_a_plain_stop(story: Story, gate: Gate) -> None:
    number = story.issue()
    story.rig.e2b.server.faults.add(gate.fault("POST", r"/sandboxes$"))
    story.say(number, LONG)
    story.until("the sandbox", gate.reached.is_set)
    stop = story.say(number, "/amp stop keep")
    story.until("the stop to be done", lambda: taken(story, stop))
    gate.open()
    story.settle()
    assert_stopped(story, number, "before Amp began.", stop)


def test_keep_on_a_pull_request_leaves_its_branch_alone(story: Story) -> None:
    pull = story.pull({"app.py": "def answer():\n    return 42\n"})
    head = pull.head_sha
    asked(story, pull.number)
    changed(story)
    story.say(pull.number, "/amp stop keep")
    story.settle()
    assert story.states() == ["stopped"]
    (own,) = set(story.branches()) - {"main", "feature"}
    assert own.startswith(f"amp/{pull.number}-")
    assert (pull.head_sha, story.branches()["feature"], story.pulls()) == (head, head, [pull])
    assert story.files(story.branches()[own]) == story.files(head) | {"new.txt": ("100644", b"new\n")}
    answer = story.only_answer(pull.number)
    assert f"on `{own}` (1 file changed), not on this pull request, as it may be unfinished" in answer


def test_where_there_are_no_drafts_the_title_says_that_it_is_unfinished(story: Story) -> None:
    story.repo.allows_drafts = False
    number = story.issue()
    asked(story, number)
    changed(story)
    story.say(number, "/amp stop keep")
    story.settle()
    pull = story.only_pull()
    assert (pull.draft, pull.issue.title) == (False, "[WIP] The answer is wrong")
    assert f"pull request (GitHub allows no drafts here) #{pull.number}" in story.only_answer(number)


def test_keep_and_then_drop(story: Story, gate: Gate) -> None:
    number = story.issue()
    asked(story, number)
    changed(story)
    story.rig.e2b.server.faults.add(gate.fault("POST", r"/files|/process\.Process/Start"))
    story.say(number, "/amp stop keep")
    story.until("the stop in the sandbox", gate.reached.is_set)
    story.say(number, "/amp stop")
    story.until("the end to be decided", lambda: story.states() == ["stopped"])
    gate.open()
    story.settle()
    assert_stopped(story, number, "nothing was published")
