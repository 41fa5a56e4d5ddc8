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
from bot.github import error_answers, not_yet
from bot.github.errors import GitHubError, LimitedError, NotFoundError, UnavailableError
from bot.github.rate_limit import APP, READ, WRITE, RateLimit, RequestCost

T = TypeVar("T")

# GitHub ends a request after 10 s itself. The rest is for the network.
TIMEOUT_SECONDS = 20
# Seconds before each further attempt when GitHub is unavailable.
WAITS: tuple[float, ...] = (0.5, 2.0, 8.0, 20.0)
# "Wait for at least one minute before retrying", then exponentially longer:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
LIMIT_WAITS: tuple[float, ...] = (60.0, 120.0, 240.0)
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
    clock: Callable[[], float] = time.time  # epoch seconds
    ensure_lock_held: Callable[[], Awaitable[None]] | None = None  # before each request


class Client:
    """Requests with one identity and one token. Several may run at the same time."""

    def __init__(self, api: GitHubApi, auth: github.Auth.Auth, installation: int, minted: float = 0.0) -> None:
        self._api = api
        self._installation = installation
        self._minted = minted
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
    def as_installation(cls, api: GitHubApi, token: str, installation: int, minted: float = 0.0) -> Client:
        """A client with an installation token. `minted`: when GitHub made the token, in epoch seconds."""
        return cls(api, github.Auth.Token(token), installation, minted)

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
        cost = _cost(method, path, urgent=urgent)
        data, _ = await self._with_retries(send, method, path, cost, may_repeat=may_repeat)
        return _read(data, answer)

    async def page(self, path: str, answer: type[T], query: Mapping[str, Any]) -> tuple[T, str | None]:
        """Return one page of a list with cursors, and the cursor of the next page. Raises: as `call`."""
        send = partial(self._send, "GET", path, None, query, None)
        cost = _cost("GET", path, urgent=False)
        data, headers = await self._with_retries(send, "GET", path, cost, may_repeat=True)
        next_page = _NEXT.search(str(headers.get("link", "")))
        return _read(data, answer), unquote(next_page[1]) if next_page else None

    async def _with_retries(
        self,
        send: Callable[[], tuple[Any, Mapping[str, Any]]],
        method: str,
        path: str,
        cost: RequestCost,
        *,
        may_repeat: bool,
    ) -> tuple[Any, Mapping[str, Any]]:
        failures = limits = refusals = 0
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
            except GitHubError as error:
                fresh = self._api.clock() - self._minted < not_yet.FRESH_SECONDS
                waits = not_yet.waits(error, method, path, fresh=fresh)
                if refusals >= len(waits):
                    raise
                await self._api.sleep(waits[refusals])
                refusals += 1

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

        root = self._api.url.removesuffix("/v3")
        body = {"query": query, "variables": dict(variables)}
        try:
            envelope = await self.call("POST", f"{root}/graphql", Envelope, body=body, repeat=True)
        except NotFoundError as error:
            if not nulls or error.data is None:
                raise
            return _read(error.data, answer)
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
            raise error_answers.from_rest(status, answer_headers, text)
        if accept is not None:
            return text, answer_headers
        try:
            data = json.loads(text) if text else None
        except ValueError:
            raise UnavailableError(status, "GitHub's answer is not JSON") from None
        if path.endswith("/graphql") and (error := error_answers.from_graphql(data, answer_headers)):
            raise error
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
