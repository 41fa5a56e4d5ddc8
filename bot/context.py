"""The services that effects and run stages use: settings, database, GitHub, E2B."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.events.handler import Handler
from bot.github.app import App
from bot.sandbox.client import Sandboxes
from bot.settings import Settings
from bot.store.attempts import Attempts
from bot.store.database import Database
from bot.store.transcripts import Transcripts
from bot.text.redact import Redactor


async def _no_lock() -> None:
    """On SQLite there is one process and no worker lock."""


async def _uncounted() -> None:
    """Outside an attempt nothing is counted."""


@dataclass(frozen=True, slots=True)
class Context:
    """Passed to every effect and stage. Tests may replace any field."""

    settings: Settings
    database: Database
    github: App
    sandboxes: Sandboxes
    redact: Redactor
    # What people can ask for here.
    handlers: tuple[Handler, ...] = ()
    # The fencing check before each outside write: returns while we hold the worker lock, else blocks until we exit.
    ensure_lock_held: Callable[[], Awaitable[None]] = _no_lock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    # What an attempt calls when it has come further than those before it (bot/engine/attempts.py).
    progressed: Callable[[], Awaitable[None]] = _uncounted
    attempts: Attempts = field(default_factory=Attempts)
    transcripts: Transcripts = field(default_factory=Transcripts)
    # Set when a delivery or a run is ready to start; wakes the inbox.
    work: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def host(self) -> str:
        """The GitHub server's host name, for noreply addresses."""
        return self.settings.github_url.split("://", 1)[1].split("/", 1)[0].split(":", 1)[0]
