"""Where the work of a run goes: every difference that a look at GitHub can find, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from bot.github.look import IssueNow, Look, PullNow, PullState
from bot.run.plan_publication import (
    Facts,
    KeepBranch,
    Landed,
    OpenPull,
    PushToHead,
    Step,
    Why,
    Withhold,
    apart,
    decide,
)
from tests.factory import pinned

PINNED = pinned(base_branch="trunk")
ON_PULL = pinned(base_branch="next", head_branch="feature", merge_base="0" * 40)
HEAD, OTHER = ON_PULL.base_sha, "07e4" * 10
LOOK = Look("R_1", "trunk", base_exists=True, subject=IssueNow(unwanted=False))
PULL = PullNow(PullState.OPEN, "feature", HEAD, HEAD, "next", base_exists=True)
FACTS = Facts(PINNED, LOOK, may_ask=True)


def issue(*, unwanted: bool = False, **changes: object) -> Facts:
    look = replace(LOOK, subject=IssueNow(unwanted=unwanted))
    return replace(FACTS, look=replace(look, **changes))  # type: ignore[arg-type]


def pull(*, default: str = "trunk", **changes: object) -> Facts:
    now = replace(PULL, **changes)  # type: ignore[arg-type]
    return replace(FACTS, pinned=ON_PULL, look=replace(LOOK, default_branch=default, subject=now))


def gone(facts: Facts) -> Facts:
    return replace(facts, look=replace(facts.look, subject=None))


PLAIN = OpenPull("trunk")
PUSH = PushToHead("feature", HEAD)

CASES: dict[str, tuple[Facts, Step]] = {
    "an issue": (issue(), PLAIN),
    "an issue closed as not planned": (issue(unwanted=True), Withhold(Why.UNWANTED)),
    "an issue that is gone": (gone(issue()), Withhold(Why.GONE)),
    "the default branch renamed": (issue(base_exists=False, default_branch="main"), OpenPull("main")),
    "another default branch beside it": (issue(default_branch="main"), PLAIN),
    "no branch left": (issue(base_exists=False, default_branch=None), KeepBranch(Why.BASE_GONE)),
    "an issue that became a pull request": (replace(issue(), look=replace(LOOK, subject=PULL)), PLAIN),
    "a pull request": (pull(), PUSH),
    "a renamed branch": (pull(head_branch="renamed"), PushToHead("renamed", HEAD)),
    "another base": (pull(base_branch="other"), PUSH),
    "moved": (pull(head=OTHER, head_sha=OTHER), KeepBranch(Why.MOVED)),
    "its branch is gone": (pull(head=None), KeepBranch(Why.MOVED)),
    "its branch is gone, and so it is closed": (pull(head=None, state=PullState.CLOSED), KeepBranch(Why.MOVED)),
    "closed": (pull(state=PullState.CLOSED), Withhold(Why.CLOSED)),
    "closed and moved": (pull(state=PullState.CLOSED, head=OTHER), Withhold(Why.CLOSED)),
    "its base is gone, and so it is closed": (
        pull(base_exists=False, state=PullState.CLOSED),
        KeepBranch(Why.BASE_GONE),
    ),
    "merged": (pull(state=PullState.MERGED), OpenPull("next", Why.MERGED)),
    "merged, and its branch is gone": (pull(state=PullState.MERGED, head=None), OpenPull("next", Why.MERGED)),
    "merged, and its base is gone": (pull(state=PullState.MERGED, base_exists=False), KeepBranch(Why.BASE_GONE)),
    "gone": (gone(pull()), Withhold(Why.GONE)),
    "the default branch": (pull(default="feature"), OpenPull("feature", Why.DEFAULT)),
    "the default branch, moved": (pull(default="feature", head=OTHER), OpenPull("feature", Why.DEFAULT)),
    "refused": (replace(pull(), push_refused=True), OpenPull("feature", Why.REFUSED)),
    "refused because it moved": (replace(pull(head=OTHER), push_refused=True), KeepBranch(Why.MOVED)),
}


@pytest.mark.parametrize(("facts", "step"), CASES.values(), ids=CASES)
def test_each_difference_has_its_end(facts: Facts, step: Step) -> None:
    assert decide(facts) == step


@pytest.mark.parametrize("facts", [facts for facts, _ in CASES.values()], ids=CASES)
def test_without_write_access_nothing_is_published(facts: Facts) -> None:
    assert decide(replace(facts, may_ask=False)) == Withhold(Why.NO_ACCESS)


@pytest.mark.parametrize("facts", [facts for facts, _ in CASES.values()], ids=CASES)
def test_unfinished_work_is_never_pushed_to_a_branch_that_others_use(facts: Facts) -> None:
    step = decide(replace(facts, stopped=True))
    assert not isinstance(step, PushToHead)
    if facts.pinned.head_branch is not None:
        assert step in (KeepBranch(Why.STOPPED), Withhold(Why.GONE), KeepBranch(Why.BASE_GONE))


@pytest.mark.parametrize(
    ("paths", "others", "are"),
    [
        (["a"], ["b"], True),
        (["a"], [], True),
        (["a"], ["a"], False),
        (["a/b"], ["a"], False),
        (["a"], ["a/b/c"], False),
        (["a/b"], ["a/c"], True),
        (["ab"], ["a"], True),
    ],
)
def test_paths_that_touch_are_not_apart(paths: list[str], others: list[str], are: bool) -> None:
    assert apart(paths, others) is are
    assert apart(others, paths) is are


# --- after the push, or after an attempt that was cut short -----------------------------------------

PUSHED: dict[str, tuple[Facts, Step]] = {
    "it is there": (
        replace(pull(head=OTHER), pushed=True, in_branch=True),
        Landed("feature", PullState.OPEN),
    ),
    "github still shows the commit before it": (replace(pull(), pushed=True), Landed("feature", PullState.OPEN)),
    "dropped again": (replace(pull(head=OTHER), pushed=True), Landed("feature", PullState.OPEN, still=False)),
    "closed": (
        replace(pull(state=PullState.CLOSED, head=OTHER), pushed=True, in_branch=True),
        Landed("feature", PullState.CLOSED),
    ),
    "merged with it": (
        replace(pull(state=PullState.MERGED), pushed=True, in_branch=True, in_pull=True),
        Landed("feature", PullState.MERGED),
    ),
    "merged with it, and the branch deleted": (
        replace(pull(state=PullState.MERGED, head=None), in_pull=True),
        Landed("feature", PullState.MERGED),
    ),
    "merged before it": (
        replace(pull(state=PullState.MERGED), pushed=True, in_branch=True),
        OpenPull("next", Why.MERGED),
    ),
}


@pytest.mark.parametrize(("facts", "step"), PUSHED.values(), ids=PUSHED)
def test_after_the_push(facts: Facts, step: Step) -> None:
    assert decide(facts) == step


@pytest.mark.parametrize(("facts", "step"), PUSHED.values(), ids=PUSHED)
def test_after_the_push_without_write_access(facts: Facts, step: Step) -> None:
    """What is out is said; nothing more is published."""
    assert decide(replace(facts, may_ask=False)) == (step if isinstance(step, Landed) else Withhold(Why.NO_ACCESS))


def test_what_was_pushed_is_never_pushed_again() -> None:
    heads = [HEAD, OTHER, None]
    for state, head, base, default, branch, in_pull in product(
        PullState, heads, (True, False), ("trunk", "feature"), (True, False), (True, False)
    ):
        facts = replace(
            pull(state=state, head=head, base_exists=base, default=default),
            pushed=True,
            in_branch=branch,
            in_pull=in_pull,
        )
        assert not isinstance(decide(facts), PushToHead), facts


@pytest.mark.parametrize("facts", [issue(unwanted=True), gone(issue())], ids=["unwanted", "gone"])
def test_what_an_earlier_attempt_began_to_publish_is_finished(facts: Facts) -> None:
    assert decide(replace(facts, branch_made=True)) == PLAIN
