"""Runs one soak, from the first user action to the check."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bot.events.payloads import can_ask
from bot.rig.rig import Rig
from bot.rig.soak.check import Violation, check
from bot.rig.soak.evidence import Evidence
from bot.rig.soak.gather import gather
from bot.rig.soak.trouble import Trouble
from bot.rig.soak.users import REVIEWER, Users

# User actions a second. They pause while MAX_OPEN_RUNS runs are unfinished.
PACE = 3.0
MAX_OPEN_RUNS = 14
# Deliveries a second that hold no request.
NOISE = 10.0
# Mean seconds between two.
FAULTS, KILLS, REDELIVERIES = 1.0, 14.0, 5.0
# The least time to allow until the bot is idle: its longest single wait is a minute (bot/engine/retry.py), and it asks
# again for a delivery that failed five times after one minute, then two (bot/sweep/missed.py).
IDLE_SECONDS = 300.0
# Without an operator everything depends on the sweep. Its default interval is longer than IDLE_SECONDS.
SWEEP_MINUTES = "0.5"


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds`: from the end of the setup; the last fifth waits for the bot to become idle.
    `redeliver`: an operator redelivers what failed."""

    seconds: float
    seed: int
    redeliver: bool = True
    repositories: int = 24
    log: Path | None = None  # where the bot's log goes, one JSON object a line


@dataclass(frozen=True, slots=True)
class Report:
    plan: Plan
    evidence: Evidence
    violations: tuple[Violation, ...]
    actions: int
    deliveries: int
    faults: int
    kills: int
    stops: int
    stuck: int
    seconds: float
    idle_after: float  # seconds from the last user action until idle

    def lines(self) -> Iterator[str]:
        ends = Counter(run.state for run in self.evidence.runs)
        yield from (f"  {count:5} {state}" for state, count in sorted(ends.items()))
        why = Counter(run.ending.split("\n")[0] for run in self.evidence.runs if run.state in ("failed", "refused"))
        yield from (f"  {count:5} × {words}" for words, count in why.most_common(12))
        yield from (f"VIOLATION {violation}" for violation in self.violations)
        yield (
            f"seed {self.plan.seed}, {self.seconds:.0f} s, {self.idle_after:.0f} s of it until idle: "
            f"deliveries {self.deliveries}, user actions {self.actions}, runs {len(self.evidence.runs)}, "
            f"faults struck {self.faults}, kills {self.kills}, stops {self.stops} ({self.stuck} too slow)"
        )
        yield f"violations {len(self.violations)}"


def soak(folder: Path, plan: Plan, settings: Mapping[str, str] | None = None) -> Report:
    """Run the plan. `folder` holds the bot's database and key."""
    began = time.monotonic()
    given = {
        "AMPBOT_REVIEWERS": REVIEWER,
        "AMPBOT_MAX_RUNS": "8",
        "AMPBOT_PROGRESS_SECONDS": "10",
        # Longer than the lag of the stand-in's lists and than its slowest request.
        "AMPBOT_LIST_LAG_SECONDS": "8",
        **({} if plan.redeliver else {"AMPBOT_SWEEP_MINUTES": SWEEP_MINUTES}),
        **(settings or {}),
    }
    with Rig(folder, given) as rig:
        running = _Soak(rig, plan)
        evidence = running.run()
        if plan.log is not None:
            plan.log.write_text("\n".join(json.dumps(line) for line in rig.bot.log))
        return Report(
            plan,
            evidence,
            check(evidence),
            actions=len(running.users.actions),
            deliveries=len(rig.github.deliveries),
            faults=_struck(rig),
            kills=running.trouble.kills,
            stops=running.trouble.stops,
            stuck=running.trouble.stuck,
            seconds=time.monotonic() - began,
            idle_after=running.idle_after,
        )


def _struck(rig: Rig) -> int:
    logs = (rig.github.server.request_log, rig.e2b.server.request_log)
    return sum(entry.fault is not None for log in logs for entry in log.entries)


