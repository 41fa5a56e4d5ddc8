"""What the effects need: the rooms of the outside world, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.events.handler import Handler
from bot.github.app import App
from bot.sandbox.client import Sandboxes
from bot.settings import Settings
from bot.store.database import Database
from bot.store.transcripts import Transcripts
from bot.text.redact import Redactor


async def _alone() -> None:
    """On SQLite there is one process, and nobody to lose anything to."""


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every effect and stage; tests may replace any part."""

    settings: Settings
    database: Database
    github: App
    sandboxes: Sandboxes
    redact: Redactor
    # What people can ask for here.
    handlers: tuple[Handler, ...] = ()
    # Returns if this process still owns its work, else never: asked before each outside write.
    confirm: Callable[[], Awaitable[None]] = _alone
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    transcripts: Transcripts = field(default_factory=Transcripts)
    # Set when a delivery or a run waits to be taken up; the inbox sleeps on it.
    work: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def host(self) -> str:
        """The GitHub server's host name, for noreply addresses."""
        return self.settings.github_url.split("://", 1)[1].split("/", 1)[0].split(":", 1)[0]
