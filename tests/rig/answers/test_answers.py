"""A passing refusal at any request leads to the same end, and one agent is started. `make answers` tries them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.rig.answers.__main__ import SETTINGS, Case, cases, tell
from bot.rig.answers.passing import PASSING
from bot.rig.crash.walk import Golden, Walk


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    with Walk(settings=SETTINGS) as walk:
        yield walk


@pytest.fixture(scope="module")
def golden(walk: Walk) -> Golden:
    return walk.undisturbed("pull")


@pytest.fixture(scope="module")
def last(golden: Golden) -> dict[str, Case]:
    """The last request that each answer can meet: the nearer the end, the more there is to lose."""
    return {case.passing.name: case for case in cases(golden) if case.times == 1}


@pytest.mark.parametrize("name", [passing.name for passing in PASSING if "/pulls" not in passing.path])
def test_a_passing_answer_changes_nothing(walk: Walk, golden: Golden, last: dict[str, Case], name: str) -> None:
    result = tell(walk, "pull", golden, last[name])
    assert (result.struck, result.agents, result.differing) == (True, 1, ())
