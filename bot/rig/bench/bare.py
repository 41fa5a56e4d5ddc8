"""A receiver process for `make bench-receiver`: ampbot's if given a database URL, else one that stores nothing.

Given `json` instead of a URL, the second also parses the body, as a bot must that keeps its work in memory.

Both use the same Starlette on the same uvicorn, and the same code to read and verify (`bot.web.webhook`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.context import Context
from bot.rig.bench.load import SECRET
from bot.service import uvicorn_config
from bot.store.database import Database
from bot.web.app import create_app
from bot.web.webhook import Rejected, read


@dataclass(frozen=True, slots=True)
class _Secrets:
    webhook_secrets: tuple[str, ...] = (SECRET,)


def create_bare(*, parses: bool) -> Starlette:
    """Verify, answer 202."""

    async def webhook(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in request.stream():
                yield chunk

        delivery = await read(request.headers, chunks(), (SECRET,))
        if isinstance(delivery, Rejected):
            return JSONResponse({"error": delivery.message}, delivery.status)
        if parses:
            json.loads(delivery.body)
        return JSONResponse({"delivery": delivery.guid, "stored": False}, 202)

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"])])


def create_ours(url: str) -> Starlette:
    """The web application alone; the other services are never used."""
    nobody: Any = None
    secrets: Any = _Secrets()
    return create_app(Context(secrets, Database(url), github=nobody, sandboxes=nobody, redact=nobody))


def main(port: str, url: str | None = None) -> None:
    app = create_ours(url) if url and url != "json" else create_bare(parses=url == "json")
    uvicorn.Server(uvicorn_config(app, "127.0.0.1", int(port))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
