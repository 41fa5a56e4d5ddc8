"""The GitHub server: REST, GraphQL, git, webhooks and pages on one loopback port.

URLs are those of an Enterprise Server: `URL/api/v3`, `URL/api/graphql`, `URL/OWNER/NAME.git`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from bot.rig.github import app as application
from bot.rig.github import snapshot
from bot.rig.github.state import Settings, State
from bot.rig.github.transport import Transport
from bot.rig.github.users import UserActions
from bot.rig.github.webhooks import Delivery, Handling
from bot.rig.http.server import Server


class GitHub(UserActions):
    """The server. Programs use it over HTTP; tests act for its users and administrators by calling methods."""

    def __init__(
        self,
        *,
        port: int = 0,
        root: Path | None = None,
        clock: Callable[[], float] = time.time,
        webhook_workers: int = 1,
    ) -> None:
        """`root` holds the repositories; None: a temporary folder that is removed on stop."""
        self._temporary = None
        if root is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="rig-github-", ignore_cleanup_errors=True)
        super().__init__(State(Path(self._temporary.name) if self._temporary else root or Path(), clock))
        self._transport = Transport(self.state)
        self._webhook_workers = webhook_workers
        self.server = Server(application.build(self.state, self._transport), port=port)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def settings(self) -> Settings:
        return self.state.settings

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._transport.prepare()
        self.server.start()
        self.state.url = self.server.url
        self.state.outbox.start(self._webhook_workers)

    def stop(self) -> None:
        self.state.outbox.stop()
        self.server.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain, comparable data, without ids, times and tokens."""
        return snapshot.snapshot(self.state)

    # --- webhooks -----------------------------------------------------------------------------

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All delivery attempts, oldest first."""
        return tuple(self.state.outbox.log)

    def handle_deliveries(self, handling: Handling) -> None:
        """Drop, duplicate, delay or hold deliveries from now on. `Handling()` restores the default."""
        self.state.outbox.handling = handling

    def release_deliveries(self, *, shuffle: Random | None = None, reverse: bool = False) -> int:
        """Send the held deliveries, in another order if wanted. Returns how many there were."""
        return self.state.outbox.release(shuffle=shuffle, reverse=reverse)

    def wait_deliveries(self, timeout: float = 10.0) -> bool:
        """Wait up to `timeout` seconds until every delivery is answered or failed. Returns whether they are."""
        return self.state.outbox.wait(timeout)

    def forget_deliveries(self) -> None:
        """Empty the log of deliveries; GitHub, too, forgets old ones."""
        self.state.outbox.log.clear()