class _Soak:
    def __init__(self, rig: Rig, plan: Plan) -> None:
        self._rig = rig
        self._plan = plan
        self.users = Users(rig, Random(f"people {plan.seed}"), Random(f"noise {plan.seed}"), plan.repositories)
        self.trouble = Trouble(rig, Random(f"trouble {plan.seed}"))
        self._random = Random(f"times {plan.seed}")
        self._broken: list[str] = []
        self.idle_after = 0.0

    def run(self) -> Evidence:
        self.users.arrive()
        self.trouble.start()
        self.users.greet()
        self._act(time.monotonic() + self._plan.seconds * 0.8)
        rest = time.monotonic()
        self.trouble.end()
        self.trouble.kill()  # once more, in the middle of whatever runs
        self._wait_idle(rest + max(self._plan.seconds * 0.2, IDLE_SECONDS))
        self.idle_after = time.monotonic() - rest
        actions = tuple(self.users.actions)
        found = gather(self._rig, actions, tuple(self.trouble.starts), tuple(self._broken))
        return replace(found, operator=self._plan.redeliver)

    def _act(self, until: float) -> None:
        """User actions, faults, kills and redeliveries, each at its own random times."""
        nexts = dict.fromkeys(("action", "noise", "fault", "kill", "redelivery", "look"), time.monotonic())
        nexts["kill"] += KILLS
        busy = False
        while (now := time.monotonic()) < until:
            what, at = min(nexts.items(), key=lambda item: item[1])
            if at > now:
                time.sleep(min(at - now, 0.05))
                self._up()
                continue
            match what:
                case "action":
                    # Paused only after an action that may start a run, so that the seed alone decides the order.
                    if busy:
                        nexts[what] = now + 0.2
                        busy = self._is_busy()
                        continue
                    busy = self.users.act() and self._is_busy()
                    nexts[what] = now + self._random.expovariate(PACE)
                case "noise":
                    self.users.disturb()
                    nexts[what] = now + self._random.expovariate(NOISE)
                case "fault":
                    self.trouble.add_fault()
                    nexts[what] = now + self._random.expovariate(1 / FAULTS)
                case "kill":
                    self.trouble.plan_kill()
                    nexts[what] = now + self._random.expovariate(1 / KILLS)
                case "redelivery":
                    self._redeliver()
                    nexts[what] = now + self._random.expovariate(1 / REDELIVERIES)
                case _:
                    self._up()
                    nexts[what] = now + 0.5

    def _wait_idle(self, until: float) -> None:
        """Wait until nothing is left to do, or the time is over: then the checker reports what is left.

        Idle must be seen twice, because the last step of a run causes one more delivery.
        """
        quiet = 0
        while time.monotonic() < until:
            self._up()
            self._rig.github.wait_deliveries(5)
            quiet = quiet + 1 if not self._redeliver() and self._idle() else 0
            if quiet == 2:
                return
            time.sleep(0.5)

    def _up(self) -> None:
        if self._rig.bot.running:
            return
        try:
            self.trouble.start()
        except RuntimeError as error:
            self._broken.append(str(error))

    def _redeliver(self) -> int:
        """Redeliver what the bot never accepted, as an operator does. Returns how many are missing."""
        latest = {each.guid: each for each in self._rig.github.deliveries}
        arrived = {each.guid for each in self._rig.github.deliveries if each.status_code == 202}
        if not self._plan.redeliver:  # the bot does not ask for what it stored, even if its 202 was cut off
            arrived |= {row["guid"] for row in self._rig.query("SELECT guid FROM deliveries")}
        missing = [
            each
            for guid, each in latest.items()
            if guid not in arrived and (self._plan.redeliver or can_ask(each.event, each.action))
        ]
        if self._plan.redeliver:
            for each in missing:
                self._rig.github.state.outbox.redeliver(each)
        return len(missing)

    def _is_busy(self) -> bool:
        (row,) = self._rig.query("SELECT COUNT(*) AS open FROM runs WHERE ended_at IS NULL")
        return bool(row["open"] >= MAX_OPEN_RUNS)

    def _idle(self) -> bool:
        waiting = "SELECT 1 FROM deliveries WHERE closed_at IS NULL UNION ALL SELECT 1 FROM runs WHERE ended_at IS NULL"
        return not self._rig.query(waiting)
