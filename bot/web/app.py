"""The ASGI app. A webhook request only stores the delivery; workflows do the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import sqlalchemy as sa
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.context import Context
from bot.store import deliveries, holds
from bot.store.holds import Holds
from bot.web.webhook import Rejected, read
from bot.web.writer import LOCK_TIMEOUT, DeliveryWriter, NotStoredError

log = structlog.get_logger()

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(context: Context, lifespan: Lifespan | None = None, *, receives: bool = True) -> Starlette:
    """Routes: `GET /healthz` (alive), `GET /readyz` (the database accepts writes), `POST /webhook` if `receives`."""
    writer = DeliveryWriter(context.database)

    async def webhook(request: Request) -> Response:
        try:
            delivery = await read(request.headers, _chunks(request), context.settings.webhook_secrets)
        except ClientDisconnect:
            return Response(status_code=400)
        if isinstance(delivery, Rejected):
            log.warning("rejected", status=delivery.status, why=delivery.message)
            return JSONResponse({"error": delivery.message}, delivery.status)
        try:
            is_new = await writer.store(delivery)
        except NotStoredError:
            # GitHub records the delivery as failed, and it can be redelivered.
            return JSONResponse({"error": "The delivery could not be stored. Redeliver it later."}, 503)
        if is_new:
            context.work.set()
        return JSONResponse({"delivery": delivery.guid, "stored": is_new}, 202)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_request: Request) -> Response:
        try:
            # A write of no row: fails if our tables are missing or read-only.
            await context.database.write_within(LOCK_TIMEOUT, deliveries.mark_dispatched, "")
        except sa.exc.DBAPIError as error:
            return JSONResponse({"ok": False, "error": f"database: {type(error.orig).__name__}"}, 503)
        held = await context.database.read(holds.current)
        if held == Holds():
            return JSONResponse({"ok": True})
        # Not which: the names of private repositories are nobody's business here.
        everything = held.everything or held.file is not None
        return JSONResponse({"ok": True, "on_hold": "everything" if everything else "some repositories"})

    routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if receives:
        routes.append(Route("/webhook", webhook, methods=["POST"]))
    return Starlette(routes=routes, lifespan=lifespan)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
