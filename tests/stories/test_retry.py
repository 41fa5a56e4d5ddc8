"""`/amp retry` does the latest request that has ended once more; `/amp status` tells how things stand."""

from __future__ import annotations

import re

from tests.stories.conftest import RigWith
from tests.stories.redelivering import deliveries_of, redeliver
from tests.stories.stopping import Gate, asked
from tests.stories.story import BOT, ENDLESS, HELD, MAINTAINER, STRANGER, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}


# --- retry ------------------------------------------------------------------------------------------


def test_after_a_failure(story: Story) -> None:
    number = story.issue()
    story.say(number, '/amp make the answer right\n\n- replace app.py: "42" -> "43"\n- fail: The model gave up\n')
    story.settle()
    assert story.states() == ["failed"]
    # Meanwhile somebody has done something about it: the base is as it is now, not as it was then.
    story.rig.github.push_commit(story.repo, "main", {"app.py": "def answer():\n    return 42\n"}, MAINTAINER)
    retry = story.say(number, "/amp retry")
    story.settle()
    first, second = story.runs()
    assert f"at commit {story.branches()['main']}" in story.prompt()
    assert first["id"] != second["id"]
    assert story.states() == ["failed", "failed"]
    assert story.reactions(retry) == [(BOT, "eyes")]
    for answer in story.from_bot(number):
        assert "**mona:** make the answer right" in answer
        assert "The model gave up" in answer


def test_after_a_success(story: Story) -> None:
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    other = f"omar{story.repo.id}"
    story.rig.github.create_user(other)
    story.rig.github.set_permission(story.repo, other, "write")
    story.say(number, "It should say why, too.")
    story.say(number, "/amp retry", by=other)
    story.settle()
    assert story.states() == ["published", "published"]
    first, second = story.pulls()
    assert first.head_ref != second.head_ref
    assert f"Co-authored-by: {other} <" in story.repo.bare.commit(second.head_sha).message
    assert f"Co-authored-by: {MAINTAINER} <" in story.repo.bare.commit(first.head_sha).message
    assert "It should say why, too." in story.prompt(), "what was said until the retry is known to it"
    assert len(story.from_bot(number)) == 2


def test_a_review_is_done_again_as_a_review(story: Story) -> None:
    pull = story.pull({"new.txt": "new\n"})
    story.say(pull.number, "/amp review")
    story.settle()
    story.say(pull.number, "/amp retry")
    story.settle()
    assert story.states() == ["reviewed", "reviewed"]
    assert len(story.reviews(pull.number)) == 2


def test_after_a_stop_in_the_same_comment(story: Story) -> None:
    number = story.issue()
    asked(story, number, f"/amp go\n\n- create new.txt: new\n- {HELD}\n")
    story.say(number, "/amp stop\n\n/amp retry")
    story.until("the retry to be at work", lambda: story.states() == ["stopped", "working"])
    story.settle()
    assert story.states() == ["stopped", "published"]
    assert story.change() == {"new.txt": ("100644", b"new\n")}


def test_redelivered_it_is_one_run(story: Story) -> None:
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    story.say(number, "/amp retry")
    story.settle()
    (delivery,) = deliveries_of(story, "/amp retry")
    redeliver(story.rig, delivery)
    story.settle()
    assert story.states() == ["published", "published"]
    assert (len(story.pulls()), len(story.from_bot(number))) == (2, 2)


def test_killed_while_it_is_taken_it_is_one_run(rig_with: RigWith, gate: Gate) -> None:
    rig = rig_with.mortal()
    story = Story.begin(rig)
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    rig.github.server.faults.add(gate.fault("POST", rf"/{story.repo.full_name}/issues/{number}/comments$"))
    story.say(number, "/amp retry")
    story.until("its comment", gate.reached.is_set)
    rig.bot.kill()
    gate.open()
    rig.serve()
    story.settle()
    assert story.states() == ["published", "published"]
    assert len(story.pulls()) == 2
    assert len(story.from_bot(number)) == 2


def test_while_another_runs_it_waits_in_line(story: Story) -> None:
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    asked(story, number, f"/amp second\n\n- {HELD}\n- create two.txt: 2\n")
    story.say(number, "/amp retry")
    story.until("it to be queued", lambda: len(story.from_bot(number)) == 3)
    assert "number 1 in line" in story.from_bot(number)[2]
    story.settle()
    assert story.states() == ["published"] * 3
    bodies = [pull.issue.title for pull in story.pulls()]
    assert bodies.count("Answer 42") == 2


