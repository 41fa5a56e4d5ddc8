"""The Connect protocol as envd uses it: unary calls, and streams that may end with an error."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

_END_OF_STREAM = 0x02
_KEEPALIVE = 90.0  # seconds; envd's default

# https://connectrpc.com/docs/protocol#error-codes
_STATUS = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "unauthenticated": 401,
}

Message = Mapping[str, Any]


class RpcError(Exception):
    """The error that ends a call."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BrokenError(Exception):
    """The connection of a stream breaks without an error message."""


def error(failure: RpcError) -> Response:
    return JSONResponse({"code": failure.code, "message": failure.message}, _STATUS[failure.code])


async def message(request: Request) -> dict[str, Any]:
    """The message of a unary call. Raises RpcError."""
    return _parsed(await request.body())


async def first_message(request: Request) -> dict[str, Any]:
    """The only message of a call that is answered by a stream. Raises RpcError."""
    async for found in messages(request):
        return found
    raise RpcError("invalid_argument", "the request holds no message")


async def messages(request: Request) -> AsyncIterator[dict[str, Any]]:
    """The messages of a client's stream as they arrive. Raises RpcError."""
    pending = b""
    async for piece in request.stream():
        pending += piece
        while len(pending) >= 5 and len(pending) >= (end := 5 + struct.unpack(">I", pending[1:5])[0]):
            yield _parsed(pending[5:end])
            pending = pending[end:]


def keepalive(request: Request) -> float:
    """Seconds of silence after which a stream sends a keepalive."""
    asked = request.headers.get("keepalive-ping-interval", "")
    return float(asked) if asked.isdecimal() and int(asked) > 0 else _KEEPALIVE


def timeout(request: Request) -> float | None:
    """The timeout of the call in seconds. Raises RpcError."""
    asked = request.headers.get("connect-timeout-ms", "0")
    if not asked.isdecimal():
        raise RpcError("invalid_argument", f"invalid Connect-Timeout-Ms {asked!r}")
    return int(asked) / 1000 or None


class Stream(Response):
    """Sends each message as it comes. If the client disconnects, only the sending ends."""

    def __init__(self, answers: AsyncGenerator[Message, None]) -> None:
        super().__init__(media_type="application/connect+json")
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _send(self, send: Send) -> None:
        kind = b"application/connect+json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        ending: Message = {}
        try:
            async with contextlib.aclosing(self._answers) as answers:
                async for answer in answers:
                    body = _enveloped(0, answer)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        except RpcError as failure:
            ending = {"error": {"code": failure.code, "message": failure.message}}
        except BrokenError:
            return  # the answer is incomplete, so the server closes the connection
        await send({"type": "http.response.body", "body": _enveloped(_END_OF_STREAM, ending)})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _enveloped(flag: int, content: Message) -> bytes:
    data = json.dumps(content, separators=(",", ":")).encode()
    return struct.pack(">BI", flag, len(data)) + data


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data) if data else {}
    except ValueError as failure:
        raise RpcError("invalid_argument", f"unmarshal message: {failure}") from failure
    if not isinstance(found, dict):
        raise RpcError("invalid_argument", "unmarshal message: an object is expected")
    return found
