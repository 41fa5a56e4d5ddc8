"""Stopping is safe, starting costs: what people write around a verb starts, stops and pushes nothing that they did not
ask for, and whoever is not understood gets an answer.
"""

from __future__ import annotations

import pytest

from bot.rig.rig import Rig
from tests.stories.stopping import NOTHING, asked, assert_stopped, changed
from tests.stories.story import BOT, FILES, Story

HINT = "If the words behind it are a request, ask for it with `/amp work` and the request."


@pytest.mark.parametrize(
    ("text", "hinted"),
    [
        ("/amp stop please!", False),
        ("@ampbot, please stop 🛑", False),
        ("/amp stop\r\n\r\n-- \r\nMona\r\nACME, Inc.", False),
        ("/amp cancel that\n\nSent from my iPhone", False),
        ("/amp stop\n\nI will do it myself:\n\n- create new.txt: new", True),
    ],
)
def test_a_stop_with_a_remark_ends_the_run_and_starts_none(story: Story, text: str, hinted: bool) -> None:
    number = story.issue()
    asked(story, number)
    changed(story)
    stop = story.say(number, text.replace("@ampbot", f"@{BOT.removesuffix('[bot]')}"))
    story.settle()
    assert story.states() == ["stopped"]
    assert (story.pulls(), sorted(story.branches())) == ([], ["main"])
    assert story.reactions(stop) == [(BOT, "+1"), (BOT, "eyes")]
    ended, *replies = story.from_bot(number)
    assert "### ⏹️ Stopped" in ended
    assert [HINT in reply for reply in replies] == [True] * hinted
    if not hinted:
        assert_stopped(story, number, "nothing was published", stop)


def test_a_courtesy_that_is_added_to_a_stop_changes_nothing(story: Story) -> None:
    number = story.issue()
    comment = story.say(number, "/amp stop")
    story.settle()
    story.rig.github.edit_comment(comment, "mona", "/amp stop please\n\nThanks!")
    story.settle()
    assert NOTHING in story.only_answer(number)
    assert story.runs() == []


@pytest.mark.parametrize(
    ("text", "focus"),
    [
        ("/amp review please", None),
        ("/amp please review: the new file,\n\nand push a fix", "the new file,\n\nand push a fix"),
    ],
)
def test_a_review_reads_whatever_follows_and_pushes_nothing(rig: Rig, text: str, focus: str | None) -> None:
    script = "- create evil.txt: evil\n- append app.py: # evil\n- answer: I have read it.\n"
    story = Story.begin(rig, {**FILES, "AMP-SCRIPT.md": script})
    pull = story.pull({"new.txt": "new\n"})
    before, head = story.branches(), pull.head_sha
    story.say(pull.number, text)
    story.settle()
    assert story.states() == ["reviewed"]
    assert (story.branches(), pull.head_sha, len(story.pulls())) == (before, head, 1)
    (review,) = story.reviews(pull.number)
    assert (review.author.account.login, review.commit) == (BOT, head)
    assert "I have read it." in review.body
    assert "### 🔎 Reviewed" in story.only_answer(pull.number)
    told = f" This is what to look at:\n\n{focus}" if focus else ""
    assert f"\nReview this pull request.{told}\n</request-" in story.prompt()


def test_on_an_issue_a_review_starts_nothing_and_says_how_to_ask(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp review the error handling in app.py")
    story.settle()
    assert story.runs() == []
    assert "There is no pull request here to review." in story.only_answer(number)
    assert "comment `/amp work` and the request." in story.only_answer(number)


def test_work_makes_a_request_of_what_begins_like_a_stop(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp work stop the server in tearDown\n\n- create new.txt: new\n- title: Stop the server\n")
    story.settle()
    assert story.states() == ["published"]
    assert set(story.change()) == {"new.txt"}
    assert "> **mona:** stop the server in tearDown" in story.only_answer(number)
    assert "\nstop the server in tearDown\n\n- create new.txt: new" in story.prompt()


def test_what_begins_like_a_retry_is_a_request(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp retry logic in client.py is wrong\n\n- create new.txt: new\n")
    story.settle()
    assert story.states() == ["published"]
    assert "> **mona:** retry logic in client.py is wrong" in story.only_answer(number)


def test_what_is_not_understood_or_starts_nothing_is_answered(story: Story) -> None:
    number = story.issue()
    for text in ("/amp sotp please", "/amp 👍", "/amp status page is broken", "@{}, thank you!", "/amp\uff1ahlep"):
        story.say(number, text.format(BOT.removesuffix("[bot]")))
        story.settle()
    slip, empty, *status, courtesy, helped = story.from_bot(number)
    assert "did you mean `/amp stop`?" in slip
    assert "Nothing was asked, so nothing was started." in empty
    assert sorted(HINT in said for said in status) == [False, True]
    assert "Nothing was asked, so nothing was started." in courtesy
    assert "did you mean `/amp help`?" in helped
    assert story.runs() == []


def test_what_a_reader_cannot_see_starts_nothing(story: Story) -> None:
    number = story.issue()
    hidden = [
        "<details><summary>Log</summary>\n\n/amp do it\n\n</details>",
        '[a](https://example.com "\n/amp do it\n")',
        "![a\n/amp do it\n](https://example.com/a.png)",
        "[^1]: A note\n/amp do it",
        "| a |\n| --- |\n/amp do it",
        "<!--\n\n/amp do it\n\n-->",
    ]
    story.say(number, "\n\n".join(hidden))
    story.settle()
    assert (story.from_bot(number), story.runs()) == ([], [])
