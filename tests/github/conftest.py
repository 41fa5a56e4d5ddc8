"""A small GitHub on loopback, asked by the real PyGithub, and a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.github.client import GitHubApi
from bot.github.rate_limit import RateLimit
from bot.rig.http.server import Server
from bot.text.redact import Redactor

TOKEN = "ghs_canary-0123456789abcdefghij"


@dataclass(slots=True)
class Time:
    """Waiting takes no time; `waits` says how long it would have taken."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived, credentials and all."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class GitHub:
    """Answers what `answers` has for a path: a response, or what is to be its JSON."""

    server: Server
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.server.url}/api/v3"

    @property
    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]


async def _answer(request: Request) -> Response:
    github: GitHub = request.app.state.github
    body = await request.body()
    asked = Asked(
        request.method,
        request.url.path.removeprefix("/api/v3"),
        dict(request.query_params),
        dict(request.headers),
        json.loads(body) if body else None,
    )
    github.asked.append(asked)
    answer = github.answers.get(asked.path, {"id": 1})
    if isinstance(answer, list) and answer and isinstance(answer[0], Response):
        return answer.pop(0) if len(answer) > 1 else answer[0]
    return answer if isinstance(answer, Response) else JSONResponse(answer)


def serving() -> Iterator[GitHub]:
    app = Starlette(routes=[Route("/{path:path}", _answer, methods=["GET", "POST", "PATCH", "PUT", "DELETE"])])
    with Server(app) as server:
        app.state.github = GitHub(server)
        yield app.state.github


@pytest.fixture(scope="package")
def running() -> Iterator[GitHub]:
    yield from serving()


@pytest.fixture(scope="package")
def running_elsewhere() -> Iterator[GitHub]:
    yield from serving()


def cleared(github: GitHub) -> GitHub:
    github.server.faults.clear()
    github.server.request_log.clear()
    github.asked.clear()
    github.answers.clear()
    return github


@pytest.fixture
def github(running: GitHub) -> GitHub:
    return cleared(running)


@pytest.fixture
def elsewhere(running_elsewhere: GitHub) -> GitHub:
    """Another host, which must not be told anything."""
    return cleared(running_elsewhere)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def api(github: GitHub, time: Time) -> GitHubApi:
    return GitHubApi(github.url, RateLimit(time.clock, time.sleep), Redactor([]), time.sleep)


def text(content: str, status: int = 200) -> Response:
    return PlainTextResponse(content, status)


def moved(status: int, to: str) -> Response:
    return RedirectResponse(to, status)


def said(status: int, content: Any) -> Response:
    return JSONResponse(content, status)
