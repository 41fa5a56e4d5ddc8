"""A stand-in's server: its app on a loopback port, with a request log, a fault table, and routes to both."""

from __future__ import annotations

import json
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.rig.http import faults as fault_table
from bot.rig.http import request_log
from bot.rig.http.faults import FaultTable, Wording, github_wording
from bot.rig.http.recorder import Recorder
from bot.rig.http.request_log import RequestLog

_HOST = "127.0.0.1"
_TIMEOUT_SECONDS = 10.0  # seconds for starting and for stopping


class Server:
    """Serves `app` from its own thread. Requests to `/_rig/` are neither recorded nor faulted.

    `wording` builds the JSON body of an `error` fault as the real service would.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0, wording: Wording = github_wording) -> None:
        self.request_log = RequestLog()
        self.faults = FaultTable()
        self._app = app
        self._recorder = Recorder(app, self.request_log, self.faults, self._drop, wording)
        self._port = port
        self._uvicorn: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end; known once started, and kept after a stop."""
        if not self._port:
            raise RuntimeError("the server has no address before it is started")
        return f"http://{_HOST}:{self._port}"

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What the stand-in's own code raised, complete once stopped. Each one is a bug in the rig."""
        return tuple(self._recorder.errors)

    def start(self) -> None:
        """Listen, on the same port as before if it was stopped. Raises OSError when the port is taken."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        # Named TCP, else asyncio leaves Nagle on and answers wait 40 ms (asyncio.base_events._set_nodelay).
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, self._port))
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._uvicorn = _Uvicorn(self._route)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([listener],), name=f"rig:{self._port}", daemon=True
        )
        self._thread.start()
        if not self._uvicorn.up.wait(_TIMEOUT_SECONDS):
            raise RuntimeError(f"the server did not start within {_TIMEOUT_SECONDS:.0f} s")

    def stop(self) -> None:
        """Close every connection and end. Stopping a stopped server changes nothing."""
        if self._thread is None or self._uvicorn is None:
            return
        self._uvicorn.should_exit = True
        self._thread.join(_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the server did not stop within {_TIMEOUT_SECONDS:.0f} s")
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _drop(self, scope: Scope) -> None:
        if self._uvicorn is not None:
            self._uvicorn.drop(tuple(scope["client"]))

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in ("/_rig/journal", "/_rig/faults"):
            request = Request(scope, receive)
            serve = self._serve_request_log if scope["path"] == "/_rig/journal" else self._serve_faults
            answer = await serve(request)
            await answer(scope, receive, send)
        elif scope["type"] == "http" and not scope["path"].startswith("/_rig/"):
            await self._recorder(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_request_log(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.request_log.clear()
            return Response(status_code=204)
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"message": f"since is a request's number, not {since!r}"}, status_code=400)
        return JSONResponse([request_log.to_json(entry) for entry in self.request_log.since(int(since))])

    async def _serve_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
            return Response(status_code=204)
        if request.method == "POST":
            try:
                given = json.loads(await request.body())
                faults = [fault_table.from_json(item) for item in (given if isinstance(given, list) else [given])]
            except ValueError as error:
                return JSONResponse({"message": str(error)}, status_code=400)
            self.faults.add(*faults)
        return JSONResponse([fault_table.to_json(fault) for fault in self.faults.faults])


class _Uvicorn(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # Children (git, agents) are started from this thread; uvloop wants the main thread for them.
                loop="asyncio",
                http="httptools",
                interface="asgi3",
                proxy_headers=False,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
            )
        )
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):  # an endless answer would block the shutdown
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)

    def drop(self, client: tuple[object, ...]) -> None:
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is not None and transport.get_extra_info("peername") == client:
                transport.close()
