"""`make bench-receiver`: the receiver under load, side by side with four that store nothing.

It sends a signed issue_comment.created of @octokit/webhooks-examples with an installation. Each delivery has a new GUID
and a different body, since ampbot drops known bodies. Sixteen connections. The servers take turns, round by round, so
that a slow minute of the machine affects all. Probot and PR-Agent have pinned versions.

Ours is the receiver of `ampbot serve` in its own process. Each delivery is on disk (`synchronous=FULL`) before its 202.
There is no engine behind it, as the others do no further work either. The server's CPU time for each request is
reported too, since other work on the machine affects it less than the elapsed time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.rig.bench import competitors
from bot.rig.bench.competitors import Competitor
from bot.rig.bench.load import Load, Measure


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    stores: bool
    rounds: tuple[Measure, ...]

    @property
    def rate(self) -> float:
        """Accepted deliveries a second, the median of the rounds."""
        return statistics.median(one.rate for one in self.rounds)

    def milliseconds(self, at: Callable[[Measure], float]) -> float:
        return statistics.median(at(one) for one in self.rounds) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of load, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", help="how their names begin, comma-separated")
    given = parser.parse_args()
    wanted = tuple(given.only.split(",")) if given.only else ("",)
    with tempfile.TemporaryDirectory(prefix="ampbot-bench-") as folder:
        load = Load(given.connections, given.seconds)
        measured: dict[str, list[Measure]] = {}
        chosen = [one for one in competitors.everyone(Path(folder)) if one.name.startswith(wanted)]
        for turn in range(given.rounds):
            for competitor in chosen:
                with competitor:
                    load.run(competitor, seconds=1.0)  # to get warm
                    measure = load.run(competitor)
                    if competitor.stored is not None and (missing := competitor.missing(measure)):
                        raise RuntimeError(f"{competitor.name}: {missing} accepted deliveries are not stored")
                measured.setdefault(competitor.name, []).append(measure)
                print(f"round {turn + 1}: {competitor.name:<26} {_said(measure)}", flush=True)
        _print_results([Row(one.name, one.stored is not None, tuple(measured[one.name])) for one in chosen], chosen)


def _said(one: Measure) -> str:
    return (
        f"{one.rate:8.0f}/s  p50 {one.p50 * 1000:6.1f} ms  p99 {one.p99 * 1000:6.1f} ms  refused {one.refused}  "
        f"(the generator took {one.busy:.0%} of a core)"
    )


def _print_results(rows: list[Row], chosen: list[Competitor]) -> None:
    ours = next((row for row in rows if row.stores), None)
    print(
        f"\n{'medians':<26} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>7} {'stored':>7} {'ours is':>9}"
    )
    for row in rows:
        ratio = f"{ours.rate / row.rate:.2f} x" if ours else ""
        p50, p99 = row.milliseconds(lambda one: one.p50), row.milliseconds(lambda one: one.p99)
        cpu, stores = row.milliseconds(lambda one: one.cpu), "yes" if row.stores else "no"
        print(f"{row.name:<26} {row.rate:11.0f} {p50:8.1f} {p99:8.1f} {cpu:7.2f} {stores:>7} {ratio:>9}")


if __name__ == "__main__":
    main()
