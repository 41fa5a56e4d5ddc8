"""Load for a webhook receiver: signed deliveries over a number of persistent connections.

A separate process sends them with raw sockets, one request at a time on each connection. Its own CPU use is measured
too: a result describes the server only if the sender is not the bottleneck.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import multiprocessing
import resource
import selectors
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from bot.rig.contract.fixtures import webhook_examples

SECRET = "s3cret-of-the-bench"
HEAD_END = b"\r\n\r\n"


class Target(Protocol):
    @property
    def port(self) -> int: ...

    @property
    def path(self) -> str: ...

    @property
    def worked(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Measure:
    """The result of one round; times in seconds. `busy`: the sender's share of CPU time."""

    accepted: int
    refused: int
    seconds: float
    p50: float
    p99: float
    busy: float
    cpu: float  # seconds of the server for each request

    @property
    def rate(self) -> float:
        return self.accepted / self.seconds


def payload() -> dict[str, Any]:
    """issue_comment.created, with an installation."""
    index = json.loads(webhook_examples().read_text())
    (comments,) = (kind["examples"] for kind in index if kind["name"] == "issue_comment")
    example: dict[str, Any] = next(one for one in comments if one["action"] == "created")
    return example | {"installation": {"id": 7, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uNw=="}}


class _Bodies:
    """Requests whose payloads differ in one value, each with its own signature."""

    def __init__(self) -> None:
        self._before, _, self._after = json.dumps(payload() | {"bench": "@@"}).encode().partition(b"@@")
        # The part before the number is hashed once.
        self._mac = hmac.new(SECRET.encode(), self._before, hashlib.sha256)

    def request(self, path: str) -> bytes:
        guid = str(uuid.uuid4())
        number = guid.encode()
        mac = self._mac.copy()
        mac.update(number + self._after)
        body = self._before + number + self._after
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nUser-Agent: GitHub-Hookshot/ba5e11d\r\nAccept: */*\r\n"
            f"X-GitHub-Delivery: {guid}\r\nX-GitHub-Event: issue_comment\r\n"
            f"X-Hub-Signature-256: sha256={mac.hexdigest()}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True, slots=True)
class Load:
    connections: int
    seconds: float

    def run(self, target: Target, *, seconds: float | None = None) -> Measure:
        """Raises: RuntimeError if the server closes a connection."""
        length = self.seconds if seconds is None else seconds
        before = target.worked
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        sender = context.Process(target=_send, args=(there, target.port, target.path, self.connections, length))
        sender.start()
        there.close()
        try:
            times, refused, took, busy = here.recv()
        except EOFError:
            raise RuntimeError("the server hung up on the load generator") from None
        finally:
            sender.join()
        times.sort()
        at = [times[min(len(times) - 1, int(len(times) * share))] if times else 0.0 for share in (0.5, 0.99)]
        cpu = (target.worked - before) / max(1, len(times) + refused)
        return Measure(len(times), refused, took, at[0], at[1], busy, cpu)


def _send(answer: Any, port: int, path: str, connections: int, seconds: float) -> None:
    bodies = _Bodies()
    selector = selectors.DefaultSelector()
    sent: dict[socket.socket, float] = {}
    times: list[float] = []
    refused = 0
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, connection)
        sent[connection] = 0.0
    worked = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    for connection in sent:
        request = bodies.request(path)
        sent[connection] = time.perf_counter()
        connection.sendall(request)
    while sent:
        for key, _ in selector.select(30):
            connection = key.data
            status = _read(connection)
            done = time.perf_counter()
            if status in (200, 202):
                times.append(done - sent[connection])
            else:
                refused += 1
            if done - began >= seconds:
                selector.unregister(connection)
                connection.close()
                del sent[connection]
                continue
            request = bodies.request(path)
            sent[connection] = time.perf_counter()
            connection.sendall(request)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    busy = (after.ru_utime + after.ru_stime - worked.ru_utime - worked.ru_stime) / took
    answer.send((times, refused, took, busy))
    answer.close()


def _read(connection: socket.socket) -> int:
    """Read one answer to its end and return its status. Raises: ConnectionError."""
    data = b""
    while HEAD_END not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("hung up")
        data += piece
    head, _, body = data.partition(HEAD_END)
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    else:
        _, _, rest = lower.partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0] or b"0")
        while len(body) < length:
            body += connection.recv(65536)
    return int(head.split(b" ", 2)[1])
