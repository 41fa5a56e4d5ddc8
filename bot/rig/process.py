"""Runs the bot as a separate process and stops it the way an operator's system does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import httpx

# Ample, for a busy machine.
START_SECONDS = 180.0
STOP_SECONDS = 180.0


class Process(Protocol):
    """What is needed of a process, as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...
    @property
    def stderr(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


Spawn = Callable[[Path, Mapping[str, str]], Process]


def program(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], python: str = sys.executable
) -> Process:
    """A Python program whose log is read from its standard error."""
    return subprocess.Popen(
        [python, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _reserve() -> tuple[int, int]:
    """A free port, and the descriptor of a socket that reserves it while the bot is down.

    A bound socket that does not listen does not block a server that sets SO_REUSEADDR. But the system gives its port
    to no outgoing connection and to no other server that asks for a free port.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1], holder.detach()


class BotProcess:
    """`ampbot serve` (or another `part`). It sees only the given environment, not this process's own."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], part: str = "serve", spawn: Spawn | None = None
    ) -> None:
        """`spawn` starts `ampbot serve` in a folder with an environment; None: as a separate program."""
        self._folder = folder
        self._environment = dict(environment)
        self._spawn = spawn or partial(program, ("-m", "bot", part))
        self._process: Process | None = None
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()
        self._log: list[dict[str, Any]] = []
        self.port, reserved = _reserve()  # kept over restarts
        weakref.finalize(self, os.close, reserved)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the bot is not running")
        return self._process.pid

    @property
    def log(self) -> tuple[dict[str, Any], ...]:
        """The log lines of every start so far."""
        with self._lock:
            return tuple(self._log)

    def start(self, spawn: Spawn | None = None) -> None:
        """Start, and wait until it can store deliveries. `spawn`: from now on the bot is started by this.

        Raises: RuntimeError with its last log lines.
        """
        self._spawn = spawn or self._spawn
        # The folder has no .env, so the developer's own settings are not read.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONUNBUFFERED": "1",
            "AMPBOT_LOG_FORMAT": "json",
            "AMPBOT_HOST": "127.0.0.1",
            "AMPBOT_PORT": str(self.port),
            **self._environment,
        }
        self._process = self._spawn(self._folder, environment)
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        self._until(self.ready, START_SECONDS, "did not get ready")

    def stop(self) -> None:
        """Send SIGTERM and wait, as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, as the out-of-memory killer does."""
        self._end(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the bot did not end within {STOP_SECONDS:.0f} s of {number.name}") from None
        finally:
            if self._reader is not None:
                self._reader.join(5)
            if self._process.stderr is not None:
                self._process.stderr.close()

    def _read(self, stderr: IO[bytes] | None) -> None:
        for raw in stderr or ():
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode("utf-8", "replace").rstrip(), "level": "raw"}
            with self._lock:
                self._log.append(line)

    def ready(self) -> bool:
        """Whether it listens and can store."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if not self.running or time.monotonic() > deadline:
                last = "\n".join(str(line.get("event")) for line in self.log[-15:])
                raise RuntimeError(f"the bot {what}; its last log lines:\n{last}")
            time.sleep(0.02)
