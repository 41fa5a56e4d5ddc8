"""`make hostile`: reads hostile archives in a bot's process, and measures its memory and its `/healthz` meanwhile.

Ends with a line `hostile N archives, rss +N MB, healthz p99 N ms, refused N, accepted N`. The exit code is 1 if the
memory or the latency is beyond its limit, or if an archive was neither read nor refused with a sentence.

The memory is the largest resident set since the process began, less the one at rest. `/healthz` is asked over and over
while an archive is being read, and only then.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bot.rig.hostile.kinds import Case, cases

MAX_MEGABYTES = 200.0
MAX_MILLISECONDS = 50.0  # at the 99th percentile
PAUSE_SECONDS = 0.002  # between two requests
ANSWER_SECONDS = 300.0


@dataclass(slots=True)
class Measured:
    """What was seen so far. `seconds` and `slowest` are by kind."""

    latencies: list[float] = field(default_factory=list)  # seconds
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    kinds: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    seconds: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)] * 1000


class Reader:
    """The measured process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot.rig.hostile.reader", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._asked = http.client.HTTPConnection("127.0.0.1", int(_pipe(self._process.stdout).readline()), timeout=60)
        for _ in range(50):  # so that it is warm, and at rest
            self.ask()
        self._at_rest = self._memory("VmRSS")

    def ask(self) -> float:
        """Seconds until `/healthz` has answered."""
        started = time.perf_counter()
        self._asked.request("GET", "/healthz")
        answer = self._asked.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"/healthz answered {answer.status}")
        return time.perf_counter() - started

    def read(self, case: Case, measured: Measured) -> None:
        folder = self._folder / "case"
        folder.mkdir(exist_ok=True)
        (folder / "archive").write_bytes(case.archive)
        (folder / "names").write_bytes(case.names)
        started = time.monotonic()
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        stdin.write(b"case\n")
        stdin.flush()
        slowest = 0.0
        while True:
            latency = self.ask()
            measured.latencies.append(latency)
            slowest = max(slowest, latency)
            if select.select([stdout], [], [], PAUSE_SECONDS)[0]:
                break
            if time.monotonic() - started > ANSWER_SECONDS:
                raise RuntimeError(f"{case.kind} was not read within {ANSWER_SECONDS:.0f} s")
        verdict = json.loads(stdout.readline())
        measured.ends[verdict["end"]] += 1
        measured.kinds[case.kind, verdict["end"]] += 1
        measured.seconds[case.kind] += time.monotonic() - started  # type: ignore[assignment]  # a Counter may hold them
        measured.slowest[case.kind] = max(slowest, measured.slowest.get(case.kind, 0))
        if verdict["end"] == "error" or (verdict["end"] == "refused" and not verdict["message"].endswith((".", "`"))):
            measured.errors.append(f"{case.kind}: {verdict['message']}")

    @property
    def megabytes(self) -> float:
        """The most memory that it has had, above what it has at rest."""
        return self._memory("VmHWM") - self._at_rest

    def _memory(self, name: str) -> float:
        """https://man7.org/linux/man-pages/man5/proc_pid_status.5.html"""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{name}:"))

    def stop(self) -> None:
        _pipe(self._process.stdin).close()
        self._process.wait(60)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def main() -> int:
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__)
    parser.add_argument("--archives", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", help="only this kind")
    options = parser.parse_args()
    measured = Measured()
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="ampbot-hostile-") as folder:
        reader = Reader(Path(folder))
        try:
            for case in cases(options.archives, options.seed, options.kind):
                before = reader.megabytes
                reader.read(case, measured)
                if reader.megabytes > before:
                    memory[case.kind] = reader.megabytes
            megabytes = reader.megabytes
        finally:
            reader.stop()
    _print(measured, memory)
    print(
        f"hostile {options.archives} archives, rss +{megabytes:.0f} MB, healthz p99 {measured.p99:.0f} ms, "
        f"refused {measured.ends['refused']}, accepted {measured.ends['accepted']}"
    )
    return 1 if measured.errors or megabytes > MAX_MEGABYTES or measured.p99 > MAX_MILLISECONDS else 0


def _print(measured: Measured, memory: dict[str, float]) -> None:
    print(f"{'kind':<28} {'read':>5} {'refused':>8} {'seconds':>8} {'slowest answer':>15} {'memory then':>12}")
    for kind, slowest in measured.slowest.items():
        rose = f"+{memory[kind]:.0f} MB" if kind in memory else ""
        print(
            f"{kind:<28} {measured.kinds[kind, 'accepted']:>5} {measured.kinds[kind, 'refused']:>8} "
            f"{measured.seconds[kind]:>8.1f} {slowest * 1000:>12.0f} ms {rose:>12}"
        )
    for error in measured.errors:
        print(f"neither read nor refused: {error}")


if __name__ == "__main__":
    sys.exit(main())
