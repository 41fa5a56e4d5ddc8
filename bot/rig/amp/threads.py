"""Amp's threads. They live on its server (`server.py`), outside of sandboxes, and outlive them."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

_ID = re.compile(r"T-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMEOUT_SECONDS = 60.0


class ForeignThreadError(Exception):
    """It is somebody else's thread, that we may read and not continue."""


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


def new_id() -> str:
    """`T-` and a UUID of version 7: the time in milliseconds, then random digits."""
    stamp = f"{int(time.time() * 1000):012x}"
    chance = secrets.token_hex(10)
    return f"T-{stamp[:8]}-{stamp[8:]}-7{chance[:3]}-a{chance[3:6]}-{chance[6:18]}"


def id_of(word: str, server: str = "") -> str | None:
    """The thread id in a bare id or a thread's address. `server`: the only one whose addresses count, "" for any."""
    found = _ID.fullmatch(word if server else word.rpartition("/")[2])
    if server and word.startswith(f"{server}threads/"):
        found = _ID.fullmatch(word.removeprefix(f"{server}threads/"))
    return found[0] if found else None


def save(thread: Thread) -> None:
    """Whole, and at once: a run may be killed at any time."""
    thread.updated = time.time()
    _ask("PUT", f"/threads/{thread.id}", asdict(thread))


def load(thread: str) -> Thread | None:
    """Raises: ForeignThreadError. Somebody else's private thread is as good as none."""
    status, found = _ask("GET", f"/threads/{thread}")
    if status == 403:
        raise ForeignThreadError
    return Thread(**found) if status == 200 else None


def delete(thread: str) -> None:
    """There need not be one."""
    _ask("DELETE", f"/threads/{thread}")


def newest_first() -> list[Thread]:
    _, found = _ask("GET", "/threads")
    return [Thread(**each) for each in found or ()]


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Status and answer of the rig's Amp server, at AMP_RIG_SERVER. Where there is none, no thread is kept."""
    address = os.environ.get("AMP_RIG_SERVER")
    if not address:
        return 404, None
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT_SECONDS)
    headers = {"authorization": f"Bearer {os.environ.get('AMP_API_KEY', '')}", "content-type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(data) if data else None
