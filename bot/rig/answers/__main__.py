"""`make answers`: every request of the stories gets every passing answer of GitHub's, once and twice.

Whatever GitHub answers for now, the story ends as it does without, and one agent is started. Only the waits between
two attempts are shortened, not their number.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.rig.answers.passing import Passing, meeting
from bot.rig.crash.end import differences
from bot.rig.crash.fork_server import SHORT_WAITS
from bot.rig.crash.points import GITHUB, Point, at
from bot.rig.crash.walk import FaultResult, Golden, Walk
from bot.rig.http.faults import Side

STORIES = ("issue", "pull", "review", "answer")
SETTINGS = {SHORT_WAITS: "1"}


@dataclass(frozen=True, slots=True)
class Case:
    """A request of a story, and the answer it gets `times` times."""

    point: Point
    passing: Passing
    times: int

    def __str__(self) -> str:
        return f"{self.point.what} #{self.point.number}: {self.passing.name}, {'once' if self.times == 1 else 'twice'}"


def cases(golden: Golden) -> Iterator[Case]:
    """Every request to GitHub's API × each passing answer that it may get × (once, twice)."""
    for point in golden.points:
        if point.place != GITHUB or point.side is not Side.BEFORE:
            continue
        method, _, path = point.what.partition(" ")
        for passing in meeting(method, path):
            yield from (Case(point, passing, times) for times in (1, 2))


def tell(walk: Walk, story: str, golden: Golden, case: Case) -> FaultResult:
    return walk.answered(story, golden, replace(at(case.point, case.passing.fault), times=case.times))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make answers", description=__doc__)
    parser.add_argument("--story", choices=STORIES, action="append", help="only this one; may be repeated")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only the I-th of N parts")
    parser.add_argument("--only", default="", help="only cases whose line contains this text")
    options = parser.parse_args(arguments)
    part, parts = map(int, options.shard.split("/"))
    told = differing = missed = doubled = 0
    with Walk(settings=SETTINGS) as walk:
        for story in options.story or STORIES:
            golden = walk.undisturbed(story)
            if unequal := differences(golden.end, walk.undisturbed(story).end):
                raise RuntimeError("\n".join([f"{story}: two undisturbed runs end differently", *unequal]))
            chosen = [case for case in cases(golden) if options.only in str(case)][part - 1 :: parts]
            for case in chosen:
                began = time.monotonic()
                result = tell(walk, story, golden, case)
                told += result.struck
                missed += not result.struck
                differing += bool(result.differing)
                doubled += result.agents != 1
                _show(story, case, result, time.monotonic() - began)
    print(f"answers {told} (not come by {missed}), differing {differing}, agents started other than once {doubled}")
    return 1 if differing or doubled else 0


def _show(story: str, case: Case, result: FaultResult, seconds: float) -> None:
    word = "DIFFERS" if result.differing else "same end" if result.struck else "not come by"
    print(f"{story} {case}: {word} ({seconds:.1f} s)", flush=True)
    for line in result.differing:
        print(f"    {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
