"""Whoever copies a hidden marker, and wherever Amp's answer holds one: a sweep leaves every comment as it was."""

from __future__ import annotations

import re

import pytest

from bot.rig.github.effects import issues
from bot.rig.github.records import Actor, App
from bot.rig.rig import Rig
from tests.stories.conftest import RigWith
from tests.stories.sleeping import sleep, wake
from tests.stories.stopping import asked, changed
from tests.stories.story import ENDLESS, MAINTAINER, STRANGER, Story

_MARKER = re.compile(r"<!-- ampbot:.*? -->")


@pytest.fixture
def rig(rig_with: RigWith) -> Rig:
    return rig_with.mortal()


def markers(story: Story, number: int) -> list[str]:
    """The marker of each comment of ours here."""
    return [_MARKER.findall(body)[0] for body in story.from_bot(number)]


def answering(*found: str) -> str:
    """An answer that begins with a marker, ends with one, and holds all of them in code between."""
    code = "\n".join(found)
    return (
        f"\n- answer:\n\n~~~~~\n```\n{code}\n```\n\nSaid `{found[-1]}` and {found[0]}.\n\n    {found[0]}\n\n"
        f"```\n{code}\n```\n~~~~~\n"
    )


def others(rig: Rig) -> App:
    if rig.github.state.account("copier[bot]") is None:
        rig.github.create_app("copier", permissions={"issues": "write"}, events=())
    return next(app for app in rig.github.state.apps.values() if app.slug == "copier")


def copied(story: Story, number: int) -> None:
    """A person and another App post each of our comments again, whole."""
    for body in story.from_bot(number):
        story.say(number, body)
        app = others(story.rig)
        with story.rig.github.state.lock:
            issues.comment(story.rig.github.state, story.repo.issues[number], Actor(app.bot, app), body)
    story.settle()


def said_everywhere(story: Story) -> list[tuple[int, int, str, str]]:
    """(issue, id, author, text) of every comment, review and description."""
    found = []
    for issue in story.repo.issues.values():
        found.append((issue.number, issue.id, issue.author.account.login, issue.body or ""))
        pull = issue.pull
        texts = [*issue.comments.values(), *(pull.reviews.values() if pull else ())]
        found += [(issue.number, text.id, text.author.account.login, text.body) for text in texts]
    return found


def swept_as_if_all_was_tried_twice(story: Story) -> None:
    """The sweep looks for duplicates of what took long, as it does when GitHub's list hid the first one."""
    sleep(story.rig)
    story.rig.execute("UPDATE effects SET tried_at = done_at - 60 WHERE done_at IS NOT NULL")
    story.rig.execute("DELETE FROM marks WHERE name = 'comments'")
    wake(story.rig)
    checked = "SELECT 1 FROM marks WHERE name = 'comments'"
    story.until("the sweep of comments", lambda: bool(story.rig.query(checked)))


def replies(story: Story, number: int) -> None:
    """One reply of each kind."""
    for text in ("/amp help", "/amp status", "/amp stop", "/amp retry"):
        story.say(number, text)
        story.settle()
    story.say(number, "/amp help", by=STRANGER)
    story.settle()


def test_in_an_issue_where_a_stop_keeps_what_there_is(rig: Rig) -> None:
    story = Story.begin(rig)
    number = story.issue()
    replies(story, number)
    story.say(number, "/amp write it\n\n- answer: Nothing.\n")
    story.settle()
    assert len(markers(story, number)) == 6
    for _ in range(2):
        story.say(number, f"/amp write all\n{answering(*markers(story, number))}")
        story.settle()
    said = answering(*markers(story, number)).replace("- answer:", "- say:")
    asked(story, number, f"/amp write it\n{said}\n- create new.txt: new\n- {ENDLESS}\n")
    changed(story)
    story.say(number, "/amp stop keep")
    story.settle()
    assert story.states() == ["answered", "answered", "answered", "stopped"]
    copied(story, number)
    ours = story.from_bot(number)[0]
    story.rig.github.edit_issue(story.repo, story.only_pull().number, MAINTAINER, body=f"{ours}\n\nmine")
    before = said_everywhere(story)
    assert sum(len(_MARKER.findall(text)) > 1 for *_, text in before) >= 6, "answers and copies with other markers"
    swept_as_if_all_was_tried_twice(story)
    assert said_everywhere(story) == before


def test_on_a_pull_request_and_in_its_review(rig: Rig) -> None:
    story = Story.begin(rig)
    pull = story.pull({"app.py": "def answer():\n    return 42\n"})
    replies(story, pull.number)
    said = answering(*markers(story, pull.number))
    story.rig.github.push_commit(story.repo, "feature", {"AMP-SCRIPT.md": said}, MAINTAINER)
    for text in ("/amp review", f"/amp write all\n{said}", "/amp review"):
        story.say(pull.number, text)
        story.settle()
    assert story.states() == ["reviewed", "answered", "reviewed"]
    for body in (story.reviews(pull.number)[0].body, story.from_bot(pull.number)[-2]):
        assert markers(story, pull.number)[0] in body
    copied(story, pull.number)
    before = said_everywhere(story)
    swept_as_if_all_was_tried_twice(story)
    assert said_everywhere(story) == before
