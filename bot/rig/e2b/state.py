"""The state of the stand-in: its settings, and every sandbox ever created with its options and commands."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

ENVD_VERSION = "0.6.13"
DEFAULT_TIMEOUT = 300  # seconds until a sandbox ends if the create call names none
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class State(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Ending(StrEnum):
    """Why a sandbox ended."""

    KILLED = "killed"
    EXPIRED = "expired"
    VANISHED = "vanished"
    STOPPED = "stopped"  # the stand-in itself was stopped


@dataclass(slots=True)
class Settings:
    """Settings that may be changed at any time, for tests and benchmarks."""

    max_concurrent: int = 100
    max_hours: int = 24
    create_delay_seconds: float = 0.0
    create_rate: float = 0.0  # creations a second; 0: no limit
    # E2B's newest public source knows no Idempotency-Key; its SDK sends one, and names what may become of it:
    # https://github.com/e2b-dev/E2B/blob/main/packages/python-sdk/e2b/api/client/models/error.py
    idempotent: bool = True  # False: the key is ignored, and two requests with one key create two sandboxes
    outcomes_unknown: bool = False  # True: a key that was used is refused, for nobody knows what became of it
    exit_event_seconds: float = 30.0  # how long the exit of a process can still be queried
    kill_group: bool = False  # True: a signal goes to the command's whole process group, unlike envd
    clock: Callable[[], float] = time.time  # for the times when sandboxes start and expire
    amp_server: str = ""  # the address of the stand-in for Amp's server, where there is one
    agents_end: bool = False  # True: the agents of light sandboxes end now


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """The options of a create call."""

    template: str
    timeout: int  # seconds
    metadata: Mapping[str, str]
    env: Mapping[str, str]
    network: Mapping[str, Any] | None
    allow_internet: bool | None
    on_timeout: str | None  # "kill", "pause", or None: E2B's default
    pause_memory: bool
    auto_resume: bool
    idempotency_key: str | None
    body: Mapping[str, Any]  # the whole request, including what the stand-in ignores


@dataclass(slots=True)
class Command:
    """A process that was started in a sandbox, and how it ended."""

    pid: int
    argv: tuple[str, ...]
    envs: Mapping[str, str]  # of this command only
    cwd: str
    user: str
    status: str = ""  # as from envd, for example "exit status 1"; "" while it runs

    @property
    def text(self) -> str:
        """The shell text given to `commands.run`, or the arguments of anything else."""
        return self.argv[3] if self.argv[1:3] == ("-l", "-c") else " ".join(self.argv)


@dataclass(slots=True)
class Sandbox:
    """One sandbox. The record is kept after its end: `ending` says why it ended, and `folder` is removed."""

    id: str
    number: int  # from 1, in order of creation
    options: CreateOptions
    token: str  # envd's access token
    folder: Path  # holds its home, root and tmp directories
    started: float
    ends: float
    state: State = State.RUNNING
    ending: Ending | None = None
    network: Mapping[str, Any] | None = None  # after the last update
    network_updates: list[Mapping[str, Any]] = field(default_factory=list)
    allow_internet: bool | None = None
    commands: list[Command] = field(default_factory=list)
    disk_full: bool = False

    @property
    def home(self) -> Path:
        return self.folder / "home" / "user"

    @property
    def live(self) -> bool:
        return self.state is not State.ENDED

    @property
    def on_timeout(self) -> str:
        return self.options.on_timeout or "kill"

    def snapshot(self) -> dict[str, Any]:
        """The part that is equal in equal runs: no id, time or token, and only the names of variables."""
        return {
            "template": self.options.template,
            "state": self.state.value,
            "ending": self.ending.value if self.ending else None,
            "timeout": self.options.timeout,
            "metadata": dict(self.options.metadata),
            "env": sorted(self.options.env),
            "on_timeout": self.options.on_timeout,
            "auto_resume": self.options.auto_resume,
            "idempotency_key": self.options.idempotency_key,
            "allow_internet": self.allow_internet,
            "network": _without_secrets(self.network),
        }

    def detail(self) -> dict[str, Any]:
        """Everything, with secrets replaced by fingerprints."""
        return {
            **self.snapshot(),
            "id": self.id,
            "started": self.started,
            "ends": self.ends,
            "folder": str(self.folder),
            "env": _fingerprints(self.options.env),
            "commands": [
                {
                    "pid": command.pid,
                    "text": command.text,
                    "env": _fingerprints(command.envs),
                    "cwd": command.cwd,
                    "user": command.user,
                    "status": command.status,
                }
                for command in self.commands
            ],
        }


def new_id() -> str:
    return "i" + "".join(secrets.choice(_ALPHABET) for _ in range(20))


def _fingerprints(env: Mapping[str, str]) -> dict[str, str]:
    return {name: _fingerprint(value) for name, value in env.items()}


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _without_secrets(network: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The configuration without header values of its rules, which hold credentials."""
    if network is None:
        return None
    shown = {name: value for name, value in network.items() if name != "egressProxy"}
    if "rules" in shown:
        shown["rules"] = {
            host: [sorted((rule.get("transform") or {}).get("headers") or ()) for rule in rules]
            for host, rules in shown["rules"].items()
        }
    return shown