def test_where_nothing_was_asked_for_it_says_so(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp retry")
    story.settle()
    assert "Nothing was asked of ampbot here before" in story.only_answer(number)
    assert story.runs() == []


def test_where_nothing_has_ended_it_says_so(story: Story) -> None:
    number = story.issue()
    asked(story, number)
    story.say(number, "/amp retry")
    story.until("the answer", lambda: len(story.from_bot(number)) == 2)
    assert "Nothing here has ended yet" in story.from_bot(number)[1]
    story.say(number, "/amp stop")
    story.settle()
    assert story.states() == ["stopped"]


def test_a_stranger_retries_nothing(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp why?\n\n- answer: Because.\n")
    story.settle()
    story.say(number, "/amp retry", by=STRANGER)
    story.settle()
    assert story.states() == ["answered"]


# --- status -----------------------------------------------------------------------------------------


def status(story: Story, number: int) -> str:
    """What the bot answers, without what may differ from one time to another."""
    before = len(story.from_bot(number))
    story.say(number, "/amp status")
    story.until("the answer", lambda: len(story.from_bot(number)) == before + 1)
    said = story.from_bot(number)[-1].split("-->\n", 1)[1]
    said = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([^)]*\)", "TIME", said)
    said = re.sub(r"\d+ (min \d+ )?s · ", "TOOK · ", said)
    said = re.sub(r"[\d,]+ tokens in, [\d,]+ out", "TOKENS", said)
    return re.sub(
        r"run `\w{8}`", "RUN", re.sub(r"\[Amp thread\]\(https://ampcode.com/threads/T-[^)]*\)", "THREAD", said)
    )


def test_status_where_nothing_was_asked_for(story: Story) -> None:
    number = story.issue()
    assert status(story, number) == "Nothing is running here, and nothing waits in line."
    story.settle()


def test_status_from_first_to_last(story: Story, gate: Gate) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(gate.fault("POST", rf"/{story.repo.full_name}\.git/git-upload-pack"))
    story.say(number, f"/amp first\n\n- create one.txt: 1\n- {ENDLESS}\n")
    story.until("the fetch", gate.reached.is_set)
    first = story.runs()[0]["id"]
    assert status(story, number) == (
        "**Preparing a sandbox with a fresh checkout** since TIME · RUN\n\n> **mona:** first"
    )
    gate.open()
    story.say(number, "/amp second\n\n- create two.txt: 2\n")
    story.until("the second in line", lambda: len(story.runs()) == 2)
    story.say(number, "/amp third @omar\n\n- answer: It is.\n")
    query = "SELECT 1 FROM transcript WHERE run = :run"
    story.until("the agent's words", lambda: bool(story.rig.query(query, run=first)))
    story.until("the line", lambda: len(story.runs()) == 3 and len(story.from_bot(number)) == 4)
    waiting = status(story, number)
    assert re.fullmatch(
        r"\*\*Amp is at work\*\* since TIME · RUN · THREAD\n\n> \*\*mona:\*\* first\n\n"
        r"\*\*In line\*\*\n\n1\. \*\*mona:\*\* second\n2\. \*\*mona:\*\* third .*omar",
        waiting,
    ), waiting
    assert "@omar" not in waiting, "nobody is called by a status"
    story.say(number, "/amp stop")
    story.settle()
    assert status(story, number).startswith(
        "Nothing is running here, and nothing waits in line.\n\n**Last: ⏹️ Stopped**\n\n> **mona:** third"
    )
    story.say(number, FIX)
    story.settle()
    assert status(story, number) == (
        "Nothing is running here, and nothing waits in line.\n\n"
        f"**Last: ✅ Done in #{story.only_pull().number}**\n\n> **mona:** make the answer right\n\n"
        "<sub>TOOK · TOKENS · THREAD · RUN</sub>"
    )
    story.settle()


def test_status_while_it_is_published(story: Story, gate: Gate) -> None:
    number = story.issue()
    story.rig.github.server.faults.add(gate.fault("POST", f"/{story.repo.full_name}/pulls$"))
    story.say(number, FIX)
    story.until("the publishing", gate.reached.is_set)
    assert status(story, number).startswith("**Publishing** since TIME · RUN · THREAD")
    gate.open()
    story.settle()


def test_a_line_asked_for_in_one_comment_keeps_its_order(story: Story) -> None:
    number = story.issue()
    story.say(number, "".join(f"/amp number {word}\n- answer: {word}.\n\n" for word in ("one", "two", "three", "four")))
    story.settle()
    started = story.rig.query("SELECT request FROM runs WHERE repository = :id ORDER BY started_at", id=story.repo.id)
    asked_for = [re.findall(r"number (\w+)", row["request"])[0] for row in started]
    assert asked_for == ["one", "two", "three", "four"]
