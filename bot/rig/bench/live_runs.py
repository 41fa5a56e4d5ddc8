"""`make bench-live`: many live runs at once in one bot process, and what that costs it.

Each run has its own repository, ten repositories share an installation, and GitHub's rate limits apply. The sandboxes
are simulated (bot/rig/e2b/light.py): an agent prints one line a second until it is told to end. CPU and memory are the
bot process's alone, read from /proc. The stand-ins share the machine's cores, so latencies are worse than without them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import httpx
from pydantic import TypeAdapter

from bot.model import RunRequest
from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Settings
from bot.rig.github.records import Repository
from bot.rig.github.server import GitHub
from bot.rig.github.webhooks import signature
from bot.rig.rig import Rig
from bot.store import runs
from bot.store.database import Database

PER_INSTALLATION = 10
USER = "mona"
PROBES_PER_SECOND = 5.0  # unrelated webhooks whose 202 is timed


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: seconds of CPU, bytes of memory, wall-clock seconds."""

    cpu: float
    memory: int
    threads: int
    at: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        return cls((int(fields[11]) + int(fields[12])) / ticks, memory, int(fields[17]), time.monotonic())


class Probe:
    """Times the 202 of unrelated deliveries in its own thread."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []
        self.refused = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._stop.wait(1 / PROBES_PER_SECOND):
                body = json.dumps({"action": "created", "zen": str(uuid.uuid4()), "filler": "x" * 14_000}).encode()
                headers = {
                    "content-type": "application/json",
                    "x-github-event": "star",
                    "x-github-delivery": str(uuid.uuid4()),
                    "x-hub-signature-256": signature(self._rig.secret, body),
                }
                started = time.perf_counter()
                answer = client.post(f"{self._rig.bot.url}/webhook", content=body, headers=headers)
                self.seconds.append(time.perf_counter() - started)
                self.refused += answer.status_code != 202


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--queued", type=int, default=0, help="further runs that wait behind the live ones")
    parser.add_argument("--rate", type=float, default=5.0, help="comments a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure once all are live")
    parser.add_argument(
        "--points", type=int, default=900, help="GitHub's limit of points a minute; 0 is none, for a quick start"
    )
    parser.add_argument("--pause", type=float, default=0.0, help="before measuring, for attaching a profiler")
    given = parser.parse_args()
    settings = {
        "AMPBOT_MAX_RUNS": str(given.runs),
        "AMPBOT_MAX_RUNS_PER_INSTALLATION": str(PER_INSTALLATION),
    }
    github = GitHub(webhook_workers=8)
    e2b = E2B(Settings(max_concurrent=given.runs + 10), light=True)
    with (
        tempfile.TemporaryDirectory(prefix="ampbot-live-") as folder,
        Rig(Path(folder), settings, github=github, e2b=e2b) as rig,
    ):
        _measure(rig, given)


def _measure(rig: Rig, given: argparse.Namespace) -> None:
    limits = rig.github.settings.limits
    rig.github.settings.limits = replace(limits, points=given.points)
    places = _create_repositories(rig, given.runs + 1)
    rig.serve()
    _warm_up(rig, *places.pop())
    idle = Usage.of(rig.bot.pid)
    print(f"idle: {_mb(idle.memory)} MB, pid {rig.bot.pid}", flush=True)

    with Probe(rig) as probe:
        asked = _ask(rig, places, given.rate)
        live = "SELECT count(*) AS n FROM runs WHERE state = 'working' AND ended_at IS NULL"
        timeout = 120 + given.runs
        _until(rig, "every run to be live", lambda: rig.query(live)[0]["n"] == given.runs, timeout)
    began = Usage.of(rig.bot.pid)
    print(
        f"{given.runs} live after {began.at - asked[0]:.0f} s: {_mb(began.memory - idle.memory)} MB above idle, "
        f"{(began.cpu - idle.cpu) / (began.at - idle.at):.2f} cores meanwhile",
        flush=True,
    )
    _print("  comment to 👀", _reactions(rig))
    _print("  202 meanwhile", probe.seconds)
    limited = sum(entry.status in (403, 429) for entry in rig.github.server.request_log.entries)
    print(f"  refused by GitHub's limits: {limited} requests", flush=True)
    rig.github.settings.limits = limits
    if given.queued:
        _queue(rig, given.queued)
    time.sleep(given.pause)

    before, counted = Usage.of(rig.bot.pid), _lines(rig)
    with Probe(rig) as probe:
        time.sleep(given.seconds)
    after = Usage.of(rig.bot.pid)
    told = (_lines(rig) - counted) / (after.at - before.at)
    print(
        f"measured {after.at - before.at:.0f} s with {given.runs} live and {given.queued} queued: "
        f"{_mb(after.memory - idle.memory)} MB above idle ({_mb(after.memory)} in all), "
        f"{(after.cpu - before.cpu) / (after.at - before.at):.2f} cores, {after.threads} threads, "
        f"{told:.0f} transcript lines a second"
    )
    _print("  202 meanwhile", probe.seconds)
    if probe.refused:
        print(f"  {probe.refused} deliveries were refused")

    rig.e2b.settings.agents_end = True
    ended = time.monotonic()
    first = "SELECT count(*) AS n FROM runs WHERE ended_at IS NOT NULL"
    _until(rig, "every live run to end", lambda: rig.query(first)[0]["n"] > given.runs, 120 + given.runs)
    states = rig.query("SELECT state, count(*) AS n FROM runs WHERE ended_at IS NOT NULL GROUP BY state")
    told_states = ", ".join(f"{row['n']} {row['state']}" for row in states)
    print(f"all told to end at once: {time.monotonic() - ended:.0f} s until that many runs had ended: {told_states}")
    if not given.queued:
        rig.wait_idle(120)
        print(f"sandboxes left: {len(rig.e2b.sandboxes)}")


def _create_repositories(rig: Rig, count: int) -> list[tuple[Repository, int]]:
    """Repositories with one issue each, ten per installation, ordered so that neighbours belong to different ones."""
    rig.github.create_user(USER)
    places: list[tuple[Repository, int]] = []
    for owner in range(-(-count // PER_INSTALLATION)):
        amount = min(PER_INSTALLATION, count - len(places))
        repos = [
            rig.github.create_repository(f"octo{owner}/r{number}", files={"README.md": f"# {owner}/{number}\n"})
            for number in range(amount)
        ]
        for repo in repos:
            rig.github.set_permission(repo, USER, "write")
            places.append((repo, rig.github.open_issue(repo, USER, "Look", "Look through it.").number))
        rig.github.install(rig.app, repos)
    return [place for start in range(PER_INSTALLATION) for place in places[start::PER_INSTALLATION]]


def _warm_up(rig: Rig, repo: Repository, number: int) -> None:
    """One run from comment to end, so that the idle process has loaded everything."""
    rig.e2b.settings.agents_end = True
    rig.github.comment(repo, number, USER, "/amp look through it")
    rig.wait("the first run", lambda: bool(rig.query("SELECT id FROM runs")))
    rig.wait_idle(120)
    rig.e2b.settings.agents_end = False


def _ask(rig: Rig, places: list[tuple[Repository, int]], rate: float) -> list[float]:
    """Comment on every issue. Returns when each comment was made."""
    began, asked = time.monotonic(), []
    for index, (repo, number) in enumerate(places):
        time.sleep(max(0.0, began + index / rate - time.monotonic()))
        asked.append(time.monotonic())
        rig.github.comment(repo, number, USER, "/amp look through it")
    return asked


def _reactions(rig: Rig) -> list[float]:
    """Seconds from each comment to the end of the request that put 👀 on it."""
    made = {
        comment.id: comment.created_at
        for repo in rig.github.state.repositories.values()
        for issue in repo.issues.values()
        for comment in issue.comments.values()
    }
    found = []
    for entry in rig.github.server.request_log.entries:
        if entry.method == "POST" and entry.path.endswith("/reactions"):
            comment = int(entry.path.split("/")[-2])
            if comment in made:
                found.append(entry.at + entry.seconds - made[comment])
    return found


def _queue(rig: Rig, count: int) -> None:
    """Insert waiting runs into the database, as their deliveries would have done, but without comments on GitHub."""
    requests = TypeAdapter(RunRequest)
    rows = rig.query("SELECT request FROM runs WHERE ended_at IS NULL ORDER BY id")
    models = [requests.validate_json(row["request"]) for row in rows]
    database = Database(rig.database_url)
    for index in range(count):
        model = models[index % len(models)]
        place = replace(model.issue, number=1000 + index // len(models))
        request = replace(model, id=str(uuid.uuid4()), issue=place)
        with database.engine.begin() as connection:
            runs.add(connection, request)
            runs.set_comment(connection, request.id, 0)
    database.close()
    waiting = "SELECT count(*) AS n FROM runs WHERE queued_in_engine_at IS NULL AND ended_at IS NULL"
    began = time.monotonic()
    _until(rig, "the queue to be known to the engine", lambda: rig.query(waiting)[0]["n"] == 0, 60 + count / 10)
    print(f"{count} more queued in the engine after {time.monotonic() - began:.0f} s", flush=True)


def _until(rig: Rig, what: str, holds: object, seconds: float) -> None:
    """As Rig.wait, but polls once a second so that polling costs nothing."""
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline or not rig.bot.running:
            last = "\n".join(str(line) for line in rig.bot.log[-12:])
            states = rig.query("SELECT state, ended_at IS NULL AS live, count(*) AS n FROM runs GROUP BY 1, 2")
            raise TimeoutError(f"waited {seconds:.0f} s for {what}: {states}; the bot's last log lines:\n{last}")
        time.sleep(1)


def _lines(rig: Rig) -> int:
    return int(rig.query("SELECT count(*) AS n FROM transcript")[0]["n"])


def _mb(size: int) -> int:
    return round(size / 1_000_000)


def _print(what: str, seconds: list[float]) -> None:
    if len(seconds) < 2:
        print(f"{what}: nothing was measured", flush=True)
        return
    cuts = statistics.quantiles(seconds, n=100)
    print(
        f"{what}: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, most {max(seconds) * 1000:.0f} ms "
        f"({len(seconds)})",
        flush=True,
    )


if __name__ == "__main__":
    main()
