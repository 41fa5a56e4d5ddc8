"""Reads the evidence from a rig: GitHub's state and request log, E2B's records, the bot's tables and log."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from bot.events.payloads import can_ask
from bot.rig.github.records import Repository
from bot.rig.http.request_log import Entry
from bot.rig.rig import SLUG, Rig
from bot.rig.soak.evidence import (
    BotComment,
    Evidence,
    PermissionCheck,
    Publication,
    RunRow,
    SandboxRow,
    Sent,
    UserAction,
    Write,
)
from bot.sandbox.scripts import script

BOT = f"{SLUG}[bot]"
_MARK = re.compile(r"<!-- ampbot:run:([0-9a-f-]{36}) -->")
_TRAILER = re.compile(r"^Ampbot-Run: (\S+)$", re.MULTILINE)
_PUBLISHES = re.compile(r"/(git/(blobs|trees|commits|refs)(/.*)?|pulls|pulls/\d+/reviews|merges|contents/.*)$")
_PERMISSION = re.compile(r"/collaborators/([^/]+)/permission$")
_UNFINISHED = "SELECT workflow_uuid FROM workflow_status WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')"


def gather(
    rig: Rig, actions: tuple[UserAction, ...], starts: tuple[float, ...], broken: tuple[str, ...] = ()
) -> Evidence:
    """Collect the evidence. The bot should be idle: unfinished work counts as not done."""
    state = rig.github.state
    request_log = rig.github.server.request_log.entries
    with state.lock:
        repositories = tuple(state.repositories.values())
        comments = tuple(each for repository in repositories for each in _comments(repository))
        thumbed = frozenset(each for repository in repositories for each in _thumbed(repository))
        made = tuple(each for repository in repositories for each in _made(repository))
        names = {repository.full_name: repository for repository in repositories}
    return Evidence(
        actions=actions,
        comments=comments,
        thumbed=thumbed,
        made=made,
        writes=tuple(_writes(request_log, names)),
        permissions=tuple(_permissions(request_log, names)),
        sandboxes=tuple(_sandboxes(rig)),
        runs=tuple(_runs(rig)),
        sent=tuple(_sent(rig)),
        open_deliveries=tuple(row["guid"] for row in rig.query("SELECT guid FROM deliveries WHERE closed_at IS NULL")),
        unfinished=tuple(row["workflow_uuid"] for row in rig.query(_engine_table(rig, _UNFINISHED))),
        starts=starts,
        leaks=tuple(leaks(rig, request_log)),
        broken=(*broken, *(repr(error) for error in (*rig.github.server.errors, *rig.e2b.server.errors))),
    )


def _engine_table(rig: Rig, query: str) -> str:
    """On PostgreSQL the engine's tables are in the schema `dbos`."""
    return query if rig.database_url.startswith("sqlite") else query.replace("FROM ", "FROM dbos.")


# --- GitHub ---------------------------------------------------------------------------------------


def _comments(repository: Repository) -> Iterator[BotComment]:
    for number, issue in repository.issues.items():
        for comment in issue.comments.values():
            if comment.author.account.login == BOT:
                yield BotComment(repository.id, number, comment.id, comment.body)


def _thumbed(repository: Repository) -> Iterator[int]:
    for issue in repository.issues.values():
        for comment in issue.comments.values():
            if any(each.account.login == BOT and each.content == "+1" for each in comment.reactions):
                yield comment.id


def _made(repository: Repository) -> Iterator[Publication]:
    for pull in repository.pulls:
        yield Publication("pull", repository.id, str(pull.number), _run_in(pull.issue.body or ""))
        for review in pull.reviews.values():
            yield Publication("review", repository.id, str(review.id), _run_in(review.body))
    for sha in repository.bare.log("--all"):
        found = _TRAILER.search(repository.bare.commit(sha).message)
        yield Publication("commit", repository.id, sha, found[1] if found else "")
    for branch in repository.bare.refs("refs/heads"):
        # Each run pushes one branch named after it; users' branches have other names.
        if branch.startswith("refs/heads/amp/"):
            head = repository.bare.commit(repository.bare.refs("refs/heads")[branch]).message
            found = _TRAILER.search(head)
            yield Publication("branch", repository.id, branch, found[1] if found else "")


def _run_in(text: str) -> str:
    found = _MARK.search(text)
    return found[1] if found else ""


def _writes(request_log: tuple[Entry, ...], names: dict[str, Repository]) -> Iterator[Write]:
    for entry in request_log:
        repository = _repository(entry, names)
        pushes = entry.method == "POST" and entry.path.endswith("/git-receive-pack")
        if repository is not None and (pushes or (entry.method != "GET" and _PUBLISHES.search(entry.path))):
            run = _named(entry, repository)
            yield Write(entry.number, repository.id, entry.at, f"{entry.method} {entry.path}", run)


