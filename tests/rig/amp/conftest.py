"""Runs the stand-in as a sandbox does: isolated, with its own home and working directory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.rig.amp.server import AmpServer
from bot.rig.e2b.templates import AMP_PROGRAM

HEADLESS = ("-x", "--stream-json", "--dangerously-allow-all")


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    stdout: bytes
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Amp:
    """A sandbox with the Amp of one era."""

    era: str
    home: Path
    repo: Path
    server: str  # of the rig's Amp server

    def run(self, *args: str, stdin: str | bytes = b"", key: str = "sgamp_good", **env: str) -> Result:
        piped = stdin.encode() if isinstance(stdin, str) else stdin
        ended = subprocess.run(
            self._argv(args),
            input=piped,
            capture_output=True,
            cwd=self.repo,
            env=self._env(key) | env,
            timeout=60,
        )
        return Result(ended.returncode, ended.stdout, ended.stderr.decode())

    def start(self, *args: str, stdin: int = subprocess.DEVNULL, key: str = "sgamp_good") -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv(args),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.repo,
            env=self._env(key),
        )

    def _argv(self, args: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-I", "-S", str(AMP_PROGRAM), *args]

    def _env(self, key: str) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "AMP_RIG_ERA": self.era,
            "AMP_RIG_SERVER": self.server,
            "AMP_API_KEY": key,
        }


@pytest.fixture(scope="session")
def shared() -> Iterator[AmpServer]:
    with AmpServer() as running:
        yield running


@pytest.fixture
def threads(shared: AmpServer) -> AmpServer:
    """Amp's server, without a thread."""
    shared.forget()
    return shared


@pytest.fixture
def amp_of(tmp_path: Path, threads: AmpServer) -> Callable[[str], Amp]:
    def make(era: str) -> Amp:
        home, repo = tmp_path / f"home-{era}", tmp_path / f"repo-{era}"
        home.mkdir()
        repo.mkdir()
        return Amp(era, home, repo, threads.url)

    return make


@pytest.fixture
def cur(amp_of: Callable[[str], Amp]) -> Amp:
    return amp_of("cur")


@pytest.fixture
def old(amp_of: Callable[[str], Amp]) -> Amp:
    return amp_of("old")


@pytest.fixture(params=["cur", "old"])
def amp(request: pytest.FixtureRequest, amp_of: Callable[[str], Amp]) -> Amp:
    """Runs the test on both eras."""
    return amp_of(request.param)
