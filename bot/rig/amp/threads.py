"""Amp's threads. The real ones live on its server; here each is a file, so that `threads continue` works."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_ID = re.compile(r"T-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Thread:
    id: str
    title: str
    mode: str
    visibility: str
    parent: str | None
    archived: bool = False
    updated: float = 0.0  # seconds since the epoch
    labels: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)


def folder() -> Path:
    """AMP_RIG_THREADS, for threads that outlive a sandbox as on Amp's server; else a folder in the home directory."""
    return Path(os.environ.get("AMP_RIG_THREADS") or Path.home() / ".local/share/amp-rig/threads")


def new_id() -> str:
    """`T-` and a UUID of version 7: the time in milliseconds, then random digits."""
    stamp = f"{int(time.time() * 1000):012x}"
    chance = secrets.token_hex(10)
    return f"T-{stamp[:8]}-{stamp[8:]}-7{chance[:3]}-a{chance[3:6]}-{chance[6:18]}"


def id_of(word: str) -> str | None:
    """The thread id in a bare id or a thread's address, if there is one."""
    found = _ID.fullmatch(word.rpartition("/")[2])
    return found[0] if found else None


def save(thread: Thread) -> None:
    """Write the file atomically, because a run may be killed at any time."""
    thread.updated = time.time()
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f"{thread.id}.{os.getpid()}.new"
    draft.write_text(json.dumps(asdict(thread)), encoding="ascii")
    draft.replace(home / f"{thread.id}.json")


def load(thread: str) -> Thread | None:
    try:
        return Thread(**json.loads((folder() / f"{thread}.json").read_bytes()))
    except FileNotFoundError:
        return None


def newest_first() -> list[Thread]:
    found = [Thread(**json.loads(path.read_bytes())) for path in folder().glob("T-*.json")]
    return sorted(found, key=lambda thread: thread.updated, reverse=True)
