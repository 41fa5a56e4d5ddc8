"""One job's connection to GitHub: PyGithub in a thread, its retries and throttle off, its errors put in our words.

Requests are built from ids against one base address; addresses inside answers are never followed, which is why
PyGithub's self-completing objects are not used.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import anyio.to_thread
import github
import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import BaseModel, TypeAdapter, ValidationError

import bot
from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    LimitedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)
from bot.github.rate_limit import APP, READ, WRITE, RateLimit, RequestCost

T = TypeVar("T")

# GitHub ends a request after 10 s itself; the rest is the way there and back.
TIMEOUT_SECONDS = 20
# The one policy for GitHub's trouble: how long to wait before each further attempt, in seconds.
WAITS = (0.5, 2.0, 8.0, 20.0)
# "wait for at least one minute before retrying", then exponentially longer (GitHub's rate limit page).
LIMIT_WAITS = (60.0, 120.0, 240.0)
LONGEST_LIMIT_WAIT = 900.0

# Of the address of the next page only the cursor is taken.
_NEXT = re.compile(r'[?&]cursor=([^&>]+)[^>]*>; *rel="next"')

# PyGithub logs requests with bodies at DEBUG.
logging.getLogger("github.Requester").setLevel(logging.WARNING)


class Answer(BaseModel):
    """Base of the answers we read: only the fields we need."""


@dataclass(frozen=True, slots=True)
class GitHubApi:
    """Where GitHub is. `Enterprise Server`: https://HOST/api/v3."""

    url: str
    pace: RateLimit
    redact: Callable[[str], str]  # applied to every text that people will read there
    sleep: Callable[[float], Any] = asyncio.sleep
    confirm: Callable[[], Awaitable[None]] | None = None  # before each request


class Client:
    """Calls under one identity. Not shared between jobs; calls of one client may overlap."""

    def __init__(self, api: GitHubApi, auth: github.Auth.Auth, installation: int) -> None:
        self._api = api
        self._installation = installation
        self._github = github.Github(
            auth=auth,
            base_url=api.url,
            timeout=TIMEOUT_SECONDS,
            user_agent=f"ampbot/{bot.__version__}",
            per_page=100,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            pool_size=8,
        )

    @classmethod
    def as_app(cls, api: GitHubApi, app_id: int, key: RSAPrivateKey) -> Client:
        """Speak as the App itself: tokens, deliveries, its own record."""

        def sign(payload: dict[str, Any]) -> str:
            return jwt.encode(payload, key, algorithm="RS256")

        return cls(api, github.Auth.AppAuth(app_id, sign_func=sign), installation=APP)

    @classmethod
    def as_installation(cls, api: GitHubApi, token: str, installation: int) -> Client:
        return cls(api, github.Auth.Token(token), installation)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        accept: str | None = None,
        repeat: bool | None = None,
        urgent: bool = False,
    ) -> T:
        """One request, with the policy for trouble around it.

        `repeat`: the request may be sent again when its outcome is unknown (default: unless it is a POST).
        `urgent`: it does not wait for the installation's budget.

        Raises:
            GitHubError: one of its kinds; UnavailableError where `repeat` was not allowed or did not help.
        """
        send = partial(self._send, method, path, body, query, accept)
        may_repeat = method != "POST" if repeat is None else repeat
        turn = _turn(method, path, urgent=urgent)
        return _read((await self._patiently(send, turn, may_repeat=may_repeat))[0], answer)

    async def page(self, path: str, answer: type[T], query: Mapping[str, Any]) -> tuple[T, str | None]:
        """One page of a list that goes by cursor, and the cursor of the next. Raises: as `call`."""
        send = partial(self._send, "GET", path, None, query, None)
        raw, headers = await self._patiently(send, _turn("GET", path, urgent=False), may_repeat=True)
        following = _NEXT.search(str(headers.get("link", "")))
        return _read(raw, answer), unquote(following[1]) if following else None

    async def _patiently(
        self, send: Callable[[], tuple[Any, Mapping[str, Any]]], turn: RequestCost, *, may_repeat: bool
    ) -> tuple[Any, Mapping[str, Any]]:
        trouble = limits = 0
        while True:
            await self._api.pace.turn(self._installation, turn)
            if self._api.confirm is not None:
                await self._api.confirm()
            try:
                return await anyio.to_thread.run_sync(send)
            except LimitedError as error:
                if limits == len(LIMIT_WAITS):
                    raise
                wait = error.wait or LIMIT_WAITS[limits]
                if wait > LONGEST_LIMIT_WAIT:
                    # Knocking on may get the App banned: nobody of this installation does before that time.
                    self._api.pace.hold(self._installation, wait)
                    raise
                limits += 1
                self._api.pace.hold(self._installation, wait)
            except UnavailableError:
                if not may_repeat or trouble == len(WAITS):
                    raise
                trouble += 1
                await self._api.sleep(WAITS[trouble - 1])

    @property
    def redact(self) -> Callable[[str], str]:
        """Takes secrets out of a text before it is sent."""
        return self._api.redact

    @property
    def is_idle(self) -> bool:
        """Whether courtesies may be written too, as far as GitHub's limits go."""
        return self._api.pace.is_idle(self._installation)

    async def graphql(self, query: str, variables: Mapping[str, Any], answer: type[T]) -> T:
        """A GraphQL query (reads only: it is repeated on trouble).

        Raises:
            GitHubError: as `call`; NotFoundError when the object asked for is not there.
        """

        class Envelope(BaseModel):
            data: Any = None
            errors: list[dict[str, Any]] = []

        root = self._api.url.removesuffix("/v3")
        got = await self.call(
            "POST", f"{root}/graphql", Envelope, body={"query": query, "variables": dict(variables)}, repeat=True
        )
        if got.errors:
            first = got.errors[0]
            message = str(first.get("message", "GraphQL error"))
            raise (NotFoundError(404, message) if first.get("type") == "NOT_FOUND" else GitHubError(200, message))
        return _read(got.data, answer)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        accept: str | None,
    ) -> tuple[Any, Mapping[str, Any]]:
        headers = {"Accept": accept} if accept else {}
        status, answered, text = self._request(method, path, headers, body, query)
        moved = str(answered.get("location", ""))
        if status in (307, 308) and moved.startswith(f"{self._api.url}/"):
            # A renamed repository. PyGithub itself follows a 301, and no redirect to another host.
            status, answered, text = self._request(method, moved, headers, body, None)
        if status >= 300:
            raise _translated(status, answered, text)
        if accept is not None:
            return text, answered
        try:
            data = json.loads(text) if text else None
        except ValueError:
            raise UnavailableError(status, "GitHub's answer is not JSON") from None
        if path.endswith("/graphql") and _is_limited(data):
            raise LimitedError(status, "GraphQL's rate limit", _limit(429, "", answered) or 0.0)
        return data, answered

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
    ) -> tuple[int, Mapping[str, Any], str]:
        try:
            return self._github.requester.requestJson(
                method, url, parameters=dict(query or {}), headers=dict(headers), input=body
            )
        except requests.RequestException as error:
            raise UnavailableError(0, f"no answer ({type(error).__name__})") from None
        except ValueError:  # a header that PyGithub cannot read
            raise UnavailableError(0, "GitHub's answer could not be read") from None
        except RuntimeError as error:  # PyGithub's word for a redirect to another host: the token stays here
            raise GitHubError(301, str(error).split(",", 1)[0]) from None


