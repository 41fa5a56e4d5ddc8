"""The world moved while Amp worked: each move has its own end, before GitHub is looked at and right after."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bot.rig.github.records import Pull
from tests.stories.moving import (
    CHANGE,
    KEPT,
    NEW,
    Moves,
    after_the_look,
    after_the_push,
    at_work,
    before_the_look,
    own_branch,
    own_pull,
    pushes_of,
    what_changes,
)
from tests.stories.story import HELD, MAINTAINER, Story

either = pytest.mark.parametrize("moving", [before_the_look, after_the_look])


# --- pull requests: merged ------------------------------------------------------------------------


@either
@pytest.mark.parametrize("squash", [False, True], ids=["merge commit", "squashed"])
@pytest.mark.parametrize("keeps_branch", [False, True], ids=["branch deleted", "branch kept"])
def test_merged(story: Story, moving: Moves, squash: bool, keeps_branch: bool) -> None:
    pull = story.pull(CHANGE)
    head = pull.head_sha
    number = at_work(story, pull)

    def move() -> None:
        story.rig.github.push_commit(story.repo, "main", {"other.txt": "other\n"}, MAINTAINER)
        story.rig.github.merge(story.repo, number, MAINTAINER, squash=squash)
        if not keeps_branch:
            story.rig.github.delete_branch(story.repo, "feature", MAINTAINER)

    moving(story, move)
    made = own_pull(story, number)
    assert (made.base_ref, made.draft) == ("main", False)
    assert what_changes(story, made) == NEW
    assert story.repo.bare.is_ancestor(story.branches()["main"], made.head_sha), "on the base's tip"
    assert f"Follows #{number}" in (made.issue.body or "")
    assert len(pushes_of(story)) == 1
    assert pull.head_sha == head
    answer = story.only_answer(number)
    assert "### ✅ Done" in answer
    says = f"This pull request has been merged, so the work is in #{made.number} (1 file changed)."
    assert f"{says} It is up to date with `main`." in answer
    assert "Here it is." in answer
    dead = story.branches().get("feature")
    assert (dead is not None) == keeps_branch
    if dead != head and dead is not None:
        assert "The commit is also on `feature`, where it came too late to be merged" in answer
    else:
        assert "`feature`" not in answer
    assert [row["pull"] for row in story.runs()] == [made.number]


def test_merged_and_its_change_conflicts_with_the_base_now(story: Story) -> None:
    pull = story.pull(CHANGE)
    number = at_work(story, pull)
    story.rig.github.merge(story.repo, number, MAINTAINER)
    story.rig.github.push_commit(story.repo, "main", {"new.txt": "quite another\n"}, MAINTAINER)
    story.settle()
    made = own_pull(story, number)
    assert story.files(made.head_sha) == story.files(pull.head_sha) | NEW
    assert f"#{made.number} (1 file changed). It conflicts with `main`: resolve that there" in story.only_answer(number)


def test_merged_and_the_base_brings_workflows_which_ampbot_may_not_push(story: Story) -> None:
    pull = story.pull(CHANGE)
    number = at_work(story, pull)
    story.rig.github.merge(story.repo, number, MAINTAINER)
    story.rig.github.push_commit(story.repo, "main", {".github/workflows/ci.yml": "on: push\n"}, MAINTAINER)
    story.settle()
    made = own_pull(story, number)
    assert what_changes(story, made) == NEW
    assert "It is not up to date with `main`: update it there before you merge it." in story.only_answer(number)


def test_merged_together_with_the_commit_just_after_it_was_added(story: Story) -> None:
    """The look after the push sees it."""
    pull = story.pull(CHANGE)
    number = at_work(story, pull)
    after_the_push(story, "feature", lambda: story.rig.github.merge(story.repo, number, MAINTAINER))
    story.settle()
    assert story.pulls() == [pull]
    assert story.files(story.branches()["main"]) == story.files(pull.head_sha)
    assert len(pushes_of(story)) == 1
    answer = story.only_answer(number)
    assert f"Added {pull.head_sha} to `feature` (1 file changed). The pull request has been merged since" in answer


# --- pull requests: closed ------------------------------------------------------------------------


def test_closed_is_a_stop(story: Story) -> None:
    pull = story.pull(CHANGE)
    branches = story.branches()
    number = at_work(story, pull)
    story.rig.github.close(story.repo, number, MAINTAINER)
    story.settle()
    assert story.states() == ["stopped"]
    assert (story.branches(), story.pulls()) == (branches, [pull])
    assert story.kept() == KEPT
    answer = story.only_answer(number)
    assert "### ⏹️ Stopped" in answer
    assert "This pull request was closed while Amp was at work, so nothing was published." in answer


def test_closed_between_the_look_and_the_push(story: Story) -> None:
    pull = story.pull(CHANGE)
    number = at_work(story, pull)
    after_the_look(story, lambda: story.rig.github.close(story.repo, number, MAINTAINER))
    assert story.states() == ["stopped"]
    assert story.pulls() == [pull]
    assert sorted(story.branches()) == ["feature", "main"]
    assert len(pushes_of(story)) == 1
    commit = story.branches()["feature"]
    said = f"This pull request was closed while {commit} was being added to `feature` (1 file changed)."
    assert said in story.only_answer(number)


# --- pull requests: the branch ---------------------------------------------------------------------


def leaked(story: Story) -> tuple[Pull, str]:
    """A pull request whose newest commit leaks a file, and the commit before that."""
    pull = story.pull(CHANGE)
    before = pull.head_sha
    story.rig.github.push_commit(story.repo, "feature", {"secret.txt": "hunter2\n"}, MAINTAINER, "A leak")
    return pull, before


@either
def test_forced_back_what_was_dropped_does_not_come_back_there(story: Story, moving: Moves) -> None:
    pull, before = leaked(story)
    number = at_work(story, pull)
    moving(story, lambda: story.rig.github.force_push(story.repo, "feature", before, MAINTAINER))
    assert story.branches()["feature"] == before
    assert "secret.txt" not in story.files(pull.head_sha)
    assert story.states() == ["published"]
    own = own_branch(story, number)
    assert story.files(own) == story.files(before) | NEW
    assert story.repo.bare.commit(story.branches()[own]).parents == (before,)
    assert all("secret.txt" not in story.files(tip) for tip in story.repo.bare.log("--branches"))
    assert f"nothing was pushed to it. The work is on `{own}`" in story.only_answer(number)
    assert (story.pulls(), len(pushes_of(story))) == ([pull], 1)


def test_forced_back_in_a_file_that_amp_changed_nothing_is_published(story: Story) -> None:
    pull, before = leaked(story)
    number = at_work(story, pull, f'/amp go on\n\n- {HELD}\n- replace secret.txt: "hunter2" -> "hunter3"\n')
    story.rig.github.force_push(story.repo, "feature", before, MAINTAINER)
    branches = story.branches()
    story.settle()
    assert (story.states(), story.branches(), story.kept()) == (["refused"], branches, KEPT)
    assert "`feature` was rewritten while Amp was at work, in files that Amp changed too." in story.only_answer(number)


@either
def test_forced_back_and_merged_what_was_dropped_does_not_come_back(story: Story, moving: Moves) -> None:
    pull, before = leaked(story)
    number = at_work(story, pull)

    def move() -> None:
        story.rig.github.force_push(story.repo, "feature", before, MAINTAINER)
        story.rig.github.merge(story.repo, number, MAINTAINER)

    moving(story, move)
    made = own_pull(story, number)
    assert what_changes(story, made) == NEW
    assert all("secret.txt" not in story.files(tip) for tip in story.repo.bare.log("--branches"))


def pushed(story: Story) -> None:
    story.rig.github.push_commit(story.repo, "feature", {"other.txt": "other\n"}, MAINTAINER)


def rewritten(story: Story) -> None:
    story.rig.github.push_commit(story.repo, "again", {"other.txt": "other\n"}, MAINTAINER)
    story.rig.github.force_push(story.repo, "feature", story.branches()["again"], MAINTAINER)


def deleted(story: Story) -> None:
    story.rig.github.delete_branch(story.repo, "feature", MAINTAINER)


@either
@pytest.mark.parametrize("move", [pushed, rewritten, deleted])
def test_moved_the_work_is_beside_it(story: Story, moving: Moves, move: Callable[[Story], None]) -> None:
    pull = story.pull(CHANGE)
    before = pull.head_sha
    number = at_work(story, pull)
    others: list[str | None] = []

    def make() -> None:
        move(story)
        others.append(story.branches().get("feature"))

    moving(story, make)
    assert [story.branches().get("feature")] == others
    own = own_branch(story, number)
    commit = story.repo.bare.commit(story.branches()[own])
    start = others[0] if move is rewritten else before
    assert commit.parents == (start,), "what was rewritten does not come back"
    assert story.files(commit.oid) == story.files(start or "") | NEW
    assert (story.pulls(), story.states(), len(pushes_of(story))) == ([pull], ["published"], 1)
    assert (
        f"`feature` moved or went away while Amp was at work, so nothing was pushed to it. The work is on `{own}`"
        in (story.only_answer(number))
    )


def test_moved_just_after_the_push(story: Story) -> None:
    pull = story.pull(CHANGE)
    before = pull.head_sha
    number = at_work(story, pull)
    after_the_push(story, "feature", lambda: rewritten(story))
    story.settle()
    assert (len(pushes_of(story)), story.pulls()) == (0, [pull])
    assert sorted(story.branches()) == ["again", "feature", "main"]
    answer = story.only_answer(number)
    assert re.search(
        r"Added [0-9a-f]{40} to `feature` \(1 file changed\), but the branch was moved right afterw", answer
    )
    assert before not in answer


def test_pushed_to_just_after_the_push_both_are_there(story: Story) -> None:
    pull = story.pull(CHANGE)
    number = at_work(story, pull)
    after_the_push(story, "feature", lambda: pushed(story))
    story.settle()
    assert set(story.files(pull.head_sha)) >= {"new.txt", "other.txt"}
    (commit,) = story.repo.bare.commit(pull.head_sha).parents
    assert f"Added {commit} to `feature` (1 file changed)." in story.only_answer(number)
    assert sorted(story.branches()) == ["feature", "main"]


@either
def test_its_base_is_deleted(story: Story, moving: Moves) -> None:
    story.rig.github.push_commit(story.repo, "next", {"next.txt": "next\n"}, MAINTAINER)
    story.rig.github.push_commit(story.repo, "feature", CHANGE, MAINTAINER)
    pull = story.rig.github.open_pull(story.repo, MAINTAINER, "feature", "A feature", base="next")
    head = pull.head_sha
    number = at_work(story, pull)
    moving(story, lambda: story.rig.github.delete_branch(story.repo, "next", MAINTAINER))
    assert (story.pulls(), len(pushes_of(story))) == ([pull], 1)
    answer = story.only_answer(number)
    if moving is before_the_look:
        own = own_branch(story, number)
        assert story.branches()["feature"] == head
        assert "`next`, the branch to merge into, was deleted while Amp was at work, so there is no pull" in answer
        assert f"work is on `{own}` (1 file changed)" in answer
        assert story.states() == ["published"]
    else:  # the push came before; GitHub closes a pull request without a base
        commit = story.branches()["feature"]
        assert f"This pull request was closed while {commit} was being added to `feature`" in answer


@either
def test_a_head_that_is_the_default_branch_is_never_pushed_to(story: Story, moving: Moves) -> None:
    story.rig.github.push_commit(story.repo, "stable", {"notes.txt": "notes\n"}, MAINTAINER)
    story.rig.github.push_commit(story.repo, "main", CHANGE, MAINTAINER)
    pull = story.rig.github.open_pull(story.repo, MAINTAINER, "main", "Release it", base="stable")
    main = pull.head_sha
    number = at_work(story, pull)
    moving(story, lambda: None)
    made = own_pull(story, number)
    assert story.branches()["main"] == main
    assert (made.base_ref, story.repo.bare.commit(made.head_sha).parents) == ("main", (main,))
    assert what_changes(story, made) == NEW
    answer = story.only_answer(number)
    assert (
        f"`main` is the default branch, and ampbot does not push to it. The work is in #{made.number} (1 file" in answer
    )


@either
def test_a_head_that_a_rule_protects_gets_a_pull_request(story: Story, moving: Moves) -> None:
    pull = story.pull(CHANGE)
    head = pull.head_sha
    number = at_work(story, pull)
    why = "Changes must be made through a pull request."
    moving(story, lambda: story.rig.github.protect(story.repo, "refs/heads/feature", update=True, why=why))
    made = own_pull(story, number)
    assert (story.branches()["feature"], made.base_ref) == (head, "feature")
    assert what_changes(story, made) == NEW
    answer = story.only_answer(number)
    assert "GitHub does not let ampbot push to `feature`:\n\n> Repository rule violations found" in answer
    assert f"> {why}" in answer
    assert f"The work is in #{made.number} (1 file changed); merge that to have it in this pull request." in answer


# --- issues ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["not_planned", "duplicate"])
def test_an_issue_closed_as_not_planned_is_a_stop(story: Story, reason: str) -> None:
    number = at_work(story)
    story.rig.github.close(story.repo, number, MAINTAINER, reason)
    story.settle()
    assert (story.states(), story.pulls(), list(story.branches())) == (["stopped"], [], ["main"])
    assert story.kept() == KEPT
    answer = story.only_answer(number)
    assert "This issue was closed as not planned or as a duplicate while Amp was at work, so nothing was" in answer


@either
def test_an_issue_closed_as_completed_is_published(story: Story, moving: Moves) -> None:
    number = at_work(story)
    moving(story, lambda: story.rig.github.close(story.repo, number, MAINTAINER, "completed"))
    assert (story.states(), story.change()) == (["published"], NEW)
    assert f"Opened #{story.only_pull().number} (1 file changed)." in story.only_answer(number)


def test_an_issue_reopened_meanwhile_is_published(story: Story) -> None:
    number = at_work(story)
    story.rig.github.close(story.repo, number, MAINTAINER, "not_planned")
    story.rig.github.reopen(story.repo, number, MAINTAINER)
    story.settle()
    assert (story.states(), story.change()) == (["published"], NEW)


def delete(story: Story, number: int) -> None:
    story.rig.github.delete_issue(story.repo, number, MAINTAINER)


def transfer(story: Story, number: int) -> None:
    other = story.rig.github.create_repository(f"{story.repo.owner.login}/elsewhere", files={"a": "a\n"})
    story.rig.github.transfer_issue(story.repo, number, MAINTAINER, other)


@pytest.mark.parametrize("move", [delete, transfer])
def test_an_issue_that_is_gone_is_a_stop(story: Story, move: Callable[[Story, int], None]) -> None:
    number = at_work(story)
    move(story, number)
    story.settle()
    ((state, says),) = story.endings()
    assert state == "stopped"
    assert "This issue was deleted or transferred while Amp was at work, so nothing was published." in says
    assert (story.pulls(), list(story.branches())) == ([], ["main"])
    assert story.kept() == KEPT


@either
def test_the_default_branch_is_renamed(story: Story, moving: Moves) -> None:
    number = at_work(story)
    moving(story, lambda: story.rig.github.rename_branch(story.repo, "main", "trunk", MAINTAINER))
    made = own_pull(story, number)
    assert made.base_ref == "trunk"
    assert what_changes(story, made) == NEW
    assert sorted(story.branches()) == sorted(["trunk", made.head_ref])
    assert f"Opened #{made.number} (1 file changed)." in story.only_answer(number)
    assert story.states() == ["published"]
