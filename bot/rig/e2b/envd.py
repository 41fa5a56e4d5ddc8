"""Routes a request to its sandbox's envd: finds the sandbox, checks access, and answers when it is gone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.rig.e2b import rpc
from bot.rig.e2b.fleet import Fleet, Refusal
from bot.rig.e2b.machine import Machine
from bot.rig.e2b.rpc import Message, RpcError
from bot.rig.e2b.state import DEFAULT_TIMEOUT, Sandbox, State

_USERS = ("user", "root")
_DENIED = "unauthorized access, please provide a valid access token or method signing if supported"


class GatewayError(Exception):
    """An error answer in the format of E2B's proxy and of envd's plain HTTP routes."""

    def __init__(self, status: int, message: str, *, sandbox_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.sandbox_id = sandbox_id

    def response(self) -> Response:
        # The text of the 502 matters: the SDK looks for "was not found".
        who = {"sandboxId": self.sandbox_id} if self.sandbox_id else {}
        body = {**who, "message": self.message, "code": self.status}
        return JSONResponse(body, self.status, media_type="application/json; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its sandbox's machine and user."""

    machine: Machine
    request: Request
    user: str


Unary = Callable[[Call, dict[str, Any]], Awaitable[Message]]
Streaming = Callable[[Call, dict[str, Any]], AsyncGenerator[Message, None]]
Plain = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Gateway:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def unary(self, handler: Unary) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if not _is(request, "application/json"):
                return Response(status_code=415)
            try:
                call = await self._call(request)
                return JSONResponse(await handler(call, await rpc.message(request)))
            except GatewayError as failure:
                return failure.response()
            except RpcError as failure:
                return rpc.error(failure)

        return endpoint

    def streaming(self, handler: Streaming) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if not _is(request, "application/connect+json"):
                return Response(status_code=415)
            try:
                call = await self._call(request)
                return rpc.Stream(handler(call, await rpc.first_message(request)))
            except GatewayError as failure:
                return failure.response()
            except RpcError as failure:
                return rpc.Stream(_failing(failure))

        return endpoint

    def client_streaming(self, handler: Callable[[Call], Awaitable[Message]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                return rpc.Stream(_single(await handler(await self._call(request))))
            except GatewayError as failure:
                return failure.response()
            except RpcError as failure:
                return rpc.Stream(_failing(failure))

        return endpoint

    def signed(self, handler: Plain, operation: str) -> Endpoint:
        """For /files: the URL may hold a signature instead of the token."""

        async def endpoint(request: Request) -> Response:
            try:
                sandbox = self._signed_sandbox(request, operation)
                user = request.query_params.get("username") or "user"
                if user not in _USERS:
                    raise GatewayError(401, f"error looking up user '{user}': user: unknown user {user}")
                return await handler(Call(await self._running(sandbox.id), request, user))
            except GatewayError as failure:
                return failure.response()

        return endpoint

    async def health(self, request: Request) -> Response:
        try:
            await self._running(request.headers.get("e2b-sandbox-id", ""))
        except GatewayError as failure:
            return failure.response()
        return Response(status_code=204)

    async def _call(self, request: Request) -> Call:
        """Raises GatewayError or RpcError."""
        machine = await self._running(request.headers.get("e2b-sandbox-id", ""))
        if not _equal(request.headers.get("x-access-token", ""), machine.sandbox.token):
            raise GatewayError(401, _DENIED)
        return Call(machine, request, _user(request))

    async def _running(self, sandbox_id: str) -> Machine:
        machine = self._fleet.machines.get(sandbox_id)
        if machine is not None and machine.sandbox.state is State.PAUSED and machine.sandbox.options.auto_resume:
            try:
                await self._fleet.resume(machine, max(machine.sandbox.options.timeout, DEFAULT_TIMEOUT))
            except Refusal as refusal:
                raise GatewayError(refusal.status, refusal.message) from refusal
        if machine is None or machine.sandbox.state is not State.RUNNING:
            raise GatewayError(502, "The sandbox was not found", sandbox_id=sandbox_id or "unknown")
        return machine

    def _signed_sandbox(self, request: Request, operation: str) -> Sandbox:
        """Raises GatewayError. A signed URL names no sandbox: it is the one whose token made the signature."""
        sandbox_id = request.headers.get("e2b-sandbox-id")
        sandboxes = [sandbox for sandbox in self._fleet.records if sandbox_id in (None, sandbox.id)]
        if sandbox_id is not None and not sandboxes:
            raise GatewayError(502, "The sandbox was not found", sandbox_id=sandbox_id)
        token = request.headers.get("x-access-token")
        if token and sandbox_id is not None:
            if not _equal(token, sandboxes[0].token):
                raise GatewayError(401, "access token present in header but does not match")
            return sandboxes[0]
        query = request.query_params
        signature = query.get("signature")
        if signature is None:
            raise GatewayError(401, "missing signature query parameter")
        expires = query.get("signature_expiration")
        parts = [query.get("path", ""), operation, query.get("username", "")]
        for sandbox in reversed(sandboxes):
            if _equal(signature, _signature([*parts, sandbox.token, *([expires] if expires else [])])):
                if expires and int(expires) < time.time():
                    raise GatewayError(401, "signature is already expired")
                return sandbox
        raise GatewayError(401, "invalid signature")


async def _single(answer: Message) -> AsyncGenerator[Message, None]:
    yield answer


async def _failing(failure: RpcError) -> AsyncGenerator[Message, None]:
    nothing: tuple[Message, ...] = ()
    for answer in nothing:
        yield answer
    raise failure


def _user(request: Request) -> str:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "user"
    try:
        name = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        name = ""
    if name not in _USERS:
        raise RpcError("unauthenticated", f"invalid username: '{name}'")
    return name


def _signature(parts: list[str]) -> str:
    digest = hashlib.sha256(":".join(parts).encode()).digest()
    return "v1_" + base64.b64encode(digest).decode().rstrip("=")


def _is(request: Request, kind: str) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == kind


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
