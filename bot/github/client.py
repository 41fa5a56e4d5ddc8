"""Requests to GitHub through PyGithub, in a thread. Retries, rate limits and errors are ours, not PyGithub's.

We build each address ourselves and never follow one from an answer. That is why we do not use PyGithub's objects,
which complete themselves from the addresses that they hold.
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

# GitHub ends a request after 10 s itself. The rest is for the network.
TIMEOUT_SECONDS = 20
# Seconds before each further attempt when GitHub is unavailable.
WAITS = (0.5, 2.0, 8.0, 20.0)
# "Wait for at least one minute before retrying", then exponentially longer:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
LIMIT_WAITS = (60.0, 120.0, 240.0)
MAX_LIMIT_WAIT = 900.0

# We take only the cursor from the address of the next page.
_NEXT = re.compile(r'[?&]cursor=([^&>]+)[^>]*>; *rel="next"')

# PyGithub logs requests with bodies at DEBUG.
logging.getLogger("github.Requester").setLevel(logging.WARNING)


class Answer(BaseModel):
    """Base of the models of GitHub's answers. They have only the fields we need."""


@dataclass(frozen=True, slots=True)
class GitHubApi:
    """GitHub's REST API. On Enterprise Server `url` is https://HOST/api/v3."""

    url: str
    rate_limit: RateLimit
    redact: Callable[[str], str]  # applied to every text that people will read on GitHub
    sleep: Callable[[float], Any] = asyncio.sleep
    ensure_lock_held: Callable[[], Awaitable[None]] | None = None  # before each request


class Client:
    """Requests with one identity and one token. Several may run at the same time."""

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
        """A client for requests of the App itself: tokens, deliveries, its settings."""

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
        """Send one request, with retries, and return its answer as the type `answer`.

        `repeat`: it may be sent again when its outcome is unknown (default: unless it is a POST).
        `urgent`: it does not wait for a token of the installation's bucket.

        Raises:
            GitHubError: the subclass says what happened. UnavailableError: also when `repeat` is false.
        """
        send = partial(self._send, method, path, body, query, accept)
        may_repeat = method != "POST" if repeat is None else repeat
        data, _ = await self._with_retries(send, _cost(method, path, urgent=urgent), may_repeat=may_repeat)
        return _read(data, answer)

    async def page(self, path: str, answer: type[T], query: Mapping[str, Any]) -> tuple[T, str | None]:
        """Return one page of a list with cursors, and the cursor of the next page. Raises: as `call`."""
        send = partial(self._send, "GET", path, None, query, None)
        data, headers = await self._with_retries(send, _cost("GET", path, urgent=False), may_repeat=True)
        next_page = _NEXT.search(str(headers.get("link", "")))
        return _read(data, answer), unquote(next_page[1]) if next_page else None

    async def _with_retries(
        self, send: Callable[[], tuple[Any, Mapping[str, Any]]], cost: RequestCost, *, may_repeat: bool
    ) -> tuple[Any, Mapping[str, Any]]:
        failures = limits = 0
        while True:
            await self._api.rate_limit.acquire(self._installation, cost)
            if self._api.ensure_lock_held is not None:
                await self._api.ensure_lock_held()
            try:
                return await anyio.to_thread.run_sync(send)
            except LimitedError as error:
                if limits == len(LIMIT_WAITS):
                    raise
                wait = error.wait or LIMIT_WAITS[limits]
                if wait > MAX_LIMIT_WAIT:
                    # Retrying early risks a ban: block all calls of this installation until then.
                    self._api.rate_limit.block(self._installation, wait)
                    raise
                limits += 1
                self._api.rate_limit.block(self._installation, wait)
            except UnavailableError:
                if not may_repeat or failures == len(WAITS):
                    raise
                await self._api.sleep(WAITS[failures])
                failures += 1

    @property
    def redact(self) -> Callable[[str], str]:
        """Replaces secrets in a text before it is sent."""
        return self._api.redact

    @property
    def has_headroom(self) -> bool:
        """Whether GitHub's rate limits leave room for optional edits."""
        return self._api.rate_limit.has_headroom(self._installation)

    async def graphql(self, query: str, variables: Mapping[str, Any], answer: type[T], *, nulls: bool = False) -> T:
        """Send a GraphQL query or mutation. It must be safe to repeat: it is sent again after a failure.

        `nulls`: what does not exist is null in the answer, as GitHub has it, and no error.

        Raises:
            GitHubError: as `call`. NotFoundError: the object does not exist.
        """

        class Envelope(BaseModel):
            data: Any = None
            errors: list[dict[str, Any]] = []

        root = self._api.url.removesuffix("/v3")
        envelope = await self.call(
            "POST", f"{root}/graphql", Envelope, body={"query": query, "variables": dict(variables)}, repeat=True
        )
        errors = [error for error in envelope.errors if not (nulls and error.get("type") == "NOT_FOUND")]
        if errors:
            raise _graphql_error(errors[0])
        return _read(envelope.data, answer)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        accept: str | None,
    ) -> tuple[Any, Mapping[str, Any]]:
        headers = {"Accept": accept} if accept else {}
        status, answer_headers, text = self._request(method, path, headers, body, query)
        location = str(answer_headers.get("location", ""))
        if status in (307, 308) and location.startswith(f"{self._api.url}/"):
            # A renamed repository. PyGithub itself follows a 301, but no redirect to another host.
            status, answer_headers, text = self._request(method, location, headers, body, None)
        if status >= 300:
            raise _error(status, answer_headers, text)
        if accept is not None:
            return text, answer_headers
        try:
            data = json.loads(text) if text else None
        except ValueError:
            raise UnavailableError(status, "GitHub's answer is not JSON") from None
        if path.endswith("/graphql") and _is_limited(data):
            raise LimitedError(status, "GraphQL's rate limit", _retry_after(429, "", answer_headers) or 0.0)
        return data, answer_headers

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
        except ValueError:  # PyGithub cannot parse a header
            raise UnavailableError(0, "GitHub's answer could not be read") from None
        except RuntimeError as error:  # PyGithub refuses a redirect to another host, which would send the token there
            raise GitHubError(301, str(error).split(",", 1)[0]) from None


