"""Signed webhook deliveries: their queue, their log, redelivery. Failed deliveries are not retried, as on GitHub."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from bot.rig.github.records import App, Installation, Repository

_TIMEOUT_SECONDS = 10.0  # seconds: https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
_MAX_BYTES = 25 * 1024 * 1024  # bytes; anything larger is not sent at all
_ALWAYS = ("installation", "installation_repositories", "github_app_authorization", "ping")


@dataclass(frozen=True, slots=True)
class Handling:
    """How deliveries are sent."""

    drop: bool = False  # not sent and not logged
    copies: int = 1
    delay: float = 0.0  # seconds
    hold: bool = False  # until `release`


@dataclass(slots=True)
class Delivery:
    """One attempt. A redelivery is a new attempt with the same GUID."""

    id: int
    guid: str
    app: App
    event: str
    action: str | None
    installation: int | None
    repository: int | None
    body: bytes
    redelivery: bool = False
    delivered_at: float = 0.0
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    url: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response: str = ""


class Origin(Protocol):
    """The server that sends deliveries: its URL, clock and ids."""

    url: str

    def now(self) -> float: ...
    def next_id(self) -> int: ...


class Outbox:
    """Sends deliveries in its own threads, so that the caller does not wait."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._changed = threading.Condition()
        self._queue: list[tuple[float, Delivery]] = []
        self._held: list[Delivery] = []
        self._under_way = 0
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self.handling = Handling()
        self.log: list[Delivery] = []  # oldest first

    def start(self, workers: int) -> None:
        """One worker keeps the order of deliveries, unless `handling` changes it."""
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"rig-webhooks-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS + 1)
        self._threads = []

    def emit(
        self,
        event: str,
        payload: Mapping[str, Any],
        *,
        app: App,
        installation: Installation | None,
        repository: Repository | None = None,
    ) -> None:
        """Queue a delivery to the app's hook if the App is subscribed to the event."""
        events = installation.events if installation is not None else app.events
        if not app.hook.active or not app.hook.url or (event not in events and event not in _ALWAYS):
            return
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        if len(body) > _MAX_BYTES:
            return
        delivery = Delivery(
            id=self._origin.next_id(),
            guid=str(uuid.uuid4()),
            app=app,
            event=event,
            action=payload.get("action"),
            installation=installation.id if installation else None,
            repository=repository.id if repository else None,
            body=body,
        )
        if not self.handling.drop:
            self._post(delivery)
            for _ in range(1, self.handling.copies):
                self._post(self._copy(delivery, redelivery=False))

    def redeliver(self, delivery: Delivery) -> None:
        """Send again with the same GUID and body, as a new entry in the log."""
        self._queue_one(self._copy(delivery, redelivery=True), 0.0)

    def release(self, *, shuffle: Random | None = None, reverse: bool = False) -> int:
        """Send the held deliveries. Returns how many there were."""
        with self._changed:
            held, self._held = self._held, []
        if shuffle is not None:
            shuffle.shuffle(held)
        for delivery in reversed(held) if reverse else held:
            self._queue_one(delivery, 0.0)
        return len(held)

    def wait(self, timeout: float) -> bool:
        """Wait until nothing is queued or in flight. Returns whether that happened within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._under_way, timeout)

    def find(self, number: int) -> Delivery | None:
        with self._changed:
            return next((delivery for delivery in self.log if delivery.id == number), None)

    def _post(self, delivery: Delivery) -> None:
        if self.handling.hold:
            with self._changed:
                self._held.append(delivery)
        else:
            self._queue_one(delivery, self.handling.delay)

    def _copy(self, delivery: Delivery, *, redelivery: bool) -> Delivery:
        """A new attempt, not sent yet: same GUID and body, new id."""
        return Delivery(
            id=self._origin.next_id(),
            guid=delivery.guid,
            app=delivery.app,
            event=delivery.event,
            action=delivery.action,
            installation=delivery.installation,
            repository=delivery.repository,
            body=delivery.body,
            redelivery=redelivery,
        )

    def _queue_one(self, delivery: Delivery, delay: float) -> None:
        with self._changed:
            self._queue.append((time.monotonic() + delay, delivery))
            self._queue.sort(key=lambda item: item[0])  # stable: equal times stay in order
            self._changed.notify()

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            self._send(delivery)
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._stopping:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    self._under_way += 1
                    return self._queue.pop(0)[1]
                self._changed.wait(wait)
            return None

    def _send(self, delivery: Delivery) -> None:
        hook = delivery.app.hook
        delivery.url = hook.url
        delivery.request_headers = self._headers(delivery)
        delivery.delivered_at = self._origin.now()
        started = time.monotonic()
        try:
            delivery.status_code, delivery.response_headers, delivery.response = _call(
                hook.url, delivery.body, delivery.request_headers
            )
            good = 200 <= delivery.status_code < 300
            delivery.status = "OK" if good else f"Invalid HTTP Response: {delivery.status_code}"
        except TimeoutError:
            delivery.status, delivery.status_code = "timed out", 504
        except (OSError, http.client.HTTPException):
            delivery.status, delivery.status_code = "failed to connect to host", 502
        delivery.duration = round(time.monotonic() - started, 2)
        with self._changed:
            self.log.append(delivery)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        app, secret = delivery.app, delivery.app.hook.secret
        signed = {
            "X-Hub-Signature": signature(secret, delivery.body, "sha1"),
            "X-Hub-Signature-256": signature(secret, delivery.body),
        }
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/ba5e11d",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Enterprise-Host": urllib.parse.urlsplit(self._origin.url).netloc,
            "X-GitHub-Enterprise-Version": "3.19.0",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(app.hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(app.id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            **(signed if secret else {}),
        }


def signature(secret: str, body: bytes, algorithm: str = "sha256") -> str:
    """The value of X-Hub-Signature-256 (or, with sha1, of X-Hub-Signature)."""
    return f"{algorithm}={hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()}"


def _call(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        path = parts.path or "/"
        connection.request("POST", f"{path}?{parts.query}" if parts.query else path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read(64_000).decode("utf-8", "replace")
        return answer.status, dict(answer.getheaders()), text
    finally:
        connection.close()
