"""The GitHub App: its identity and its tokens. A token is for one repository and has only the permissions it needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import Field

from bot.github.client import Answer, Client, GitHubApi
from bot.github.delivery_log import DeliveryLog
from bot.github.errors import GitHubError, NotFoundError, UnauthorizedError, UnprocessableError
from bot.github.identity import Identity
from bot.github.repository import Repository
from bot.github.search import Search, list_all
from bot.model import Repo

# For comments, reactions, labels, reviews and reading: all that a run needs before it publishes.
CONVERSE = {"issues": "write", "pull_requests": "write", "contents": "read", "metadata": "read"}
# For the clone in the sandbox.
CLONE = {"contents": "read", "metadata": "read"}
# For the sweep, which searches for events that no delivery brought.
SEARCH = {"issues": "read", "pull_requests": "read", "metadata": "read"}
PUBLISH = {"contents": "write", "pull_requests": "write", "metadata": "read"}

# Installation tokens expire after an hour. We use none that expires within this time.
MARGIN_SECONDS = 300.0


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An installation token. Never stored, logged, or put on a command line."""

    value: str
    expires: float  # epoch seconds
    installation: int
    minted: float  # epoch seconds


class _App(Answer):
    id: int
    slug: str
    permissions: dict[str, str] = Field(default_factory=dict)
    events: list[str] = Field(default_factory=list)


class _HookConfig(Answer):
    url: str | None = None


class _Installed(Answer):
    id: int
    suspended_at: datetime | None = None


class _Named(Answer):
    id: int
    full_name: str


class _Repositories(Answer):
    repositories: list[_Named]


class _Token(Answer):
    token: str
    expires_at: datetime


class App:
    """Mints tokens and knows the App's identity. One per process. For all else see Repository."""

    def __init__(self, api: GitHubApi, app_id: int, key: RSAPrivateKey, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._client = Client.as_app(api, app_id, key)
        self._clock = clock
        self._identity: Identity | None = None
        self._identity_lock = asyncio.Lock()
        self._cached: dict[tuple[int, int], Token] = {}
        self._token_locks: dict[tuple[int, int], asyncio.Lock] = {}

    async def identity(self) -> Identity:
        """The App's identity, read from GitHub once. Raises: GitHubError."""
        async with self._identity_lock:
            if self._identity is None:
                app = await self._client.call("GET", "/app", _App)
                self._identity = Identity(app.id, app.slug, app.permissions, tuple(app.events))
        return self._identity

    @property
    def identity_known(self) -> bool:
        """Whether `identity` returns without a request to GitHub."""
        return self._identity is not None

    async def hook_url(self) -> str | None:
        """The address to which GitHub sends deliveries. Raises: GitHubError."""
        return (await self._client.call("GET", "/app/hook/config", _HookConfig)).url

    async def mint(self, repo: Repo, permissions: Mapping[str, str], *, urgent: bool = False) -> Token:
        """A new token for this repository. Raises: GitHubError; NotFoundError if the installation lost the repository.

        It is safe to repeat: unused tokens expire.
        """
        try:
            minted = await self._client.call(
                "POST",
                f"/app/installations/{repo.installation}/access_tokens",
                _Token,
                body={"repository_ids": [repo.id], "permissions": dict(permissions)},
                repeat=True,
                urgent=urgent,
            )
        except UnprocessableError as error:
            if "not accessible" not in error.message:  # a permission was never granted
                raise
            raise NotFoundError(404, error.message) from None  # transferred, or removed from the installation
        return Token(minted.token, minted.expires_at.timestamp(), repo.installation, self._clock())

    async def revoke(self, token: Token) -> None:
        """Revoke a token; it may have expired already. Raises: GitHubError."""
        with suppress(UnauthorizedError):
            await self._client_with(token).call("DELETE", "/installation/token", urgent=True)

    async def current_name(self, repo: Repo) -> str | None:
        """The full name that the repository has now; None if the App has no access to it any more. Raises: GitHubError.

        Its former name may belong to another repository by now.
        """
        client = await self._client_for(repo)  # its token is for this repository alone
        listed = await client.call("GET", "/installation/repositories", _Repositories)
        return next((item.full_name for item in listed.repositories if item.id == repo.id), None)

    def hooks(self) -> DeliveryLog:
        """GitHub's log of the App's deliveries."""
        return DeliveryLog(self._client)

    async def installations(self) -> tuple[int, ...]:
        """Ids of the installations that are not suspended. Raises: GitHubError."""
        installations = await list_all(self._client, "/app/installations", _Installed)
        return tuple(item.id for item in installations if item.suspended_at is None)

    async def searching(self, installation: int) -> Search:
        """A search through all repositories of an installation, with a token that can only read."""
        path = f"/app/installations/{installation}/access_tokens"
        minted = await self._client.call("POST", path, _Token, body={"permissions": SEARCH}, repeat=True)
        return Search(Client.as_installation(self._api, minted.token, installation, self._clock()), installation)

    async def conversation(self, repo: Repo, name: str | None = None) -> Repository:
        """The repository, with a cached token that may comment. It is renewed when GitHub refuses it.

        `name`: the repository's full name, if it is not the one in `repo` any more.
        """
        return Repository(name or repo.full_name, await self._client_for(repo), lambda: self._renewed_client(repo))

    @asynccontextmanager
    async def using(self, token: Token, name: str) -> AsyncIterator[Repository]:
        """The repository, with this token. It is revoked on exit."""
        try:
            yield Repository(name, self._client_with(token))
        finally:
            # It expires within the hour anyway. A failed revocation must not undo what was published.
            with suppress(GitHubError):
                await self.revoke(token)

    async def _client_for(self, repo: Repo) -> Client:
        key = (repo.installation, repo.id)
        async with self._token_locks.setdefault(key, asyncio.Lock()):
            token = self._cached.get(key)
            if token is None or token.expires - MARGIN_SECONDS < self._clock():
                token = self._cached[key] = await self.mint(repo, CONVERSE, urgent=True)
        return self._client_with(token)

    def _client_with(self, token: Token) -> Client:
        return Client.as_installation(self._api, token.value, token.installation, token.minted)

    async def _renewed_client(self, repo: Repo) -> Client:
        self._cached.pop((repo.installation, repo.id), None)
        return await self._client_for(repo)
