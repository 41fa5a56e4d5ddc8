"""A run that reaches a cap: Amp is ended at that message, and what exists is published as a draft, or kept."""

from __future__ import annotations

import json

import pytest

from tests.stories.conftest import RigWith
from tests.stories.story import HELD, Story

# Four messages: the bot has to end Amp at the third. The request and the first are some 500 tokens, the second is 1,000
# more and so is the third, which reads the second. The system prompt, 9,000 tokens, is read from the cache.
NEARLY = "Nearly. " * 500
REQUEST = f"/amp do it\n\n- create new.txt: new\n- say: {NEARLY}\n- {HELD}\n- say: Too late.\n- title: Never\n"
NEW = ("100644", b"new\n")
TURNS = {"AMPBOT_RUN_TURNS": "3"}
TOKENS = {"AMPBOT_RUN_TOKENS": "2000"}
SAYS = {
    "turns": "Amp reached this run's cap of 3 turns and was ended. The operator of ampbot can raise it with "
    "`AMPBOT_RUN_TURNS`; or ask again for a smaller step.",
    "tokens": "Amp reached this run's cap of 2,000 tokens (not counting cache reads) and was ended. The operator of "
    "ampbot can raise it with `AMPBOT_RUN_TOKENS`; or ask again for a smaller step.",
}


def messages(story: Story) -> int:
    """How many messages of Amp are in the transcript of the one run."""
    rows = story.rig.query(
        "SELECT t.line FROM transcript t JOIN runs r ON r.id = t.run WHERE r.repository = :id", id=story.repo.id
    )
    return [json.loads(row["line"])["type"] for row in rows].count("assistant")


def ended(story: Story) -> None:
    """Wait without letting the agent go on: only the bot can end it."""
    story.until("the cap to end the run", lambda: [bool(row["ended_at"]) for row in story.runs()] == [True])
    assert story.states() == ["stopped"]


@pytest.mark.parametrize(("cap", "settings"), [("turns", TURNS), ("tokens", TOKENS)])
def test_what_exists_at_a_cap_becomes_a_draft(rig_with: RigWith, cap: str, settings: dict[str, str]) -> None:
    story = Story.begin(rig_with(**settings))
    number = story.issue()
    story.say(number, REQUEST)
    ended(story)
    assert messages(story) == 3, "it is ended at the message that reaches the cap"
    pull = story.only_pull()
    assert (pull.draft, pull.issue.title) == (True, "The answer is wrong")
    assert story.change() == {"new.txt": NEW}
    assert f"This change may be unfinished. {SAYS[cap]}" in (pull.issue.body or "")
    answer = story.only_answer(number)
    assert "### ⏹️ Stopped" in answer
    assert SAYS[cap] in answer
    assert f"What Amp had changed by then is in the draft pull request #{pull.number} (1 file changed)." in answer
    story.settle()


def test_on_a_pull_request_it_goes_beside_it(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(**TURNS))
    pull = story.pull({"app.py": "def answer():\n    return 42\n"})
    head = pull.head_sha
    story.say(pull.number, REQUEST)
    ended(story)
    (own,) = set(story.branches()) - {"main", "feature"}
    assert (pull.head_sha, story.pulls()) == (head, [pull])
    assert story.files(story.branches()[own]) == story.files(head) | {"new.txt": NEW}
    answer = story.only_answer(pull.number)
    assert SAYS["turns"] in answer
    assert f"on `{own}` (1 file changed), not on this pull request" in answer
    story.settle()


def test_by_setting_it_is_only_kept(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(**TURNS, AMPBOT_AT_CAP="keep"))
    number = story.issue()
    story.say(number, REQUEST)
    ended(story)
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    answer = story.only_answer(number)
    assert SAYS["turns"] in answer
    assert "Nothing was published. What it had changed is kept with the run." in answer
    assert "`ampbot runs diff" in answer
    story.settle()


def test_what_ends_by_itself_at_its_last_turn_is_done(rig_with: RigWith) -> None:
    story = Story.begin(rig_with(**TURNS))
    number = story.issue()
    story.say(number, "/amp why?\n\n- answer: Because.\n")
    story.settle()
    assert story.states() == ["answered"]
    assert "Because." in story.only_answer(number)
