"""Replication lag: what was just made is not there for the first request, and is for the next."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from bot.rig.rig import LAG_EVERY

from .conftest import Scene


@pytest.fixture
def lagging(scene: Scene) -> Iterator[Scene]:
    """Everything lags."""
    scene.github.settings.lag_every = 1
    yield scene
    scene.github.settings.lag_every = 0


def commit(scene: Scene, token: str) -> str:
    head = scene.repo.bare.commit(scene.repo.bare.branch("main") or "")
    body = {"message": "m", "tree": head.tree, "parents": [head.oid]}
    return str(scene.ask("POST", "{repo}/git/commits", token, body).json()["sha"])


def test_a_token_is_unknown_to_its_first_request(lagging: Scene) -> None:
    token = lagging.token()
    first, second = (lagging.ask("GET", "{repo}", token) for _ in range(2))
    assert (first.status_code, first.json()["message"]) == (401, "Bad credentials")
    assert second.status_code == 200


def test_graphql_lags_too(lagging: Scene) -> None:
    headers = {"authorization": f"Bearer {lagging.token()}"}
    url = f"{lagging.github.url}/api/graphql"
    answers = [lagging.http.post(url, json={"query": "{viewer{login}}"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 200]


def test_git_lags_too(lagging: Scene) -> None:
    remote = lagging.remote(lagging.token())
    environment = {"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0"}
    asked = [subprocess.run(["git", "ls-remote", remote], env=environment, capture_output=True) for _ in range(2)]
    assert [ended.returncode for ended in asked] == [128, 0]


def test_a_commit_is_unknown_to_the_branch_and_the_branch_to_the_pull_request(lagging: Scene) -> None:
    token = lagging.token()
    lagging.ask("GET", "{repo}", token)
    made = commit(lagging, token)

    def twice(path: str, body: dict[str, Any]) -> list[tuple[int, Any]]:
        answers = [lagging.ask("POST", path, token, body) for _ in range(2)]
        return [(each.status_code, each.json().get("errors") or each.json().get("message")) for each in answers]

    branch = twice("{repo}/git/refs", {"ref": "refs/heads/new", "sha": made})
    assert branch == [(422, "Object does not exist"), (201, None)]
    pull = twice("{repo}/pulls", {"title": "t", "head": "new", "base": "main"})
    assert pull == [(422, [{"resource": "PullRequest", "field": "head", "code": "invalid"}]), (201, None)]


def test_one_in_some_lags(scene: Scene) -> None:
    scene.github.settings.lag_every = LAG_EVERY
    try:
        asked = [scene.ask("GET", "{repo}", scene.token()).status_code for _ in range(2 * LAG_EVERY)]
    finally:
        scene.github.settings.lag_every = 0
    assert asked.count(401) == 2
