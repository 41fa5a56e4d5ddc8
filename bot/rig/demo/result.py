"""The result of a demo, read from GitHub's state and the servers' request logs. `--json` prints it as its last line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.rig.rig import Rig


@dataclass(frozen=True, slots=True)
class File:
    path: str
    mode: str
    status: str  # added, modified, deleted or type changed


@dataclass(frozen=True, slots=True)
class PullRequest:
    number: int
    title: str
    body: str
    head: str
    base: str
    url: str
    commit: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class Seconds:
    """`comment_to_ack`: until the reaction or the first comment; `agent`: Amp alone. None: it did not happen."""

    comment_to_ack: float | None
    comment_to_agent: float | None
    agent: float | None
    agent_to_pr: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Result:
    pull_request: PullRequest | None
    comments: tuple[Comment, ...]
    github_requests: int | None  # REST and GraphQL of the bot, tokens included, from the comment on; None: live
    sandbox_requests: int | None
    seconds: Seconds

    def json(self) -> str:
        return json.dumps(asdict(self))


_STATUS = {"A": "added", "M": "modified", "D": "deleted", "T": "type changed"}


def api_requests(rig: Rig, since: int) -> list[str]:
    """`METHOD path` of the bot's requests to GitHub's API after number `since` in the request log."""
    return [
        f"{entry.method} {entry.path.removeprefix('/api/v3')}"
        for entry in rig.github.server.request_log.since(since)
        if entry.path.startswith("/api/")
    ]


def git_requests(rig: Rig, since: int) -> int:
    return sum(not entry.path.startswith("/api/") for entry in rig.github.server.request_log.since(since))


def pull_request(rig: Rig, repository: str, number: int) -> PullRequest:
    """The pull request as GitHub has it."""
    with rig.github.state.lock:
        repo = rig.github.state.repository(repository)
        assert repo is not None
        pull = repo.issues[number].pull
        assert pull is not None
        files = []
        raw = repo.bare.run("diff-tree", "-r", "-z", "--no-renames", pull.base_sha, pull.head_sha)
        fields = raw.split(b"\0")
        for meta, path in zip(fields[0::2], fields[1::2], strict=False):
            old, new, _, _, status = meta.decode().lstrip(":").split(" ")
            mode = old if status == "D" else new
            files.append(File(path.decode("utf-8", "replace"), mode, _STATUS[status]))
        return PullRequest(
            number=number,
            title=pull.issue.title,
            body=pull.issue.body or "",
            head=pull.head_ref,
            base=pull.base_ref,
            url=f"{rig.github.url}/{repository}/pull/{number}",
            commit=pull.head_sha,
            files=tuple(files),
        )


def moments(log: tuple[dict[str, Any], ...]) -> dict[str, float]:
    """When each event was first logged, in epoch seconds."""
    first: dict[str, float] = {}
    for line in log:
        if "timestamp" in line:
            first.setdefault(str(line["event"]), datetime.fromisoformat(line["timestamp"]).timestamp())
    return first
