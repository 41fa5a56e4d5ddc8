"""The points of a story where the bot can be killed: before and after each request and each commit.

A point is identified by what happens there and how often that happened before, not by its position in the story:
concurrent steps come in a different order in each run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from bot.rig.crash.commits import Commits
from bot.rig.http.faults import Fault, FaultTable, Request, Side
from bot.rig.http.request_log import Entry
from bot.rig.rig import Rig

GITHUB, E2B, COMMIT = "github", "e2b", "commit"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """`number` counts from 1 among those of the same `place` and `what`."""

    place: str  # GITHUB, E2B or COMMIT
    what: str  # the request's method and shape of path, or what the commit wrote
    number: int
    side: Side

    def __str__(self) -> str:
        return f"{self.side} {self.place} {self.what} #{self.number}"


# Parts of a path that differ between runs of the same story, with the names used in shapes.
_VARIES = re.compile(r"(?P<sha>[0-9a-f]{40})|(?P<crash>crash\d+)|(?P<run>-[0-9a-f]{8}\b)|(?P<n>\d{3,})")


def shape(path: str, sandboxes: Iterable[str] = ()) -> str:
    """The path with a name in angle brackets for each part that varies. `sandboxes` are sandbox ids."""
    for sandbox in sandboxes:
        path = path.replace(sandbox, "<box>")
    return _VARIES.sub(lambda found: f"<{found.lastgroup}>", path)


def of_requests(place: str, entries: Iterable[Entry], sandboxes: Iterable[str] = ()) -> Iterator[Point]:
    counts: Counter[str] = Counter()
    known = tuple(sandboxes)
    for entry in entries:
        what = f"{entry.method} {shape(entry.path, known)}"
        counts[what] += 1
        yield from (Point(place, what, counts[what], side) for side in Side)


def of_commits(seen: Iterable[tuple[str, int]]) -> Iterator[Point]:
    for what, number in seen:
        yield from (Point(COMMIT, what, number, side) for side in Side)


def at(point: Point, fault: Fault) -> Fault:
    """The fault, so that it applies to the request of `point`, whatever the fault's side."""
    method, _, path = point.what.partition(" ")
    pattern = re.sub(r"<\w+>", "[^/]+", re.escape(path).replace(r"\-", "-"))
    return replace(fault, method=method, path=f"^{pattern}$", skip=point.number - 1)


def arm(point: Point, rig: Rig, commits: Commits, kill: Callable[[Request], None]) -> None:
    """Kill the bot's process at `point`: with `kill`, or at a commit from inside."""
    if point.place == COMMIT:
        commits.arm(point.what, point.number, point.side)
        return
    kill_fault = at(point, Fault("call", point.side, call=kill))
    table: FaultTable = (rig.github if point.place == GITHUB else rig.e2b).server.faults
    table.add(kill_fault)
    if point.side is Side.BEFORE:
        # The connection is dropped before the request is handled: it has no effect.
        table.add(replace(kill_fault, kind="timeout", call=None, seconds=0.01))