def _cost(method: str, path: str, *, urgent: bool) -> RequestCost:
    if path.endswith("/graphql"):
        return RequestCost(0, urgent=urgent)  # it has a limit of its own, which we do not reach
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


def _error(status: int, headers: Mapping[str, Any], text: str) -> GitHubError:
    message = _message(text)
    if status in (403, 429):
        wait = _retry_after(status, message, headers)
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


def _graphql_error(error: Mapping[str, Any]) -> GitHubError:
    """The error that REST would have answered with; GraphQL's status is 200."""
    kinds: dict[str, tuple[int, type[GitHubError]]] = {
        "NOT_FOUND": (404, NotFoundError),
        "FORBIDDEN": (403, ForbiddenError),
        "UNPROCESSABLE": (422, UnprocessableError),
        "STALE_DATA": (422, UnprocessableError),
    }
    status, kind = kinds.get(str(error.get("type")), (200, GitHubError))
    return kind(status, str(error.get("message", "GraphQL error")))


def _message(text: str) -> str:
    """GitHub's error message; "" if the answer is not GitHub's JSON (a proxy may answer with an HTML page)."""
    try:
        data = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    details = data.get("errors")
    texts = [
        str(detail.get("message") or detail.get("code") or "") if isinstance(detail, dict) else str(detail)
        for detail in (details if isinstance(details, list) else ())
    ]
    return "; ".join([str(data.get("message", "")), *texts])


def _is_limited(data: Any) -> bool:
    """Whether GraphQL reports a rate limit. It does so with status 200."""
    errors = data.get("errors") if isinstance(data, dict) else None
    return isinstance(errors, list) and any(
        isinstance(item, dict) and item.get("type") == "RATE_LIMITED" for item in errors
    )


def _retry_after(status: int, message: str, headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait if this is a rate limit (0 if GitHub does not say how long), else None."""
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
