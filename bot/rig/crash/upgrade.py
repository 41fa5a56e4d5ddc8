"""`make upgrade FROM=REF`: kill the bot of another commit at points of each story, and let this tree finish its work.

Each point has a new rig and a new database, made by the bot of that commit. The end must be the same as without the
kill. Where the two versions differ undisturbed, as in the wording of a comment, either is right.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from random import Random

from bot.rig.crash import postgres
from bot.rig.crash.end import differences
from bot.rig.crash.fork_server import ForkServer
from bot.rig.crash.points import COMMIT, E2B, GITHUB, Point
from bot.rig.crash.states import ALL
from bot.rig.crash.stories import STORIES
from bot.rig.crash.version import interpreter, spawn
from bot.rig.crash.walk import Golden, PointResult, Walk
from bot.rig.http.faults import Side
from bot.rig.process import Spawn

DATABASES = ("sqlite", "postgresql")


class Upgrades:
    """Upgrades from the version that `before` starts to the one that `after` starts, on one kind of database.

    `server` is the URL of a PostgreSQL server; None: SQLite.
    """

    def __init__(self, before: Spawn, after: Spawn, server: str | None) -> None:
        self._before = before
        self._after = after
        self._server = server

    def undisturbed(self, story: str) -> Golden:
        """The end and the points of the older version's bot, and the end of this tree's."""
        with self._walk(self._before) as walk:
            older = walk.undisturbed(story)
        with self._walk(None) as walk:
            return replace(older, other_end=walk.undisturbed(story).end)

    def at(self, story: str, golden: Golden, point: Point) -> PointResult:
        """Kill the older version's bot at `point`, and start this tree's on its database."""
        with self._walk(self._before) as walk:
            return walk.walk(story, golden, point)

    @contextmanager
    def _walk(self, before: Spawn | None) -> Iterator[Walk]:
        with ExitStack() as stack:
            url = stack.enter_context(postgres.database(self._server)) if self._server is not None else None
            yield stack.enter_context(Walk(url, before, self._after))


@contextmanager
def upgrades(before: Spawn, database: str) -> Iterator[Upgrades]:
    with ExitStack() as stack:
        server = stack.enter_context(postgres.server()) if database == "postgresql" else None
        # One for all: most of the time of a start is that of its imports.
        yield Upgrades(before, stack.enter_context(ForkServer()), server)


def choose(points: Sequence[Point], count: int, random: Random) -> list[Point]:
    """Each commit that moves a run or the first delivery on, and about `count` other points of each place.

    They are spread over the story. Of commits only the side after: the database before one is that after another.
    """
    rest = [point for point in points if point.place != COMMIT or point.side is Side.AFTER]
    chosen = [point for point in rest if _moves_on(point)]
    for place in (COMMIT, GITHUB, E2B):
        there = [point for point in rest if point.place == place and point not in chosen]
        part = len(there) / max(1, min(count, len(there)))
        chosen += [there[int((number + random.random()) * part)] for number in range(min(count, len(there)))]
    return chosen


def _moves_on(point: Point) -> bool:
    first_delivery = "deliveries" in point.what and point.number == 1
    return point.place == COMMIT and ("run_events" in point.what or first_delivery)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make upgrade", description=__doc__)
    parser.add_argument("--from", dest="version", required=True, help="a commit, or a Python that has it installed")
    parser.add_argument("--story", choices=STORIES, action="append", help="only this one; may be repeated")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one; may be repeated")
    parser.add_argument("--points", type=int, default=3, metavar="N", help="other points of each place in a story")
    parser.add_argument("--seed", default="0", help="another seed chooses other points")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the bots and servers end with this program
    before = spawn(interpreter(options.version))
    results: list[PointResult] = []
    for database in options.database or DATABASES:
        with upgrades(before, database) as each:
            for story in options.story or STORIES:
                golden = each.undisturbed(story)
                unlike = differences(golden.end, golden.other_end)
                print(f"{database} {story}: undisturbed, the versions differ in {len(unlike)} places", flush=True)
                for line in unlike:
                    print(f"    {line[:400]}", flush=True)
                for point in choose(golden.points, options.points, Random(f"{options.seed} {database} {story}")):
                    began = time.monotonic()
                    results.append(each.at(story, golden, point))
                    _show(f"{database} {story}", results[-1], time.monotonic() - began)
    return _sum_up(results, complete=options.story is None)


def _show(where: str, result: PointResult, seconds: float) -> None:
    word = "DIFFERS" if result.differing else "same end" if result.struck else "not come by"
    states = ", ".join(result.states) or "nothing unfinished"
    print(f"{where} {result.point} ({states}): {word} ({seconds:.1f} s)", flush=True)
    for line in result.differing:
        print(f"    {line}", flush=True)


def _sum_up(results: Sequence[PointResult], *, complete: bool) -> int:
    """Print the figures. Returns the exit code: 1 if an end differs, or if no kill met one of the states."""
    met = Counter(state for result in results if result.struck for state in result.states)
    for state in ALL:
        print(f"{state}: {met[state]} kills")
    differing, doubled = (sum(bool(found) for found in each) for each in zip(*_figures(results), strict=True))
    struck = sum(result.struck for result in results)
    print(f"points {struck} differing {differing} doubled {doubled}")
    return 1 if differing or (complete and not all(met[state] for state in ALL)) else 0


def _figures(results: Sequence[PointResult]) -> list[tuple[bool, bool]]:
    return [(bool(result.differing), result.doubled) for result in results] or [(False, False)]


if __name__ == "__main__":
    sys.exit(main())
