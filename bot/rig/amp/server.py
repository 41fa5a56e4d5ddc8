"""Amp's server, as far as threads go: each belongs to the key that made it, and outlives the sandboxes it was made in.

The real one keeps them too, and gives the agent a thread's earlier messages when it is continued.
"""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.rig.http.server import Server


class AmpServer:
    """Give `url` to E2B's stand-in as the setting `amp_server`."""

    def __init__(self) -> None:
        self.threads: dict[str, dict[str, Any]] = {}  # by id
        self._owners: dict[str, str] = {}  # thread id -> fingerprint of the key that made it
        one = "/threads/{id}"
        routes = [
            Route("/threads", self._list, methods=["GET"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._put, methods=["PUT"]),
            Route(one, self._delete, methods=["DELETE"]),
        ]
        self.server = Server(Starlette(routes=routes))

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def forget(self) -> None:
        """Remove all threads."""
        self.threads.clear()
        self._owners.clear()

    async def _list(self, request: Request) -> Response:
        mine = [thread for name, thread in self.threads.items() if self._owners[name] == _key(request)]
        return JSONResponse(sorted(mine, key=lambda thread: -thread["updated"]))

    async def _get(self, request: Request) -> Response:
        name = request.path_params["id"]
        found = self.threads.get(name)
        if found is not None and self._owners[name] == _key(request):
            return JSONResponse(found)
        hidden = found is None or found["visibility"] == "private"
        return Response(status_code=404 if hidden else 403)

    async def _put(self, request: Request) -> Response:
        name = request.path_params["id"]
        if self._owners.setdefault(name, _key(request)) != _key(request):
            return Response(status_code=403)
        self.threads[name] = await request.json()
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        name = request.path_params["id"]
        if self._owners.get(name) == _key(request):
            del self.threads[name], self._owners[name]
        return Response(status_code=204)


def _key(request: Request) -> str:
    """A fingerprint: the key itself is kept nowhere."""
    return hashlib.sha256(request.headers.get("authorization", "").encode()).hexdigest()
