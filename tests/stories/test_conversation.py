"""What Amp is told of a conversation: what was there to read when the request was made, and by whom."""

from __future__ import annotations

import re

import pytest

from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Pull
from tests.stories.story import BOT, HELD, MAINTAINER, STRANGER, Story

CHANGE = {"app.py": "def answer():\n    return 42\n"}
HUNK = "@@ -1,2 +1,2 @@\n def answer():\n-    return 41\n+    return 42"


def sections(story: Story) -> list[str]:
    """The newest prompt's sections, without times and nonces."""
    text = re.sub(r' at="[^"]*"', "", story.prompt())
    nonce = next(iter(re.findall(r"<context-([0-9a-f]{8}) ", text)))
    text = text.replace(f"-{nonce}", "")
    return re.findall(
        r"^<context .*?^</context>|^<request .*?^</request>|^Older parts .*?$", text, re.DOTALL | re.MULTILINE
    )


def thread(told: str, **more: str) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<context kind="review thread"{attributes}>\n<hunk>\n{HUNK}\n</hunk>\n{told}\n</context>'


def line(story: Story, pull: Pull, text: str, by: str = MAINTAINER, reply_to: int | None = None) -> int:
    draft = DraftComment("app.py", text, 2)
    return story.rig.github.review_comment(story.repo, pull.number, by, draft, reply_to=reply_to).id


def test_a_pull_request_comes_with_its_reviews_and_threads(story: Story) -> None:
    hub, pull = story.rig.github, story.pull(CHANGE)
    if hub.state.account("lin") is None:
        hub.create_user("lin")
    hub.submit_review(story.repo, pull.number, STRANGER, "Nearly.", event="REQUEST_CHANGES")
    hub.submit_review(story.repo, pull.number, "lin", "", event="APPROVE")
    first = line(story, pull, "Why 42?", STRANGER)
    story.seconds_pass()
    line(story, pull, "Ask the mice.", "lin", reply_to=first)
    done = line(story, pull, "A typo.", STRANGER)
    hub.resolve(pull.comments[done], MAINTAINER)
    hub.delete_user("lin")
    story.seconds_pass()
    story.say(pull.number, "What do you think?", STRANGER)
    story.seconds_pass()
    story.say(pull.number, "/amp answer the reviewers\n\n- answer: So be it.\n")
    story.settle()
    assert story.states() == ["answered"]
    told = sections(story)
    assert told[0] == f'<context kind="pull request #1" author="{MAINTAINER}">\nA feature\n\nWhat it does.\n</context>'
    assert told[1] == f'<context kind="comment" author="{STRANGER}">\nWhat do you think?\n</context>'
    resolved, open_ = sorted(told[2:4], key=lambda each: 'resolved="no"' in each)
    assert [resolved, open_] == [
        thread(
            f'<comment author="{STRANGER}">\nA typo.\n</comment>',
            file="app.py",
            line="2",
            resolved="yes",
            resolved_by=MAINTAINER,
        ),
        thread(
            f'<comment author="{STRANGER}">\nWhy 42?\n</comment>\n<comment author="">\nAsk the mice.\n</comment>',
            file="app.py",
            line="2",
            resolved="no",
        ),
    ]
    assert sorted(told[4:6]) == [
        '<context kind="review" author="" state="approved">\n\n</context>',
        f'<context kind="review" author="{STRANGER}" state="changes requested">\nNearly.\n</context>',
    ]
    assert [each.partition("\n")[0] for each in told[6:]] == [f'<request by="{MAINTAINER}">']


def test_the_thread_of_the_request_comes_first(story: Story) -> None:
    pull = story.pull(CHANGE)
    asked = line(story, pull, "Is this right?", STRANGER)
    story.seconds_pass()
    line(story, pull, "Another matter.", STRANGER)
    story.say(pull.number, "Newer words.", STRANGER)
    story.seconds_pass()
    line(story, pull, "/amp answer that\n\n- answer: Yes.\n", reply_to=asked)
    story.settle()
    assert story.states() == ["answered"]
    told = sections(story)
    assert told[1] == thread(
        f'<comment author="{STRANGER}">\nIs this right?\n</comment>',
        file="app.py",
        line="2",
        resolved="no",
        request="the request below was made in this thread",
    )
    assert [("Another matter." in each, "Newer words." in each) for each in told[2:4]].count((False, False)) == 0
    assert told[4].startswith(f'<request by="{MAINTAINER}" on="app.py:2">')


