"""The label `amp` asks for an issue to be resolved as it is described, each time it is put on.

A label has no words of its own, so the agent is told what to do by the AMP-SCRIPT.md of the repository.
"""

from __future__ import annotations

import pytest

from bot.rig.rig import Rig
from tests.stories.story import BOT, FILES, MAINTAINER, STRANGER, Story

SCRIPT = '- replace app.py: "41" -> "42"\n- title: Answer 42\n- answer: The answer is 42 now.\n'


@pytest.fixture
def labelled(rig: Rig) -> Story:
    """A repository whose script resolves the issue."""
    return Story.begin(rig, {**FILES, "AMP-SCRIPT.md": SCRIPT})


def names(story: Story, number: int) -> list[str]:
    return [label.name for label in story.repo.issues[number].labels]


def gestures(story: Story, number: int) -> list[tuple[str, str]]:
    return [(event.event, event.actor.account.login) for event in story.repo.issues[number].events]


def test_each_time_it_is_put_on_it_is_a_run_with_a_pull_request_of_its_own(labelled: Story) -> None:
    story = labelled
    number = story.issue()
    # GitHub keeps the case of the name it saw first; whoever labels need not.
    for name in ("AMP", "amp"):
        story.rig.github.label(story.repo, number, MAINTAINER, name)
        story.settle()

    main = story.branches()["main"]
    assert story.states() == ["published", "published"]
    first, second = story.pulls()
    assert first.head_ref != second.head_ref
    assert set(story.branches()) == {"main", first.head_ref, second.head_ref}
    for pull in (first, second):
        assert (pull.issue.title, pull.base_ref) == ("Answer 42", "main")
        assert f"Closes #{number}" in (pull.issue.body or "")
        assert story.repo.bare.commit(pull.head_sha).parents == (main,)
        assert story.files(pull.head_sha)["app.py"] == ("100644", b"def answer():\n    return 42\n")
    assert names(story, number) == []
    assert gestures(story, number) == [("labeled", MAINTAINER), ("unlabeled", BOT)] * 2
    assert [(each.account.login, each.content) for each in story.repo.issues[number].reactions] == [(BOT, "eyes")]
    for said, pull in zip(story.from_bot(number), (first, second), strict=True):
        assert "Resolve this issue." in said
        assert f"Opened #{pull.number} (1 file changed)." in said


def test_who_may_label_but_not_write_is_denied(labelled: Story) -> None:
    story = labelled
    number = story.issue()
    story.rig.github.set_permission(story.repo, STRANGER, "triage")
    story.rig.github.label(story.repo, number, STRANGER, "amp")
    story.settle()
    assert "only people with write access" in story.only_answer(number)
    assert (story.runs(), story.pulls(), names(story, number)) == ([], [], ["amp"])


def test_on_a_pull_request_and_with_other_names_it_asks_nothing(labelled: Story) -> None:
    story = labelled
    issue, pull = story.issue(), story.pull({"app.py": "def answer():\n    return 42\n"})
    before, mark = story.branches(), story.mark()
    story.rig.github.label(story.repo, pull.number, MAINTAINER, "amp")
    for name in ("bug", "amped", "amp:", "amp "):
        story.rig.github.label(story.repo, issue, MAINTAINER, name)
    story.settle()
    assert (story.runs(), story.branches(), story.requests(mark)) == ([], before, [])
    assert (story.from_bot(issue), story.from_bot(pull.number)) == ([], [])
    assert (names(story, issue), names(story, pull.number)) == (["bug", "amped", "amp:", "amp "], ["amp"])
