"""`make crash`: walk every point of every story on SQLite and on PostgreSQL. Points already walked are skipped.

The name of the progress file holds a digest of the sources: after a change everything is walked again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.rig.cache import cache
from bot.rig.crash import postgres
from bot.rig.crash.end import differences
from bot.rig.crash.points import Point
from bot.rig.crash.stories import STORIES
from bot.rig.crash.walk import PointResult, Walk
from bot.rig.http.faults import Side

ROOT = Path(__file__).parents[3]
FOLDER = cache("crash")
DATABASES = ("sqlite", "postgresql")


@dataclass(slots=True)
class Tally:
    total: int = 0
    walked: int = 0
    missed: int = 0  # the story did not reach the point
    differing: int = 0

    def add(self, result: PointResult) -> None:
        self.walked += result.struck
        self.missed += not result.struck
        self.differing += bool(result.differing)

    def __str__(self) -> str:
        missed = f" ({self.missed} not come by)" if self.missed else ""
        return f"points walked {self.walked} / {self.total}{missed}, differing {self.differing}"


class Progress:
    """The results of one story on one database, a line for each point."""

    def __init__(self, path: Path, story: str, database: str) -> None:
        self._path = path
        self._key = {"story": story, "database": database}

    def results(self) -> dict[Point, PointResult]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        rows = [row for row in map(json.loads, lines) if self._key.items() <= row.items()]
        return {result.point: result for result in map(_result, rows)}

    def add(self, result: PointResult) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({**self._key, **asdict(result)}) + "\n")


def _result(row: dict[str, Any]) -> PointResult:
    point = row["point"]
    known = Point(point["place"], point["what"], point["number"], Side(point["side"]))
    return PointResult(known, row["struck"], tuple(row["differing"]), tuple(row["states"]), row["doubled"])


def digest() -> str:
    """A digest of all sources that a walk runs."""
    paths = sorted(path for folder in ("bot", "handlers") for path in (ROOT / folder).rglob("*") if path.is_file())
    sources = [path for path in paths if "__pycache__" not in path.parts]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]


@contextmanager
def walking(database: str) -> Iterator[Walk]:
    """A walk on a new database."""
    with ExitStack() as stack:
        url = postgres.create_database(stack.enter_context(postgres.server())) if database == "postgresql" else None
        yield stack.enter_context(Walk(url))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--story", choices=STORIES, action="append", help="only this one; may be repeated")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one; may be repeated")
    parser.add_argument(
        "--place", choices=("github", "e2b", "commit"), action="append", help="only points of this kind"
    )
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only the I-th of N parts")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="walk at most so many points in this call")
    options = parser.parse_args(arguments)
    part, parts = map(int, options.shard.split("/"))
    path = FOLDER / f"{digest()}.jsonl"
    whole, left = Tally(), options.most
    for database in options.database or DATABASES:
        with walking(database) as walk:
            for story in options.story or STORIES:
                golden = walk.undisturbed(story)
                again = walk.undisturbed(story)
                if unequal := differences(golden.end, again.end):
                    raise RuntimeError("\n".join([f"{story}: two undisturbed runs end differently", *unequal]))
                progress, tally = Progress(path, story, database), Tally()
                chosen = [
                    point
                    for point in golden.points
                    if options.place is None or point.place in options.place
                    if zlib.crc32(str(point).encode()) % parts == part - 1
                ]
                done = progress.results()
                tally.total = len(chosen)
                for point in chosen:
                    if point not in done and left > 0:
                        left -= 1
                        began = time.monotonic()
                        done[point] = walk.walk(story, golden, point)
                        progress.add(done[point])
                        _show(database, story, done[point], time.monotonic() - began)
                    if point in done:
                        tally.add(done[point])
                print(f"{database} {story}: {tally}", flush=True)
                for name in ("total", "walked", "missed", "differing"):
                    setattr(whole, name, getattr(whole, name) + getattr(tally, name))
    print(whole)
    return 1 if whole.differing else 0


def _show(database: str, story: str, result: PointResult, seconds: float) -> None:
    word = "DIFFERS" if result.differing else "same end" if result.struck else "not come by"
    print(f"{database} {story} {result.point}: {word} ({seconds:.1f} s)", flush=True)
    for line in result.differing:
        print(f"    {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
