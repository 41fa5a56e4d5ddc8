"""Everything on loopback: GitHub and E2B as servers, Amp in the sandboxes, the bot as a process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from bot.github import manifest
from bot.rig.amp.server import AmpServer
from bot.rig.e2b.server import E2B
from bot.rig.github.records import App
from bot.rig.github.server import GitHub
from bot.rig.process import BotProcess, Spawn
from bot.store.database import engine_arguments

T = TypeVar("T")

SLUG = "ampbot"
APP_ID = 424242
AMP_KEY = "sgamp_rig_0000000000000000"
# One in how many commits, branches and tokens lags at GitHub by default. Each costs the bot a second.
LAG_EVERY = 20
# How long something that must come may take, in seconds. Ample: on a busy machine all is slow, and nothing is wrong.
PATIENCE = 180.0


@dataclass(slots=True)
class Rig:
    """Started as a context manager. `folder` holds the bot's database and key; `settings` are environment variables."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    template: str = "amp"
    amp_key: str = AMP_KEY
    github: GitHub = field(default_factory=GitHub)
    e2b: E2B = field(default_factory=E2B)
    amp: AmpServer = field(default_factory=AmpServer)
    secret: str = field(default_factory=lambda: secrets.token_hex(20))
    spawn: Spawn | None = None  # starts the bot; None: as a separate program
    bot: BotProcess = field(init=False)
    app: App = field(init=False)

    def __enter__(self) -> Self:
        self.github.start()
        self.github.settings.lag_every = LAG_EVERY
        self.amp.start()
        self.e2b.start()
        self.e2b.settings.amp_server = self.amp.url
        declared = manifest.load()
        self.app = self.github.create_app(
            SLUG,
            APP_ID,
            webhook_secret=self.secret,
            permissions=dict(declared.default_permissions),
            events=tuple(declared.default_events),
        )
        key = self.folder / "app.pem"
        key.touch(0o600)
        key.write_text(self.app.private_key)
        self.bot = BotProcess(self.folder, self.environment, spawn=self.spawn)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.bot.stop()
        finally:
            self.e2b.stop()
            self.amp.stop()
            self.github.stop()

    @property
    def database_url(self) -> str:
        return self.settings.get("AMPBOT_DATABASE_URL", f"sqlite:///{self.folder / 'ampbot.sqlite3'}")

    @property
    def environment(self) -> dict[str, str]:
        """The bot's settings, as an operator would write them."""
        return {
            "AMPBOT_GITHUB_APP_ID": str(self.app.id),
            "AMPBOT_GITHUB_PRIVATE_KEY_FILE": str(self.folder / "app.pem"),
            "AMPBOT_WEBHOOK_SECRET": self.secret,
            "AMPBOT_GITHUB_API_URL": self.github.api_url,
            "AMPBOT_GITHUB_URL": self.github.url,
            "E2B_API_KEY": self.e2b.api_key,
            "AMPBOT_E2B_API_URL": self.e2b.url,
            "AMPBOT_E2B_SANDBOX_URL": self.e2b.url,
            "AMPBOT_E2B_TEMPLATE": self.template,
            "AMP_API_KEY": self.amp_key,
            "AMPBOT_DATABASE_URL": self.database_url,
            # One user may ask for everything that a test or a bench is about, and the scripted agent says megabytes.
            "AMPBOT_RUN_TOKENS": "1000000000000",
            "AMPBOT_RUN_TURNS": "1000000000",
            "AMPBOT_DAILY_RUNS_PER_PERSON": "1000000",
            "AMPBOT_DAILY_RUNS_PER_REPOSITORY": "1000000",
            "AMPBOT_DAILY_RUNS_PER_INSTALLATION": "1000000",
            **self.settings,
        }

    def serve(self) -> None:
        """Start the bot, and set its URL as the App's webhook."""
        self.bot.start()
        self.github.set_hook(self.app, f"{self.bot.url}/webhook", self.secret)

    def wait(self, what: str, holds: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """The first value of `holds` that is not None or False. Raises: TimeoutError with the bot's last log lines."""
        deadline = time.monotonic() + seconds
        while True:
            value = holds()
            if value is not None and value is not False:
                return value
            if time.monotonic() > deadline or not self.bot.running:
                last = "\n".join(str(line) for line in self.bot.log[-12:])
                raise TimeoutError(f"waited {seconds:.0f} s for {what}; the bot's last log lines:\n{last}")
            time.sleep(0.02)

    def wait_idle(self, seconds: float = PATIENCE) -> None:
        """Until every delivery is closed and every run has ended."""
        self.github.wait_deliveries()
        self.wait("the bot to be idle", self._idle, seconds)

    def _idle(self) -> bool:
        return not self.query(
            "SELECT 1 FROM deliveries WHERE closed_at IS NULL UNION ALL SELECT 1 FROM runs WHERE ended_at IS NULL"
        )

    def query(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Query the bot's database from outside the bot."""
        with self._connected() as connection:
            return [dict(row) for row in connection.execute(sa.text(sql), parameters).mappings()]

    def execute(self, sql: str) -> None:
        """Change the bot's database from outside the bot. For tests only."""
        with self._connected() as connection:
            connection.execute(sa.text(sql))

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self.database_url, **engine_arguments(self.database_url))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()
