"""A stand-in for each module, a new repository for each test, and a check against GitHub's description."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import github as pygithub
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.rig.contract.contract import Contract
from bot.rig.github.records import App, Installation, Repository
from bot.rig.github.scenario import Content
from bot.rig.github.server import GitHub

ALL = {"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "actions": "read"}
EVENTS = (
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "check_run",
    "push",
)
APP_ID = 4711
FILES: dict[str, Content] = {
    "README.md": "# Widgets\n",
    "src/login.py": "one\ntwo\nthree\n",
    "run.sh": ("100755", b"#!/bin/sh\n"),
}


@dataclass
class Hook:
    """A receiver of webhooks: what it received, and what it answers."""

    url: str
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 202

    def events(self) -> list[str]:
        return [headers["x-github-event"] for headers, _ in self.received]


@dataclass
class Scene:
    """One private repository with an App on it. `ann` may write, `bob` may read."""

    github: GitHub
    app: App
    installation: Installation
    repo: Repository
    hook: Hook
    http: httpx.Client

    @property
    def key(self) -> str:
        return self.app.private_key

    def jwt(self, *, lasts: float = 300, issued: float = -60, iss: str = str(APP_ID)) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now + issued, "exp": now + lasts, "iss": iss}, _loaded(self.key), "RS256")

    def token(self, permissions: Mapping[str, str] | None = None, **wanted: Any) -> str:
        """An installation token, for all permissions unless said otherwise."""
        body = {"permissions": dict(ALL if permissions is None else permissions), **wanted}
        answer = self.ask("POST", f"/app/installations/{self.installation.id}/access_tokens", self.jwt(), body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request to the REST API; `{repo}` in the path is this scene's repository."""
        path = path.replace("{repo}", f"/repos/{self.repo.full_name}")
        sent = {"authorization": f"Bearer {token}"} if token else {}
        url = path if path.startswith("http") else f"{self.github.api_url}{path}"
        return self.http.request(method, url, json=body, headers={**sent, **(headers or {})})

    def client(self, token: str | None = None) -> pygithub.Github:
        return pygithub.Github(
            base_url=self.github.api_url,
            auth=pygithub.Auth.Token(token or self.token()),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def remote(self, token: str | None = None, *, user: str = "x-access-token") -> str:
        """The URL for git; with a token, it includes the credential."""
        address = f"{self.github.url}/{self.repo.full_name}.git"
        return address.replace("://", f"://{user}:{token}@") if token else address


@cache
def _loaded(key: str) -> RSAPrivateKey:
    """Reading a PEM costs a hundred times more than signing."""
    loaded = load_pem_private_key(key.encode(), password=None)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hook(f"http://127.0.0.1:{server.server_port}/webhook")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def hub(hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    with GitHub(root=tmp_path_factory.mktemp("repositories")) as github:
        for login in ("ann", "bob", "eve"):
            github.create_user(login)
        github.create_app(
            "ampbot", APP_ID, webhook_url=hook.url, webhook_secret="s3cret", permissions=ALL, events=EVENTS
        )
        yield github


@pytest.fixture
def scene(hub: GitHub, hook: Hook, http: httpx.Client, request: pytest.FixtureRequest) -> Iterator[Scene]:
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    owner = f"acme-{len(hub.state.repositories)}"
    repo = hub.create_repository(f"{owner}/{name}", private=True, files=FILES)
    hub.set_permission(repo, "ann", "write")
    hub.set_permission(repo, "bob", "read")
    app = hub.state.apps[APP_ID]
    made = Scene(hub, app, hub.install(app, [repo]), repo, hook, http)
    hub.wait_deliveries()
    hook.received.clear()
    hook.status = 202
    first, errors = len(hub.server.request_log.entries), len(hub.server.errors)
    yield made
    hub.wait_deliveries()
    hub.state.meter.reset()
    assert hub.server.errors[errors:] == ()
    contract = Contract.load()
    wrong = [
        (entry.number, violation)
        for entry in hub.server.request_log.since(first)
        for violation in contract.check(entry)
        # Tests send invalid requests on purpose, so only the answers are checked.
        if violation.kind in ("answer", "answer key")
    ]
    assert wrong == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
