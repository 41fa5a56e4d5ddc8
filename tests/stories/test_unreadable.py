"""What the sandbox's user cannot read, and what git would wait for: refused by name, and never left out silently."""

from __future__ import annotations

import pytest

from bot.rig.e2b import isolation
from bot.rig.rig import Rig
from tests.stories.story import Story

how = isolation.detect()
pytestmark = pytest.mark.skipif(not how.as_user, reason=how.note)

REASON = "is no regular file, or cannot be read"
CASES = {
    "mkdir newdir; echo 1 > newdir/f; chmod 000 newdir": "newdir",
    "mkdir -p a/b; echo 1 > a/b/f; chmod 300 a/b": "a/b",
    "echo 1 > new.txt; chmod 000 new.txt": "new.txt",
    "chmod 000 README.md": "README.md",
    "chmod 000 docs": "docs",
    "mkfifo .gitattributes": ".gitattributes",
    "mkdir sub; mkfifo sub/.gitignore": "sub/.gitignore",
    "mkfifo .gitmodules": ".gitmodules",
}


def test_what_cannot_be_read_is_named(rig: Rig) -> None:
    stories = {command: Story.begin(rig) for command in CASES}
    numbers = {command: story.issue() for command, story in stories.items()}
    for command, story in stories.items():
        story.say(numbers[command], f"/amp do it\n\n- run: {command}\n- append app.py: # more\n")
    rig.wait_idle()
    for command, story in stories.items():
        answer = story.only_answer(numbers[command])
        assert story.states() == ["refused"], (command, answer)
        assert f"- `{CASES[command]}`: {REASON}" in answer, (command, answer)
        assert (story.kept(), story.pulls()) == ((["changes"], True), [])


def test_where_nothing_can_be_collected_the_answer_says_so(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp do it\n\n- create new.txt: new\n- run: chmod 500 ~/.ampbot\n")
    story.settle()
    assert story.states() == ["refused"]
    assert "The changes could not be collected from the sandbox." in story.only_answer(number)
    assert story.pulls() == []


def test_a_link_in_place_of_our_own_folder_is_replaced(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp do it\n\n- create new.txt: new\n- run: mkdir -p ~/.ampbot; ln -sfn /root ~/.ampbot/out\n")
    story.settle()
    assert story.states() == ["published"]
    assert story.change() == {"new.txt": ("100644", b"new\n")}
