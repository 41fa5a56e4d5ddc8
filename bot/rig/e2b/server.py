"""The E2B server: the control API and envd on one loopback port, for the unmodified SDK."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.rig.e2b import envd_files, envd_process, envd_transfer, envd_watch, isolation
from bot.rig.e2b.control import Control
from bot.rig.e2b.envd import Gateway
from bot.rig.e2b.fleet import Fleet
from bot.rig.e2b.light import LightMachine
from bot.rig.e2b.machine import Machine
from bot.rig.e2b.state import Ending, Sandbox, Settings
from bot.rig.e2b.templates import Seed
from bot.rig.e2b.tree import expand
from bot.rig.http.server import Server

_TIMEOUT_SECONDS = 120.0  # seconds for work on the server's event loop; ending a thousand sandboxes takes ten
_T = TypeVar("_T")


class E2B:
    """Give `url` to the SDK as both api_url and sandbox_url, and `api_key` as the key.

    `settings` may be changed at any time. `isolated=False` uses no namespaces even if they work.
    `light`: sandboxes without processes that answer only ampbot's own scripts, for measuring many at once.
    """

    def __init__(
        self, settings: Settings | None = None, *, port: int = 0, isolated: bool = True, light: bool = False
    ) -> None:
        self.settings = settings or Settings()
        self.api_key = f"e2b_{secrets.token_hex(20)}"
        self._isolated = isolated
        self._folder: Path | None = None
        self._fleet = Fleet(self.settings)
        if light:
            self._fleet.kind = LightMachine
        self._loop: asyncio.AbstractEventLoop | None = None
        self.server = Server(
            self._app(), port=port, wording=lambda status, message: {"code": status, "message": message}
        )

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def note(self) -> str:
        """How sandboxes are isolated on this machine, as a sentence."""
        return self._fleet.how.note

    @property
    def isolated(self) -> bool:
        return self._fleet.how.private

    @property
    def sandboxes(self) -> Mapping[str, Sandbox]:
        """Running and paused sandboxes by id."""
        return self._fleet.sandboxes

    @property
    def records(self) -> tuple[Sandbox, ...]:
        """All sandboxes ever created, including ended ones, in order of creation."""
        return tuple(self._fleet.records)

    def start(self) -> None:
        _raise_file_limit()
        how = isolation.detect() if self._isolated else isolation.plain("it was asked to")
        self._folder = Path(tempfile.mkdtemp(prefix="ampbot-e2b-")).resolve()
        self._fleet.open(self._folder, how)
        self.server.start()

    def stop(self) -> None:
        """End every process of every sandbox and remove all folders. The records stay."""
        if self._folder is None:
            return
        if self._loop is not None:
            self._do(self._fleet.close())
        self.server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._loop = None

    def clear(self) -> None:
        """Remove all sandboxes, records, added templates, logged requests and faults. Settings stay as they are."""
        self._do(self._fleet.forget())
        self.server.request_log.clear()
        self.server.faults.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_template(self, name: str, seed: Seed) -> None:
        """`seed` is called with the empty home of each new sandbox of this template."""
        self._fleet.templates[name] = seed

    def kill(self, sandbox_id: str) -> None:
        """Kill a sandbox, as another client with the same key could. Raises Refusal if it does not exist."""
        self._do(self._fleet.end(sandbox_id, Ending.KILLED))

    def expire(self, sandbox_id: str) -> None:
        """End its timeout now: it is killed or paused, depending on its options."""
        self._do(self._fleet.expire(self._machine(sandbox_id)))

    def vanish(self, sandbox_id: str) -> None:
        """End a sandbox without notice: its streams break off."""
        self._do(self._fleet.end(sandbox_id, Ending.VANISHED))

    def cut(self, sandbox_id: str) -> None:
        """Break every stream of the sandbox. The sandbox and its processes keep running."""
        self._do(self._cut(self._machine(sandbox_id)))

    def fill_disk(self, sandbox_id: str, *, full: bool = True) -> None:
        """Refuse uploads from now on, because the disk is full."""
        self._machine(sandbox_id).sandbox.disk_full = full

    def append(self, sandbox_id: str, path: str, data: bytes) -> None:
        """Append to a file of the sandbox without a process or a request. Creates the file and its directories."""
        with self._machine(sandbox_id).tree.spot(expand(path), make=True) as spot:
            descriptor = spot.open(os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            file.write(data)

    def snapshot(self) -> dict[str, Any]:
        """The state of every sandbox without ids, times and secrets: equal runs have equal snapshots."""
        return {"boxes": [sandbox.snapshot() for sandbox in self.records]}

    def _machine(self, sandbox_id: str) -> Machine:
        return self._fleet.find(sandbox_id)

    async def _cut(self, machine: Machine) -> None:
        machine.cut(silent=True)

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the stand-in is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT_SECONDS)

    def _app(self) -> Starlette:
        gateway = Gateway(self._fleet)
        return Starlette(
            routes=[
                *Control(self._fleet, self.api_key).routes(),
                *envd_process.routes(gateway),
                *envd_files.routes(gateway),
                *envd_watch.routes(gateway),
                *envd_transfer.routes(gateway),
                Route("/health", gateway.health),
                Route("/_rig/state", self._state),
            ],
            exception_handlers={404: _unknown, 405: _unknown, ClientDisconnect: _nobody},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._fleet.watch_clock()
        yield

    async def _state(self, _request: Request) -> Response:
        return JSONResponse({"note": self.note, "boxes": [sandbox.detail() for sandbox in self.records]})


async def _unknown(request: Request, _error: Exception) -> Response:
    if "e2b-sandbox-id" in request.headers:  # envd's own answer
        return Response("404 page not found\n", 404, media_type="text/plain")
    return JSONResponse({"code": 404, "message": "no matching operation was found"}, 404)


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # the client disconnected in the middle of its request


def _raise_file_limit() -> None:
    """A sandbox with a running command needs about ten descriptors; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
