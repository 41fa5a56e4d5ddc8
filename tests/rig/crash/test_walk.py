"""A kill at any point leads to the same end: every request of one story, and a seeded sample of all other points.

`make crash` walks every point of every story on both databases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from random import Random

import pytest

from bot.rig.crash.points import COMMIT, Point
from tests.rig.crash.conftest import Walks

PARTS = 5
# Another seed draws another sample: AMPBOT_CRASH_SEED=7 make test ARGS=tests/rig/crash
SEED = os.environ.get("AMPBOT_CRASH_SEED", "0")


class Run:
    """Walks points and records their number for the summary of the session."""

    def __init__(self, walks: Walks, record: Callable[[str, object], None]) -> None:
        self._walks = walks
        self._record = record

    def __call__(self, database: str, story: str, chosen: Sequence[Point]) -> None:
        golden = self._walks.golden(database, story)
        results = [self._walks.on(database).walk(story, golden, point) for point in chosen]
        struck = [result for result in results if result.struck]
        differing = {str(result.point): result.differing for result in results if result.differing}
        self._record(
            "points walked", [len(struck), len(results), len(differing), f"{database} {story}", len(golden.points)]
        )
        assert differing == {}
        # Concurrent steps may make a run one poll or one commit shorter, so a few points may not be reached.
        assert len(results) - len(struck) <= 1 + len(results) // 5


@pytest.fixture
def run(walks: Walks, record_property: Callable[[str, object], None]) -> Run:
    return Run(walks, record_property)


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_request_an_issue_still_becomes_one_pull_request(walks: Walks, run: Run, part: int) -> None:
    requests = [point for point in walks.golden("sqlite", "issue").points if point.place != COMMIT]
    run("sqlite", "issue", sorted(requests)[part::PARTS])


@pytest.mark.parametrize(("story", "count"), [("issue", 6), ("pull", 4), ("answer", 3), ("failing", 3)])
def test_killed_at_any_other_point_it_ends_the_same(walks: Walks, run: Run, story: str, count: int) -> None:
    points = walks.golden("sqlite", story).points
    if story == "issue":  # its requests are walked above
        points = tuple(point for point in points if point.place == COMMIT)
    run("sqlite", story, _sample(points, story, count))


def test_on_postgresql_it_ends_the_same(walks: Walks, run: Run) -> None:
    for story, count in (("issue", 3), ("pull", 1), ("failing", 1)):
        run("postgresql", story, _sample(walks.golden("postgresql", story).points, story, count))


def _sample(points: Sequence[Point], story: str, count: int) -> list[Point]:
    return Random(f"{SEED} {story}").sample(sorted(points), count)
