"""A passing refusal at any request leads to the same end, and one agent is started. `make answers` tries them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.rig.answers.__main__ import SETTINGS, Case, cases, tell
from bot.rig.answers.passing import PASSING
from bot.rig.crash.walk import Golden, Walk

STORIES = ("pull", "issue")


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with Walk(settings=SETTINGS) as walk:
        yield walk


@pytest.fixture(scope="module")
def goldens(walk: Walk) -> dict[str, Golden]:
    return {story: walk.undisturbed(story) for story in STORIES}


@pytest.fixture(scope="module")
def last(goldens: dict[str, Golden]) -> dict[str, tuple[str, Case]]:
    """The last request that each answer can meet: the nearer the end, the more there is to lose."""
    return {case.passing.name: (story, case) for story in STORIES for case in cases(goldens[story]) if case.times == 1}


@pytest.mark.parametrize("name", [passing.name for passing in PASSING])
def test_a_passing_answer_changes_nothing(
    walk: Walk, goldens: dict[str, Golden], last: dict[str, tuple[str, Case]], name: str
) -> None:
    story, case = last[name]
    result = tell(walk, story, goldens[story], case)
    assert (result.struck, result.agents, result.differing) == (True, 1, ())
