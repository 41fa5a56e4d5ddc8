"""Killed while it publishes, and the world moved before it was started again: nothing is pushed or opened twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.rig.github.records import Pull
from bot.rig.http.faults import Side
from tests.stories.conftest import RigWith
from tests.stories.moving import CHANGE, after_the_push, pushes_of
from tests.stories.stopping import Gate
from tests.stories.story import BOT, MAINTAINER, Story

WORK = "/amp go on\n\n- create new.txt: new\n- answer: Here it is.\n"


def killed_after_the_push(story: Story, gate: Gate, pull: Pull, meanwhile: Callable[[], object]) -> str:
    """The bot is killed before it learns that its commit is on the branch. Returns the commit."""
    before = pull.head_sha
    after_the_push(story, "feature", gate.hold)
    story.say(pull.number, WORK)
    story.until("the push", gate.reached.is_set)
    pushed = story.branches()["feature"]
    assert pushed != before
    story.rig.bot.kill()
    gate.open()
    meanwhile()
    story.rig.serve()
    story.settle()
    return pushed


@pytest.fixture
def mortal(rig_with: RigWith) -> Story:
    return Story.begin(rig_with.mortal())


def test_killed_after_the_push(mortal: Story, gate: Gate) -> None:
    pull = mortal.pull(CHANGE)
    commit = killed_after_the_push(mortal, gate, pull, lambda: None)
    assert (pull.head_sha, mortal.pulls(), pushes_of(mortal)) == (commit, [pull], [commit])
    assert sorted(mortal.branches()) == ["feature", "main"]
    assert f"Added {commit} to `feature` (1 file changed)." in mortal.only_answer(pull.number)


def test_killed_after_the_push_and_somebody_pushed_more(mortal: Story, gate: Gate) -> None:
    pull = mortal.pull(CHANGE)
    commit = killed_after_the_push(
        mortal,
        gate,
        pull,
        lambda: mortal.rig.github.push_commit(mortal.repo, "feature", {"more.txt": "more\n"}, MAINTAINER),
    )
    assert (mortal.repo.bare.commit(pull.head_sha).parents, pushes_of(mortal)) == ((commit,), [commit])
    assert sorted(mortal.branches()) == ["feature", "main"]
    assert f"Added {commit} to `feature` (1 file changed)." in mortal.only_answer(pull.number)


def test_killed_after_the_push_and_it_was_merged(mortal: Story, gate: Gate) -> None:
    pull = mortal.pull(CHANGE)
    commit = killed_after_the_push(
        mortal, gate, pull, lambda: mortal.rig.github.merge(mortal.repo, pull.number, MAINTAINER)
    )
    assert (pull.head_sha, mortal.pulls(), pushes_of(mortal)) == (commit, [pull], [commit])
    assert sorted(mortal.branches()) == ["feature", "main"]
    answer = mortal.only_answer(pull.number)
    assert f"Added {commit} to `feature` (1 file changed). The pull request has been merged since" in answer


def test_killed_after_the_push_and_it_was_closed(mortal: Story, gate: Gate) -> None:
    pull = mortal.pull(CHANGE)
    commit = killed_after_the_push(
        mortal, gate, pull, lambda: mortal.rig.github.close(mortal.repo, pull.number, MAINTAINER)
    )
    assert (mortal.pulls(), pushes_of(mortal)) == ([pull], [commit])
    said = f"This pull request was closed while {commit} was being added to `feature` (1 file changed)."
    assert said in mortal.only_answer(pull.number)


def killed_after_the_pull_request(story: Story, gate: Gate, meanwhile: Callable[[int], object]) -> int:
    """The bot is killed before it learns the pull request's number. Returns the issue's."""
    number = story.issue()
    story.rig.github.server.faults.add(gate.fault("POST", rf"/{story.repo.full_name}/pulls$", Side.AFTER))
    story.say(number, WORK)
    story.until("the pull request", gate.reached.is_set)
    story.rig.bot.kill()
    gate.open()
    meanwhile(number)
    story.rig.serve()
    story.settle()
    return number


def test_killed_after_the_pull_request_and_the_issue_was_closed_as_not_planned(mortal: Story, gate: Gate) -> None:
    """It is out already: to say that nothing was published would be wrong."""
    number = killed_after_the_pull_request(
        mortal, gate, lambda number: mortal.rig.github.close(mortal.repo, number, MAINTAINER, "not_planned")
    )
    pull = mortal.only_pull()
    assert pull.issue.author.account.login == BOT
    assert f"Opened #{pull.number} (1 file changed)." in mortal.only_answer(number)
    assert sorted(mortal.branches()) == sorted(["main", pull.head_ref])


@pytest.mark.parametrize("end", ["closed", "merged"])
def test_killed_after_the_pull_request_and_it_was_dealt_with(mortal: Story, gate: Gate, end: str) -> None:
    """GitHub would open a second one for the same branch."""

    def deal_with(_number: int) -> None:
        github, pull = mortal.rig.github, mortal.only_pull()
        (github.close if end == "closed" else github.merge)(mortal.repo, pull.number, MAINTAINER)
        github.delete_branch(mortal.repo, pull.head_ref, MAINTAINER)

    number = killed_after_the_pull_request(mortal, gate, deal_with)
    pull = mortal.only_pull()
    assert f"Opened #{pull.number} (1 file changed)." in mortal.only_answer(number)
    assert (mortal.states(), sorted(mortal.branches())) == (["published"], ["main"])


def test_killed_after_the_pull_request_and_who_asked_lost_access(mortal: Story, gate: Gate) -> None:
    """It is out already, as above."""
    number = killed_after_the_pull_request(
        mortal, gate, lambda _: mortal.rig.github.set_permission(mortal.repo, MAINTAINER, "triage")
    )
    assert f"Opened #{mortal.only_pull().number} (1 file changed)." in mortal.only_answer(number)
    assert mortal.states() == ["published"]