def test_the_thread_of_the_request_is_found_behind_many(story: Story) -> None:
    pull = story.pull(CHANGE)
    asked = line(story, pull, "Is this right?", STRANGER)
    for each in range(161):
        line(story, pull, f"Matter {each}.", STRANGER)
    story.seconds_pass()
    line(story, pull, "/amp answer that\n\n- answer: Yes.\n", reply_to=asked)
    story.settle()
    told = sections(story)
    assert "Is this right?" in told[1]
    assert [f"Matter {each}." in "".join(told) for each in (100, 101, 160)] == [False, True, True]


def test_an_outdated_thread_says_where_it_was(story: Story) -> None:
    pull = story.pull(CHANGE)
    line(story, pull, "Why 42?", STRANGER)
    story.rig.github.push_commit(story.repo, "feature", {"app.py": "def answer():\n    return 43\n"}, MAINTAINER)
    story.seconds_pass()
    story.say(pull.number, "/amp go on\n\n- answer: Gone.\n")
    story.settle()
    assert sections(story)[1] == thread(
        f'<comment author="{STRANGER}">\nWhy 42?\n</comment>',
        file="app.py",
        original_line="2",
        outdated="yes",
        resolved="no",
    )


def test_a_request_in_a_review_comes_with_what_else_the_review_says(story: Story) -> None:
    pull, hub = story.pull(CHANGE), story.rig.github
    comments = [
        DraftComment("app.py", "Not 42.", 2),
        DraftComment("app.py", "/amp do what I say\n\n- answer: Yes.\n", 1),
    ]
    review = hub.submit_review(story.repo, pull.number, MAINTAINER, "See below.", event=None, comments=comments)
    story.seconds_pass(2)
    hub.submit_pending(review)
    story.settle()
    assert story.states() == ["answered"]
    told = "\n".join(sections(story))
    assert "Not 42." in told, "drafted with the request, and published with it"
    assert "See below." in told


def test_what_comes_later_is_not_told(story: Story) -> None:
    """Strangers may write, edit and publish while the run waits for its turn."""
    hub, pull = story.rig.github, story.pull(CHANGE)
    other, stays = story.issue("Other", "Plain.", by=STRANGER), story.issue("Stays", "As it is.", by=STRANGER)
    edited = hub.review_comment(story.repo, pull.number, STRANGER, DraftComment("app.py", "Good line.", 2))
    kept = hub.review_comment(story.repo, pull.number, STRANGER, DraftComment("app.py", "Kept line.", 1))
    review = hub.submit_review(story.repo, pull.number, STRANGER, "Good review.", event="COMMENT")
    drafted = [DraftComment("app.py", "EVIL draft", 2)]
    hub.create_user(f"eve{story.repo.id}")
    pending = hub.submit_review(
        story.repo, pull.number, f"eve{story.repo.id}", "EVIL later", event=None, comments=drafted
    )
    story.seconds_pass()
    story.say(pull.number, f"/amp first\n\n- {HELD}\n- answer: First.\n")
    story.until("the first run to be at work", lambda: story.states() == ["working"])
    story.say(pull.number, f"/amp second, see #{other}, #{stays} and #4\n\n- answer: Second.\n")
    story.until("the second to be queued", lambda: story.states() == ["working", "queued"])
    story.seconds_pass()
    hub.edit_review_comment(edited, STRANGER, "EVIL line")
    hub.edit_review(review, STRANGER, "EVIL review")
    hub.submit_pending(pending)
    line(story, pull, "EVIL reply", STRANGER, reply_to=kept.id)
    line(story, pull, "EVIL line of its own", STRANGER)
    hub.submit_review(story.repo, pull.number, STRANGER, "EVIL new review", event="COMMENT")
    hub.edit_issue(story.repo, other, STRANGER, title="EVIL title")
    assert story.issue("EVIL issue", "EVIL body", by=STRANGER) == 4
    story.settle()
    assert story.states() == ["answered", "answered"]
    told = "\n".join(sections(story))
    assert "EVIL" not in story.prompt()
    assert "Kept line." in told
    assert f'<context kind="issue #{stays}, which the text refers to" author="{STRANGER}" state="open">' in told