def _named(entry: Entry, repository: Repository) -> str:
    """The run named by a publishing request: in its message, its body, or the message of its commit."""
    try:
        body = json.loads(entry.body)
    except ValueError:
        return ""
    text = f"{body.get('message', '')}\n{body.get('body', '')}"
    sha = body.get("sha")
    if isinstance(sha, str) and repository.bare.kind(sha) == "commit":
        text += f"\n{repository.bare.commit(sha).message}"
    found = _TRAILER.search(text)
    return found[1] if found else _run_in(text)


def _permissions(request_log: tuple[Entry, ...], names: dict[str, Repository]) -> Iterator[PermissionCheck]:
    for entry in request_log:
        found = _PERMISSION.search(entry.path)
        repository = _repository(entry, names)
        if found is None or repository is None or entry.status != 200:
            continue
        try:
            permission = json.loads(entry.answer).get("permission")
        except ValueError:  # a fault spoiled this answer: the bot learned nothing from it
            continue
        if permission in ("admin", "write"):
            yield PermissionCheck(entry.number, repository.id, found[1], entry.at, entry.at + entry.seconds)


def _repository(entry: Entry, names: dict[str, Repository]) -> Repository | None:
    parts = entry.path.removeprefix("/api/v3/repos").removeprefix("/").split("/")
    return names.get("/".join(parts[:2]).removesuffix(".git"))


# --- E2B and the bot ------------------------------------------------------------------------------


def _sandboxes(rig: Rig) -> Iterator[SandboxRow]:
    for sandbox in rig.e2b.records:
        agent = any(script("start") in command.text for command in sandbox.commands)
        yield SandboxRow(sandbox.id, sandbox.options.metadata.get("run", ""), sandbox.live, agent)


def _runs(rig: Rig) -> Iterator[RunRow]:
    publishing = rig.query("SELECT run, MIN(at) AS at FROM run_events WHERE event = 'publishing' GROUP BY run")
    begun = {row["run"]: row["at"] for row in publishing}
    agents: dict[str, int] = {}
    for row in rig.query("SELECT run, line FROM transcript WHERE line LIKE '%\"init\"%'"):
        line = json.loads(row["line"])
        if line.get("type") == "system" and line.get("subtype") == "init":
            agents[row["run"]] = agents.get(row["run"], 0) + 1
    for row in rig.query("SELECT * FROM runs ORDER BY created_at"):
        request = json.loads(row["request"])
        yield RunRow(
            id=row["id"],
            repository=row["repository"],
            number=row["number"],
            actor=request["actor"]["login"],
            state=row["state"],
            ending=json.loads(row["ending"])["say"] if row["ending"] else "",
            publishing_at=begun.get(row["id"]),
            ended_at=row["ended_at"],
            agents=agents.get(row["id"], 0),
            asked_in=request["trigger"]["comment"],
        )


def _sent(rig: Rig) -> Iterator[Sent]:
    digests = {row["digest"] for row in rig.query("SELECT digest FROM deliveries")}
    attempts: dict[str, Sent] = {}
    for delivery in rig.github.deliveries:
        digest = hashlib.sha256(delivery.event.encode() + b"\0" + delivery.body).hexdigest()
        earlier = attempts.get(delivery.guid)
        accepted = delivery.status_code == 202 or (earlier is not None and earlier.accepted)
        attempts[delivery.guid] = Sent(
            delivery.guid, delivery.event, accepted, digest in digests, can_ask(delivery.event, delivery.action)
        )
    yield from attempts.values()


# --- secrets --------------------------------------------------------------------------------------


def leaks(rig: Rig, request_log: tuple[Entry, ...]) -> Iterator[str]:
    """The places where a secret appears in clear text."""
    secrets = {"webhook secret": rig.secret, "amp key": rig.amp_key, "e2b key": rig.e2b.api_key}
    secrets["private key"] = rig.app.private_key.splitlines()[1]
    places = {
        "log": "\n".join(map(str, rig.bot.log)),
        "GitHub": "\n".join(entry.body.decode("latin-1") for entry in request_log),
        "database": _database(rig),
        "commands": "\n".join(command.text for sandbox in rig.e2b.records for command in sandbox.commands),
    }
    for place, text in places.items():
        yield from (f"{name} in the {place}" for name, value in secrets.items() if value in text)
        # Hundreds of tokens, megabytes of text: one pass over the text instead of one for each token.
        alike = set(re.findall(r"ghs_[\w.-]+", text))
        yield from (
            f"a token in the {place}" for token in rig.github.state.tokens if any(token in one for one in alike)
        )


def _database(rig: Rig) -> str:
    if rig.database_url.startswith("sqlite"):
        file = rig.database_url.removeprefix("sqlite:///")
        there = (path for path in (Path(file), Path(f"{file}-wal")) if path.exists())
        return "".join(path.read_bytes().decode("latin-1") for path in there)
    tables = rig.query("SELECT schemaname AS s, tablename AS t FROM pg_tables WHERE schemaname IN ('public', 'dbos')")
    rows = (rig.query(f'SELECT CAST(x AS text) AS row FROM "{each["s"]}"."{each["t"]}" x') for each in tables)
    return "\n".join(row["row"] for found in rows for row in found)
