"""Upgrades from another version: killed at a point, its work is finished by this tree, and the end is the same.

Here the other version is this tree itself, as a program of its own. `make upgrade FROM=REF` takes a real one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from bot.rig.crash.fork_server import ForkServer
from bot.rig.crash.points import COMMIT, E2B, GITHUB, Point
from bot.rig.crash.upgrade import Upgrades, choose
from bot.rig.crash.version import interpreter, spawn
from bot.rig.http.faults import Side
from bot.rig.process import Process

HERE = spawn(Path(sys.executable))


class Starts:
    """Starts the other version, and keeps what it started."""

    def __init__(self) -> None:
        self.made: list[Process] = []

    def __call__(self, folder: Path, environment: Mapping[str, str]) -> Process:
        self.made.append(HERE(folder, environment))
        return self.made[-1]


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_a_killed_version_left_is_finished_by_this_tree(
    request: pytest.FixtureRequest, fork_server: ForkServer, database: str
) -> None:
    server = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    starts = Starts()
    upgrades = Upgrades(starts, fork_server, server)
    golden = upgrades.undisturbed("answer")
    assert golden.end == golden.other_end, "they are the same version"
    (planned,) = (point for point in choose(golden.points, 0, Random(0)) if "insert runs" in point.what)

    began = len(starts.made)
    result = upgrades.at("answer", golden, planned)
    assert (result.struck, result.differing, result.doubled) == (True, (), False)
    assert result.states == ("delivery planned", "run queued")
    (killed,) = starts.made[began:]
    assert killed.poll() == -9, "the other version was started once, and killed"


def point(place: str, what: str, number: int = 1, side: Side = Side.AFTER) -> Point:
    return Point(place, what, number, side)


MOVES = [
    point(COMMIT, "insert deliveries"),
    point(COMMIT, "insert runs + update runs + update deliveries"),
    point(COMMIT, "update runs + insert run_events", 2),
]
OTHERS = [
    *(point(COMMIT, "update workflow_status", number) for number in range(1, 10)),
    *(point(GITHUB, "POST /graphql", number, side) for number in range(1, 10) for side in Side),
    *(point(E2B, "POST /sandboxes", number, side) for number in range(1, 10) for side in Side),
]
NEVER = [point(COMMIT, "insert deliveries", 2), *(point(move.place, move.what, 1, Side.BEFORE) for move in MOVES)]


def test_each_commit_that_moves_work_on_is_a_point() -> None:
    assert choose([*NEVER, *OTHERS, *MOVES], 0, Random(1)) == MOVES


@pytest.mark.parametrize("count", [1, 3, 100])
def test_other_points_are_spread_over_the_story(count: int) -> None:
    chosen = choose([*OTHERS, *MOVES], count, Random(1))
    assert len(chosen) == len(set(chosen))
    for place, there in ((COMMIT, 9), (GITHUB, 18), (E2B, 18)):
        others = [each for each in chosen if each.place == place and each not in MOVES]
        assert len(others) == min(count, there)
        thirds = {(each.number - 1) // 3 for each in others}
        assert count < 3 or thirds == {0, 1, 2}
    assert choose([*OTHERS, *MOVES], count, Random(1)) == chosen, "the same seed gives the same points"


def test_a_version_may_be_an_interpreter() -> None:
    assert interpreter(sys.executable) == Path(sys.executable)


def test_a_commit_that_is_not_there_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        interpreter("no-such-commit")