def _turn(method: str, path: str, *, urgent: bool) -> RequestCost:
    if path.endswith("/graphql"):
        return RequestCost(0, urgent=urgent)  # counted apart, and there is more of it than we can use
    mints = path.endswith(("/access_tokens", "/attempts"))
    content = method in ("POST", "PATCH", "PUT") and not mints
    return RequestCost(READ if method == "GET" else WRITE, content, urgent)


def _read(raw: Any, answer: type[T] | None) -> T:
    if answer is None:
        return None  # type: ignore[return-value]  # no answer type: the caller reads nothing
    try:
        return TypeAdapter(answer).validate_python(raw)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) or "the whole" for item in error.errors()[:3])
        raise UnavailableError(200, f"GitHub's answer could not be read: {fields}") from None


def _translated(status: int, headers: Mapping[str, Any], text: str) -> GitHubError:
    message = _message(text)
    if status in (403, 429):
        wait = _limit(status, message, headers)
        if wait is not None:
            return LimitedError(status, message, wait)
    kinds: dict[int, type[GitHubError]] = {
        401: UnauthorizedError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        410: NotFoundError,
        422: UnprocessableError,
    }
    if status in kinds:
        return kinds[status](status, message)
    return UnavailableError(status, message) if status >= 500 or status == 408 else GitHubError(status, message)


def _message(text: str) -> str:
    """GitHub's own words; "" where somebody before it answered with a page."""
    try:
        data = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    details = data.get("errors")
    words = [
        str(detail.get("message") or detail.get("code") or "") if isinstance(detail, dict) else str(detail)
        for detail in (details if isinstance(details, list) else ())
    ]
    return "; ".join([str(data.get("message", "")), *words])


def _is_limited(data: Any) -> bool:
    """GraphQL says so in a 200."""
    errors = data.get("errors") if isinstance(data, dict) else None
    return isinstance(errors, list) and any(
        isinstance(item, dict) and item.get("type") == "RATE_LIMITED" for item in errors
    )


def _limit(status: int, message: str, headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait if this is a rate limit (0: GitHub did not say how long), else None."""
    if "retry-after" in headers:
        try:
            return max(1.0, float(headers["retry-after"]))
        except ValueError:
            return 0.0
    if headers.get("x-ratelimit-remaining") == "0":
        try:
            return max(1.0, float(headers.get("x-ratelimit-reset", "")) - time.time() + 1)
        except ValueError:
            return 0.0
    return 0.0 if status == 429 or "rate limit" in message.lower() else None