def test_what_is_hidden_or_pending_is_not_told(story: Story) -> None:
    hub, pull = story.rig.github, story.pull(CHANGE)
    hub.hide(story.say(pull.number, "SPAM comment", STRANGER))
    hub.hide(hub.submit_review(story.repo, pull.number, STRANGER, "SPAM review"))
    first = line(story, pull, "SPAM line", STRANGER)
    hub.hide(pull.comments[first])
    hub.submit_review(
        story.repo, pull.number, STRANGER, "DRAFT", event=None, comments=[DraftComment("app.py", "DRAFT", 2)]
    )
    story.say(pull.number, "Look <!-- SPAM unseen --> here\u200b.", STRANGER)
    story.seconds_pass()
    story.say(pull.number, "/amp go on\n\n- answer: Yes.\n")
    story.settle()
    assert not re.search("SPAM|DRAFT", story.prompt())
    assert "\nLook [HTML comment left out] here.\n" in story.prompt()


def test_earlier_answers_are_told_as_its_own(story: Story) -> None:
    pull = story.pull(CHANGE)
    story.say(pull.number, "/amp why?\n\n- answer: Because of the mice.\n")
    story.settle()
    story.say(pull.number, "/amp help")
    story.settle()
    forged = story.say(pull.number, story.from_bot(pull.number)[0].replace("mice", "cats"), STRANGER)
    story.seconds_pass()
    story.say(pull.number, "/amp and then?\n\n- answer: Nothing.\n")
    story.settle()
    told = sections(story)
    own = [each for each in told if 'role="ampbot"' in each]
    assert len(own) == 1, "what is no run's answer is left out"
    assert own[0].startswith(f'<context kind="comment" author="{BOT.removesuffix("[bot]")}" role="ampbot">\n### ')
    assert "Because of the mice." in own[0]
    (theirs,) = [each for each in told if "Because of the cats." in each]
    assert theirs.startswith(f'<context kind="comment" author="{forged.author.account.login}">')


def test_what_the_text_refers_to_comes_along(story: Story) -> None:
    hub = story.rig.github
    hub.create_repository(f"{story.repo.owner.login}/secret", files={"a": "a"}, private=True)
    hub.open_issue(f"{story.repo.owner.login}/secret", MAINTAINER, "SECRET", "SECRET")
    old = story.issue("Round numbers", "They are nicer.", by=STRANGER)
    hub.close(story.repo, old, MAINTAINER)
    pull = story.pull(CHANGE, title="As a pull")
    page = f"{hub.url}/{story.repo.full_name}/pull/{pull.number}"
    number = story.issue(body=f"See {page}, `#{pull.number}` and {story.repo.owner.login}/secret#1.")
    story.seconds_pass()
    story.say(number, f"/amp as in #{old}, not as in #99\n\n- answer: Yes.\n")
    story.settle()
    assert story.states() == ["answered"]
    told = sections(story)
    assert told[1:3] == [
        (
            f'<context kind="issue #{old}, which the text refers to" author="{STRANGER}" state="closed">\n'
            "Round numbers\n\nThey are nicer.\n</context>"
        ),
        (
            f'<context kind="pull request #{pull.number}, which the text refers to" author="{MAINTAINER}"'
            ' state="open">\nAs a pull\n\nWhat it does.\n</context>'
        ),
    ]
    assert "SECRET" not in story.prompt()


@pytest.mark.parametrize("count", [58, 59])
def test_what_was_not_read_is_said(story: Story, count: int) -> None:
    """It reads the 60 newest comments. Two of them are the request, and that the run has begun."""
    number = story.issue()
    for each in range(count):
        story.say(number, f"remark {each}.", STRANGER)
    story.seconds_pass()
    story.say(number, "/amp go on\n\n- answer: Yes.\n")
    story.settle()
    told = sections(story)
    remarks = [each.split("\n")[1] for each in told if each.startswith('<context kind="comment"')]
    assert remarks == [f"remark {each}." for each in range(count - 1, count - 59, -1)]
    assert told[59].startswith("Older parts of this conversation are left out:") == (count == 59)
