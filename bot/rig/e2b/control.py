"""The control API: creates, lists, pauses and kills sandboxes."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.rig.e2b import network, shapes
from bot.rig.e2b.fleet import Fleet, Refusal, not_found
from bot.rig.e2b.machine import Machine
from bot.rig.e2b.state import DEFAULT_TIMEOUT, Ending, State

_KEY = re.compile(r"[a-z0-9-]{1,255}")
_HELP = "Invalid API key, please visit https://e2b.dev/docs/api-key for more information."

Handler = Callable[[Request], Awaitable[Response]]


class Control:
    def __init__(self, fleet: Fleet, api_key: str) -> None:
        self._fleet = fleet
        self._api_key = api_key

    def routes(self) -> list[Route]:
        one = "/sandboxes/{id}"
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/v2/sandboxes", self._create),
            ("GET", "/v2/sandboxes", self._list),
            ("GET", one, self._get),
            ("DELETE", one, self._kill),
            ("POST", f"{one}/timeout", self._timeout),
            ("POST", f"{one}/pause", self._pause),
            ("POST", f"/v2{one}/connect", self._connect),
            ("PUT", f"{one}/network", self._network),
            ("GET", f"{one}/metrics", self._metrics),
            ("POST", f"{one}/snapshots", self._snapshot),
            ("POST", f"{one}/fork", self._fork),
            ("GET", "/snapshots", self._snapshots),
            ("DELETE", "/templates/{id}", self._delete_template),
        ]
        return [Route(path, self._checked(handler), methods=[method]) for method, path, handler in table]

    def _checked(self, handler: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            given = request.headers.get("x-api-key", "")
            try:
                if not hmac.compare_digest(given.encode(), self._api_key.encode()):
                    raise Refusal(401, _HELP)
                return await handler(request)
            except Refusal as refusal:
                return refused(refusal)

        return checked

    async def _create(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Refusal(400, "Invalid Idempotency-Key header")
        sandbox = await self._fleet.create(shapes.create_options(await shapes.read(request), key))
        return JSONResponse(shapes.created(sandbox), 201)

    async def _list(self, request: Request) -> Response:
        sandboxes, token = shapes.page(list(self._fleet.sandboxes.values()), request.query_params)
        headers = {"x-next-token": token} if token else {}
        return JSONResponse([shapes.listed(sandbox) for sandbox in sandboxes], headers=headers)

    async def _get(self, request: Request) -> Response:
        return JSONResponse(shapes.detailed(self._machine(request).sandbox))

    async def _kill(self, request: Request) -> Response:
        await self._fleet.end(self._machine(request).sandbox.id, Ending.KILLED)
        return Response(status_code=204)

    async def _timeout(self, request: Request) -> Response:
        seconds = shapes.integer(await shapes.read(request), "timeout")
        if seconds is None:
            raise Refusal(400, "Error when parsing request: timeout is required")
        self._fleet.set_timeout(self._running(request), seconds)
        return Response(status_code=204)

    async def _connect(self, request: Request) -> Response:
        body = await shapes.read(request)
        seconds = shapes.integer(body, "timeout")
        self._fleet.check_timeout(seconds or 0)
        machine = self._machine(request)
        if machine.sandbox.state is State.PAUSED:
            until = DEFAULT_TIMEOUT if seconds is None else seconds
            await self._fleet.resume(machine, until, memory=body.get("memory") is not False)
            return JSONResponse(shapes.created(machine.sandbox), 201)
        if seconds is not None:
            self._fleet.set_timeout(machine, seconds, only_longer=True)
        return JSONResponse(shapes.created(machine.sandbox))

    async def _pause(self, request: Request) -> Response:
        body = await shapes.read(request)
        await self._fleet.pause(self._machine(request), memory=body.get("memory") is not False)
        return Response(status_code=204)

    async def _network(self, request: Request) -> Response:
        """Replace the whole configuration, including what the request leaves out."""
        body = await shapes.read(request)
        if found := network.problem(body):
            raise Refusal(400, found)
        sandbox = self._running(request).sandbox
        allow = body.pop("allow_internet_access", None)
        sandbox.network = body
        sandbox.allow_internet = allow
        sandbox.network_updates.append(body)
        return Response(status_code=204)

    async def _metrics(self, request: Request) -> Response:
        self._machine(request)
        now = self._fleet.settings.clock()
        figures = {
            "cpuCount": shapes.CPUS,
            "cpuUsedPct": 1.0,
            "memUsed": 64 << 20,
            "memTotal": shapes.MEMORY_MB << 20,
        }
        figures |= {"memCache": 16 << 20, "diskUsed": 1 << 30, "diskTotal": shapes.DISK_MB << 20}
        return JSONResponse([{**figures, "timestamp": shapes.timestamp(now), "timestampUnix": int(now)}])

    async def _snapshot(self, request: Request) -> Response:
        body = await shapes.read(request)
        snapshot_id = self._fleet.add_snapshot(self._running(request), str(body.get("name") or ""))
        return JSONResponse(shapes.snapshot(snapshot_id), 201)

    async def _fork(self, request: Request) -> Response:
        body = await shapes.read(request)
        seconds = shapes.integer(body, "timeout")
        until = DEFAULT_TIMEOUT if seconds is None else seconds
        self._fleet.check_timeout(until)
        made = await self._fleet.fork(self._running(request), until, shapes.integer(body, "count") or 1)
        return JSONResponse([{"sandbox": shapes.created(sandbox)} for sandbox in made], 201)

    async def _snapshots(self, _request: Request) -> Response:
        return JSONResponse([shapes.snapshot(snapshot_id) for snapshot_id in self._fleet.snapshots])

    async def _delete_template(self, request: Request) -> Response:
        self._fleet.delete_snapshot(request.path_params["id"])
        return Response(status_code=204)

    def _machine(self, request: Request) -> Machine:
        return self._fleet.find(request.path_params["id"])

    def _running(self, request: Request) -> Machine:
        """The running sandbox of the path. A paused one counts as not found."""
        machine = self._machine(request)
        if machine.sandbox.state is not State.RUNNING:
            raise not_found(machine.sandbox.id)
        return machine


def refused(refusal: Refusal) -> Response:
    body: dict[str, Any] = {"code": refusal.status, "message": refusal.message}
    if refusal.error_code:
        body["error_code"] = refusal.error_code
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    return JSONResponse(body, refusal.status, headers)
