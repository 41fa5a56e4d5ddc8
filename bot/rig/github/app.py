"""The routes of the stand-in on one port: REST, GraphQL, git and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.rig.github.graphql.endpoint import GraphQL
from bot.rig.github.pages import Pages
from bot.rig.github.rest import (
    apps,
    checks,
    gitdata,
    issues,
    labels,
    pulls,
    repositories,
    reviews,
    router,
    users,
)
from bot.rig.github.rest.call import Answer
from bot.rig.github.snapshot import snapshot
from bot.rig.github.state import State
from bot.rig.github.transport import SERVICES, Transport

_API = "/api/v3"
# In order of matching: `commits/{ref}/check-runs` must come before `commits/{ref}`.
_AREAS = (apps, users, checks, labels, issues, reviews, pulls, gitdata, repositories)


def build(state: State, transport: Transport) -> Starlette:
    rest = router.Router(state, [route for area in _AREAS for route in area.routes])
    graphql = GraphQL(state)
    pages = Pages(state)

    async def serve_rest(request: Request) -> Response:
        raw = request.scope["raw_path"].decode("latin-1").removeprefix(_API)
        asked = await _read(request, state, raw)
        if asked is None:
            return JSONResponse({"message": "Payload too large", "status": "413"}, 413)
        return _response(await run_in_threadpool(rest.answer, asked))

    async def serve_graphql(request: Request) -> Response:
        asked = await _read(request, state, "/graphql")
        if asked is None:
            return JSONResponse({"message": "Payload too large", "status": "413"}, 413)
        return _response(await run_in_threadpool(graphql.answer, asked))

    async def serve_state(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(snapshot, state))

    def page(render: Callable[[Mapping[str, Any]], tuple[int, str]]) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            status, html = await run_in_threadpool(render, request.path_params)
            kind = "text/html" if html.startswith("<!") else "text/plain"
            return Response(html, status, media_type=kind)

        return serve

    every = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]
    git = [
        Route(f"/{{owner}}/{{name}}/{service}", _with(transport.serve, service), methods=["GET", "POST"])
        for service in SERVICES
    ]
    return Starlette(
        routes=[
            Route("/_rig/state", serve_state),
            Route("/api/graphql", serve_graphql, methods=["POST"]),
            Route(f"{_API}/{{rest:path}}", serve_rest, methods=every),
            Route(_API, serve_rest, methods=every),
            *git,
            *(Route(path, page(render)) for path, render in pages.routes()),
        ]
    )


def _with(serve: Callable[[Request], Any], service: str) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        request.path_params["service"] = service
        answer: Response = await serve(request)
        return answer

    return endpoint


async def _read(request: Request, state: State, path: str) -> router.Request | None:
    """The whole request; None if its body is larger than GitHub accepts, or incomplete."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > state.settings.body_bytes:
                return None
    except ClientDisconnect:  # the client is gone
        return None
    method = "GET" if request.method == "HEAD" else request.method
    return router.Request(method, path, request.url.query, request.headers, bytes(body))


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.status not in (204, 304):
        headers["content-type"] = answer.content_type
    return Response(router.encode(answer), answer.status, headers)
