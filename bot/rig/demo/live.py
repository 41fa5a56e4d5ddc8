"""`ampbot demo --github live`: the demo on the real GitHub, and on the real E2B if wanted.

A user's token opens an issue and comments on it. GitHub cannot deliver to this machine, so the delivery is built here
from GitHub's answers and signed with the App's webhook secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape

from bot import settings as configuration
from bot.rig.demo.result import Comment, File, PullRequest, Result, Seconds, moments
from bot.rig.e2b.server import E2B
from bot.rig.process import BotProcess
from bot.settings import Settings
from bot.store.database import engine_arguments

ASK = "/amp say what this repository is about; change nothing"
RUN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Live:
    settings: Settings
    http: httpx.Client  # authenticated as the user
    repository: dict[str, Any]
    installation: int
    user: dict[str, Any]


def live(repo: str, ask: str | None, *, local_sandbox: bool, as_json: bool, console: Console) -> int:
    """Exit code 0 if there is a pull request, 1 if not, 2 if a setting is missing or GitHub refuses."""
    loaded = configuration.load()
    token = os.environ.get("GITHUB_TOKEN", "")
    missing = [problem.message for problem in loaded] if not isinstance(loaded, Settings) else []
    if not token:
        missing.append("GITHUB_TOKEN is not set. It is the token of a user with write access, who opens the issue.")
    if missing or not isinstance(loaded, Settings):
        for say in missing:
            console.print(f"[red]{escape(say)}[/]")
        return 2
    try:
        with _connected(loaded, token, repo) as state, _sandboxes(local_sandbox) as more:
            made = _play(state, ask or ASK, more, console)
    except httpx.HTTPError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 2
    console.print(escape(made.comments[-1].body))
    if as_json:
        print(made.json(), flush=True)
    return 0 if made.pull_request is not None else 1


@contextmanager
def _connected(settings: Settings, token: str, repo: str) -> Iterator[_Live]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    with httpx.Client(base_url=settings.github_api_url, headers=headers, timeout=30) as http:
        moment = int(time.time())
        claims = {"iat": moment - 60, "exp": moment + 300, "iss": str(settings.github_app_id)}
        signed = jwt.encode(claims, settings.private_key(), algorithm="RS256")
        found = http.get(f"/repos/{repo}/installation", headers={"Authorization": f"Bearer {signed}"})
        found.raise_for_status()
        yield _Live(settings, http, _ok(http.get(f"/repos/{repo}")), found.json()["id"], _ok(http.get("/user")))


def _ok(answer: httpx.Response) -> Any:
    return answer.raise_for_status().json()


@contextmanager
def _sandboxes(local: bool) -> Iterator[dict[str, str]]:
    """Settings that send the bot to the stand-in for E2B, if that is wanted."""
    if not local:
        yield {}
        return
    with E2B() as e2b:
        addresses = {"AMPBOT_E2B_API_URL": e2b.url, "AMPBOT_E2B_SANDBOX_URL": e2b.url}
        yield addresses | {"E2B_API_KEY": e2b.api_key, "AMPBOT_E2B_TEMPLATE": "amp"}


def _play(state: _Live, ask: str, more: dict[str, str], console: Console) -> Result:
    path = f"/repos/{state.repository['full_name']}"
    issue = _ok(state.http.post(f"{path}/issues", json={"title": "Try ampbot", "body": "Does it work here?"}))
    console.print(f"issue {issue['html_url']}")
    with tempfile.TemporaryDirectory(prefix="ampbot-live-") as folder:
        database = f"sqlite:///{Path(folder) / 'ampbot.sqlite3'}"
        bot = BotProcess(Path(folder), _environment(state.settings) | {"AMPBOT_DATABASE_URL": database} | more)
        bot.start()
        try:
            started = time.time()
            text = ask if ask.lstrip().startswith("/amp") else f"/amp {ask}"
            comment = _ok(state.http.post(f"{path}/issues/{issue['number']}/comments", json={"body": text}))
            _deliver(state, bot, issue, comment)
            run = _ended(database, bot)
            total = time.time() - started
        finally:
            bot.stop()
    said = _ok(state.http.get(f"{path}/issues/{issue['number']}/comments"))
    marks = moments(bot.log)
    begun, over = marks.get("agent at work"), marks.get("agent ended")
    return Result(
        pull_request=_pull(state, path, run["pull"]) if run["pull"] else None,
        comments=tuple(Comment(one["user"]["login"], one["body"]) for one in said),
        github_requests=None,
        sandbox_requests=None,
        seconds=Seconds(
            comment_to_ack=None,
            comment_to_agent=round(begun - started, 3) if begun else None,
            agent=round(over - begun, 3) if begun and over else None,
            agent_to_pr=None,
            total=round(total, 3),
        ),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """The operator's own settings, with an absolute key path, because the bot runs in another folder."""
    known = {configuration.environment_name(field) for field in Settings.model_fields}
    given = {name: value for name, value in os.environ.items() if name in known}
    if settings.github_private_key_file is not None:
        given["AMPBOT_GITHUB_PRIVATE_KEY_FILE"] = str(settings.github_private_key_file.resolve())
    return given


def _deliver(state: _Live, bot: BotProcess, issue: dict[str, Any], comment: dict[str, Any]) -> None:
    payload = {
        "action": "created",
        "issue": issue,
        "comment": comment,
        "repository": state.repository,
        "sender": state.user,
        "installation": {"id": state.installation, "node_id": ""},
    }
    body = json.dumps(payload).encode()
    secret = state.settings.webhook_secret.get_secret_value().encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issue_comment",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    httpx.post(f"{bot.url}/webhook", content=body, headers=headers, timeout=10, trust_env=False).raise_for_status()


def _ended(database: str, bot: BotProcess) -> dict[str, Any]:
    engine = sa.create_engine(database, **engine_arguments(database))
    deadline = time.monotonic() + RUN_SECONDS
    try:
        while time.monotonic() < deadline and bot.running:
            with engine.connect() as connection:
                row = connection.execute(sa.text("SELECT * FROM runs WHERE ended_at IS NOT NULL")).mappings().first()
            if row is not None:
                return dict(row)
            time.sleep(0.5)
    finally:
        engine.dispose()
    last = "\n".join(str(line) for line in bot.log[-10:])
    raise RuntimeError(f"the run did not end; the bot's last log lines:\n{last}")


_STATUS = {
    "added": "added",
    "removed": "deleted",
    "modified": "modified",
    "renamed": "modified",
    "changed": "type changed",
}


def _pull(state: _Live, path: str, number: int) -> PullRequest:
    pull = _ok(state.http.get(f"{path}/pulls/{number}"))
    tree = _ok(state.http.get(f"{path}/git/trees/{pull['head']['sha']}", params={"recursive": "1"}))
    modes = {entry["path"]: entry["mode"] for entry in tree["tree"]}
    files = _ok(state.http.get(f"{path}/pulls/{number}/files", params={"per_page": 100}))
    return PullRequest(
        number=number,
        title=pull["title"],
        body=pull["body"] or "",
        head=pull["head"]["ref"],
        base=pull["base"]["ref"],
        url=pull["html_url"],
        commit=pull["head"]["sha"],
        files=tuple(
            File(one["filename"], modes.get(one["filename"], "000000"), _STATUS.get(one["status"], one["status"]))
            for one in files
        ),
    )
