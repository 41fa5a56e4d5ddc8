"""Starts the bot quickly: a fork server imports its modules once and forks a process for each start.

The imports take longer than a story. Settings, database, engine and connections are created after the fork.
`python -m bot.rig.crash.fork_server` is the server; `ForkServer` is its client in the walk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

# Set in the bot's environment: its waits for GitHub are SHORT_SECONDS each.
SHORT_WAITS = "RIG_SHORT_WAITS"
SHORT_SECONDS = 0.05


class Child:
    """A forked bot, with the methods of subprocess.Popen that BotProcess needs. It is a child of the fork server."""

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.pid = pid
        self.stderr = stderr

    def poll(self) -> int | None:
        """None while it runs, then 0: only its parent could read the real exit code."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("ampbot serve", timeout or 0)
            time.sleep(0.005)
        return 0

    def send_signal(self, number: int, /) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """`spawn` for a BotProcess. The first call starts the fork server; each call forks a bot."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def __call__(self, folder: Path, environment: Mapping[str, str]) -> Child:
        if self._process is None:
            # What Python reads as it starts, such as PYTHONPATH, is that of the first bot for all.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot.rig.crash.fork_server"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise RuntimeError("the fork server has no pipes")
        stderr = folder / "stderr"
        stderr.unlink(missing_ok=True)
        os.mkfifo(stderr)
        requests.write(f"{json.dumps([str(folder), dict(environment)])}\n".encode())
        requests.flush()
        pid = int(answers.readline())
        return Child(pid, stderr.open("rb"))


def _shorten_waits() -> None:
    """Between two attempts at a request to GitHub. Their number stays, and so does the wait for GitHub's lists."""
    from bot.engine import retry
    from bot.github import client, not_yet

    client.WAITS = (SHORT_SECONDS,) * len(client.WAITS)
    client.LIMIT_WAITS = (SHORT_SECONDS,) * len(client.LIMIT_WAITS)
    retry.WAITS = (SHORT_SECONDS,) * len(retry.WAITS)
    not_yet.TABLE = tuple(replace(row, waits=(SHORT_SECONDS,) * len(row.waits)) for row in not_yet.TABLE)


def main() -> None:
    """Fork a bot for each line of standard input: its folder and its environment, as JSON."""
    import psycopg
    import sqlalchemy.dialects.postgresql.psycopg
    import sqlalchemy.dialects.sqlite

    from bot import settings as configuration
    from bot.service import serve
    from bot.settings import Settings

    _ = (psycopg, sqlalchemy)
    if os.environ.get(SHORT_WAITS):
        _shorten_waits()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped automatically
    for line in sys.stdin:
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        folder, environment = json.loads(line)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        stderr = os.open("stderr", os.O_WRONLY)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor, stands_for in ((nowhere, 0), (nowhere, 1), (stderr, 2)):
            os.dup2(descriptor, stands_for)
        settings = configuration.load()
        if not isinstance(settings, Settings):
            raise SystemExit(f"these settings are invalid: {settings}")
        serve(settings)
        return


if __name__ == "__main__":
    main()
