"""ASGI middleware around a stand-in: records every request and applies planned faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.rig.http.faults import (
    PAUSES,
    SPOILS,
    Answer,
    Fault,
    FaultTable,
    Request,
    Side,
    Wording,
    github_wording,
    replacement,
    without,
)
from bot.rig.http.request_log import WHOLE, Recording, RequestLog

# Answers that may never end: the effect counts as done when the first piece is sent.
_ENDLESS = ("text/event-stream", "application/connect+")


class Recorder:
    """`drop` closes the connection of a scope after pending writes are sent."""

    def __init__(
        self,
        app: ASGIApp,
        request_log: RequestLog,
        faults: FaultTable,
        drop: Callable[[Scope], None],
        wording: Wording = github_wording,
    ) -> None:
        self.errors: list[Exception] = []  # what the stand-in itself raised: a bug in the rig
        self._app = app
        self._request_log = request_log
        self._faults = faults
        self._drop = drop
        self._wording = wording

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        recording = self._request_log.begin(scope["method"], path, query, scope["headers"])
        faults = self._faults.take(scope["method"], path, recording.number)
        recording.fault = "+".join(fault.kind for fault in faults) or None
        exchange = _Exchange(scope, receive, send, recording, self._drop, self._wording)
        try:
            await self._serve(exchange, faults)
        except ClientDisconnect:
            pass  # the client left in the middle of its request: not an error here
        except Exception as error:
            self.errors.append(error)
            raise
        finally:
            recording.finish()

    async def _serve(self, exchange: _Exchange, faults: tuple[Fault, ...]) -> None:
        await exchange.read_known_body()
        early = [fault for fault in faults if fault.side is Side.BEFORE and fault.kind not in SPOILS]
        late = [fault for fault in faults if fault not in early]
        for fault in early:
            if fault.kind in PAUSES:
                await exchange.pause(fault)
            else:
                await exchange.drain()
                await exchange.apply(fault)
                return
        send = _BufferedAnswer(exchange, late) if late else exchange.send
        await self._app(exchange.scope, exchange.receive, send)


class _Exchange:
    """One request's connection, seen from the middleware: everything that passes is recorded."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        recording: Recording,
        drop: Callable[[Scope], None],
        wording: Wording,
    ) -> None:
        self.scope = scope
        self.request = Request(recording.number, recording.method, recording.path)
        self._receive = receive
        self._send = send
        self._recording = recording
        self._drop = drop
        self._wording = wording
        self._known: bytes | None = None
        self._left: int | None = None  # bytes of the answer still to come, when known

    async def read_known_body(self) -> None:
        """Read a body of known, modest length now, so that the request log has it even if the app never reads it."""
        length = int(dict(self.scope["headers"]).get(b"content-length", b"0"))
        if not 0 < length <= WHOLE:
            return
        body = bytearray()
        while len(body) < length:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientDisconnect  # half a body must not be taken for the whole
            self._recording.read(message.get("body", b""))
            body += message.get("body", b"")
        self._known = bytes(body)

    async def receive(self) -> Message:
        if self._known is not None:
            body, self._known = self._known, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._receive()
        if message["type"] == "http.request":
            self._recording.read(message.get("body", b""))
        else:
            self._recording.finish()  # the client is gone: nobody reads what follows
        return message

    async def drain(self) -> None:
        while (message := await self.receive())["type"] == "http.request" and message.get("more_body", False):
            pass

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._recording.answered(message["status"], message.get("headers", ()))
            length = self._recording.answer_headers.get("content-length")
            bare = self._recording.method == "HEAD" or message["status"] in (204, 304)
            self._left = 0 if bare else None if length is None else int(length)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self._recording.wrote(body)
            if self._left is not None:
                self._left -= len(body)
            if not message.get("more_body", False):
                self._left = 0
        if self._left == 0:
            # Before the last byte is sent, so that a client with the answer finds the entry in the request log.
            self._recording.finish()
        await self._send(message)

    async def answer(self, answer: Answer) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    async def pause(self, fault: Fault) -> None:
        if fault.call is None:
            await asyncio.sleep(fault.seconds)
        else:
            await asyncio.to_thread(fault.call, self.request)

    async def apply(self, fault: Fault) -> None:
        """Send a wrong answer, or none."""
        if fault.kind == "timeout":
            await self._silence(fault.seconds)
            await self.drop()
        else:
            await self.answer(replacement(fault, self.request, self._wording))

    async def drop(self) -> None:
        self._recording.finish()
        self._drop(self.scope)
        await self._disconnected()

    async def _silence(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._disconnected()
        except TimeoutError:
            pass

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _BufferedAnswer:
    """Buffers the app's answer until the effect is done, then sends it as the faults change it."""

    def __init__(self, exchange: _Exchange, faults: list[Fault]) -> None:
        self._exchange = exchange
        self._pauses = [fault for fault in faults if fault.kind in PAUSES]
        self._fault = next((fault for fault in faults if fault.kind not in PAUSES), None)
        self._start: Message = {}
        self._endless = False
        self._body = bytearray()
        self._released = False
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:  # as uvicorn does for a client that has gone
            return
        if message["type"] == "http.response.start":
            self._start = message
            kind = dict(message.get("headers", ())).get(b"content-type", b"").decode("latin-1")
            self._endless = kind.startswith(_ENDLESS)
            return
        more = message.get("more_body", False)
        if self._released:
            await self._pass(message.get("body", b""), more=more)
            return
        self._body += message.get("body", b"")
        if more and not (self._endless and self._body):
            return
        for fault in self._pauses:
            await self._exchange.pause(fault)
        await self._release(more=more)

    async def _release(self, *, more: bool) -> None:
        self._released = True
        if self._fault is not None and self._fault.kind not in SPOILS:
            self._over = True
            await self._exchange.apply(self._fault)
            return
        if self._fault is not None and self._fault.kind == "null":
            self._body[:] = without(bytes(self._body), self._fault.message)
            headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(self._body)).encode()))
            self._start = {**self._start, "headers": headers}
        await self._exchange.send(self._start)
        if self._fault is not None and self._fault.kind == "cut":
            self._over = True
            half = bytes(self._body[: len(self._body) // 2])
            await self._exchange.send({"type": "http.response.body", "body": half, "more_body": True})
            await self._exchange.drop()
            return
        if self._fault is not None and self._fault.kind == "stop" and self._endless:
            self._over, more = True, False
        await self._pass(bytes(self._body), more=more)

    async def _pass(self, body: bytes, *, more: bool) -> None:
        if self._fault is not None and self._fault.kind == "drip":
            started = time.perf_counter()
            for place in range(len(body)):
                due = started + self._fault.seconds * (place + 1) / len(body)
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                piece = body[place : place + 1]
                await self._exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            body = b""
        await self._exchange.send({"type": "http.response.body", "body": body, "more_body": more})
