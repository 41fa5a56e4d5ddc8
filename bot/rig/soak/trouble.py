"""The trouble during a soak: faults at GitHub and E2B, lists that lag, sandboxes that vanish, and kills.

The bot can recover from each of them. The soak checks that nothing is lost or doubled, not how long it takes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from random import Random

from bot.rig.http.faults import Fault, Request, Side
from bot.rig.rig import Rig

_API = r"^/api/"
_WRITES = ("POST", "PATCH", "DELETE")
_SIDES = (Side.BEFORE, Side.AFTER)
# Seconds; shorter than the bot waits before it searches again (bot/engine/find_or_create.py).
MAX_LAG = 3.0
# When this many faults wait for a matching request, all of them are removed.
MAX_WAITING = 12


@dataclass(slots=True)
class Trouble:
    """Makes trouble when told to. Kills may run on a stand-in's thread; `life` keeps them apart from starts."""

    rig: Rig
    random: Random
    kills: int = 0
    stops: int = 0
    stuck: int = 0  # stops that had to become kills
    starts: list[float] = field(default_factory=list)
    life: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the bot if it is down. Raises: RuntimeError if it does not start."""
        with self.life:
            if not self.rig.bot.running:
                self.starts.append(time.time())
                self.rig.serve()

    def kill(self, _request: Request | None = None) -> None:
        with self.life:
            if self.rig.bot.running:
                self.kills += 1
                self.rig.bot.kill()

    def stop(self) -> None:
        """As an operator's system does: SIGTERM, then SIGKILL if that takes too long. The time is not checked."""
        with self.life:
            if self.rig.bot.running:
                self.stops += 1
                try:
                    self.rig.bot.stop()
                except RuntimeError:
                    self.stuck += 1

    def add_fault(self) -> None:
        """One more fault, of any kind."""
        choice = self.random.random()
        if choice < 0.6:
            self._at_github()
        elif choice < 0.88:
            self._at_e2b()
        elif choice < 0.94:
            self.rig.github.settings.list_lag_seconds = self.random.choice((0.0, 1.0, MAX_LAG))
        elif choice < 0.97:
            self.rig.github.expire_tokens()
        else:
            self._vanish()

    def plan_kill(self) -> None:
        """Kill now, or before or after the effect of a later request; one in five is an orderly stop."""
        choice = self.random.random()
        if choice < 0.2:
            self.stop()
            return
        if choice < 0.4:
            self.kill()
            return
        method = self.random.choice(_WRITES)
        side, skip = self.random.choice(_SIDES), self.random.randrange(6)
        self.rig.github.server.faults.add(Fault("call", side, method, _API, skip=skip, call=self.kill))

    def end(self) -> None:
        """Stop the trouble."""
        self.rig.github.server.faults.clear()
        self.rig.e2b.server.faults.clear()
        self.rig.github.settings.list_lag_seconds = 0.0

    def _at_github(self) -> None:
        random, side = self.random, self.random.choice(_SIDES)
        table = self.rig.github.server.faults
        if len(table.faults) >= MAX_WAITING:
            table.clear()
        fault = random.choice(
            (
                Fault("error", side, path=_API, status=random.choice((500, 502, 503))),
                Fault("error", side, method=random.choice(_WRITES), path=_API, plain=True),
                Fault("timeout", side, path=_API, seconds=0.5),
                Fault("cut", path=_API),
                Fault("wrong_json", side, path=_API),
                Fault("drip", path=_API, seconds=1.0),
                Fault("delay", side, path=_API, seconds=random.uniform(0.1, 2.0)),
                Fault("secondary_limit", path=_API, seconds=random.choice((1, 2)), status=random.choice((403, 429))),
                Fault("primary_limit", path=_API, seconds=2),
                Fault("error", status=500, plain=True, path=r"\.git/git-upload-pack$"),
                Fault("error", side, method="POST", path=r"/git/(trees|commits|refs)$"),
                Fault("error", side, method="POST", path=r"/(pulls|comments|reviews)$"),
                Fault("cut", method="POST", path=r"/(pulls|comments|reviews|trees|commits|refs)$"),
                Fault("error", side, method="PATCH", path=r"/(issues/comments/\d+|git/refs/.*)$"),
            )
        )
        table.add(replace(fault, skip=random.randrange(8)))

    def _at_e2b(self) -> None:
        random = self.random
        table = self.rig.e2b.server.faults
        if len(table.faults) >= MAX_WAITING:
            table.clear()
        start, create = "/process.Process/Start$", "^/v2/sandboxes$"
        table.add(
            random.choice(
                (
                    Fault("error", path=start, plain=True, skip=random.randrange(8)),
                    Fault("cut", path=start, skip=random.randrange(8)),
                    Fault("stop", path=start, skip=random.randrange(8)),
                    Fault("timeout", path=start, seconds=0.5, skip=random.randrange(8)),
                    Fault("error", status=503, path="^/files$", skip=random.randrange(4)),
                    Fault("error", method="POST", path=create, status=random.choice((429, 500, 503))),
                    Fault("cut", method="POST", path=create),
                    Fault("timeout", Side.AFTER, method="POST", path=create, seconds=0.5),
                    Fault("error", random.choice(_SIDES), method="DELETE", status=500, skip=random.randrange(3)),
                    Fault("delay", method="POST", path=create, seconds=2.0),
                )
            )
        )

    def _vanish(self) -> None:
        live = [sandbox.id for sandbox in self.rig.e2b.sandboxes.values() if sandbox.live]
        if live:
            self.rig.e2b.vanish(self.random.choice(live))
