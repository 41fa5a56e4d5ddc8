"""Who may do what: tokens by permission and repository, users by role."""

from __future__ import annotations

from typing import Any

import pytest

from bot.rig.github.server import GitHub

from .conftest import ALL, Scene

# method, path, body, the permission it needs
WRITES: list[tuple[str, str, Any, str]] = [
    ("POST", "{repo}/issues", {"title": "t"}, "issues"),
    ("PATCH", "{repo}/issues/1", {"title": "t"}, "issues"),
    ("POST", "{repo}/issues/1/comments", {"body": "b"}, "issues"),
    ("POST", "{repo}/issues/1/reactions", {"content": "eyes"}, "issues"),
    ("POST", "{repo}/issues/1/labels", {"labels": ["x"]}, "issues"),
    ("POST", "{repo}/issues/2/comments", {"body": "b"}, "pull_requests"),
    ("POST", "{repo}/issues/2/labels", {"labels": ["x"]}, "pull_requests"),
    ("POST", "{repo}/pulls", {"title": "t", "head": "topic", "base": "other"}, "pull_requests"),
    ("PATCH", "{repo}/pulls/2", {"title": "t"}, "pull_requests"),
    ("POST", "{repo}/pulls/2/reviews", {"body": "b", "event": "COMMENT"}, "pull_requests"),
    ("POST", "{repo}/pulls/2/requested_reviewers", {"reviewers": ["bob"]}, "pull_requests"),
    ("POST", "{repo}/git/blobs", {"content": "x"}, "contents"),
    ("POST", "{repo}/git/trees", {"tree": [{"path": "x", "mode": "100644", "content": "x"}]}, "contents"),
    ("POST", "{repo}/git/refs", {"ref": "refs/heads/new", "sha": "HEAD"}, "contents"),
    ("POST", "{repo}/check-runs", {"name": "amp", "head_sha": "HEAD"}, "checks"),
]
READS = [
    ("{repo}", "metadata"),
    ("{repo}/collaborators/ann/permission", "metadata"),
    ("{repo}/issues/1", "issues"),
    ("{repo}/issues/1/comments", "issues"),
    ("{repo}/issues/2/comments", "pull_requests"),
    ("{repo}/pulls", "pull_requests"),
    ("{repo}/pulls/2/files", "pull_requests"),
    ("{repo}/contents/README.md", "contents"),
    ("{repo}/git/ref/heads/main", "contents"),
    ("{repo}/compare/main...topic", "contents"),
    ("{repo}/commits/main/check-runs", "checks"),
]


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """With issue 1, branches `topic` and `other`, and pull request 2."""
    scene.github.open_issue(scene.repo, "ann", "one")
    scene.github.push_commit(scene.repo, "topic", {"new": "x"}, "ann")
    scene.github.push_commit(scene.repo, "other", {"newer": "x"}, "ann")
    scene.github.open_pull(scene.repo, "ann", "topic", "two")
    return scene


@pytest.mark.parametrize(("method", "path", "body", "permission"), WRITES)
def test_a_write_needs_its_permission(busy: Scene, method: str, path: str, body: Any, permission: str) -> None:
    head = busy.repo.bare.branch("main")
    body = {key: head if value == "HEAD" else value for key, value in body.items()}
    others = {name: level for name, level in ALL.items() if name != permission}
    too_low = busy.ask(method, path, busy.token({**others, permission: "read"}), body)
    without = busy.ask(method, path, busy.token(others), body)
    for answer in (too_low, without):
        assert answer.status_code == 403
        assert answer.json()["message"] == "Resource not accessible by integration"
    enough = busy.ask(method, path, busy.token({permission: "write"}), body)
    assert enough.status_code in (200, 201), enough.text
    assert f"{permission}=write" in enough.headers["x-accepted-github-permissions"]


@pytest.mark.parametrize(("path", "permission"), READS)
def test_reading_a_private_repository_needs_its_permission(busy: Scene, path: str, permission: str) -> None:
    if permission != "metadata":
        others = {name: level for name, level in ALL.items() if name != permission}
        assert busy.ask("GET", path, busy.token(others)).status_code == 403
    assert busy.ask("GET", path, busy.token({permission: "read"})).status_code == 200


def test_a_private_repository_does_not_exist_for_strangers(busy: Scene, hub: GitHub) -> None:
    stranger = hub.personal_token("eve")
    for token in (None, stranger):
        assert busy.ask("GET", "{repo}", token).status_code == 404
        assert busy.ask("POST", "{repo}/issues", token, {"title": "t"}).status_code == 404


def test_a_public_repository_may_be_read_by_all_and_written_by_none(busy: Scene, hub: GitHub) -> None:
    hub.set_private(busy.repo, private=False)
    elsewhere = hub.create_repository(f"{busy.repo.owner.login}-two/else", files={"a": "b"})
    token = busy.token()
    assert busy.ask("GET", "{repo}/issues/1").status_code == 200
    assert busy.ask("POST", "{repo}/issues", None, {"title": "t"}).status_code == 401
    assert busy.ask("GET", f"/repos/{elsewhere.full_name}/issues", token).status_code == 200
    refused = busy.ask("POST", f"/repos/{elsewhere.full_name}/issues", token, {"title": "t"})
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")


ROLES = [
    ("admin", "admin"),
    ("maintain", "write"),
    ("write", "write"),
    ("triage", "read"),
    ("read", "read"),
    ("none", "none"),
]


@pytest.mark.parametrize(("role", "permission"), ROLES)
def test_a_role_shows_as_the_older_permission(scene: Scene, role: str, permission: str) -> None:
    scene.github.set_permission(scene.repo, "eve", role)
    found = scene.ask("GET", "{repo}/collaborators/eve/permission", scene.token()).json()
    assert (found["role_name"], found["permission"]) == (role, permission)
    assert scene.client().get_repo(scene.repo.full_name).get_collaborator_permission("eve") == permission


def test_everyone_may_read_a_public_repository(scene: Scene) -> None:
    scene.github.set_permission(scene.repo, "eve", "none")
    scene.github.set_private(scene.repo, private=False)
    found = scene.ask("GET", "{repo}/collaborators/EVE/permission", scene.token()).json()
    assert (found["role_name"], found["permission"]) == ("read", "read")


@pytest.mark.parametrize("login", ["nobody", "ampbot[bot]"])
def test_bots_and_unknown_logins_have_no_permission_to_look_up(scene: Scene, login: str) -> None:
    answer = scene.ask("GET", f"{{repo}}/collaborators/{login}/permission", scene.token())
    assert (answer.status_code, answer.json()["message"]) == (404, f"{login} is not a user")


def test_people_speak_rest_with_tokens_of_their_own(scene: Scene, hub: GitHub) -> None:
    ann, bob = hub.personal_token("ann"), hub.personal_token("bob")
    assert scene.ask("GET", "/user", ann).json()["login"] == "ann"
    assert scene.ask("GET", "/user", scene.token()).status_code == 403
    assert scene.ask("POST", "{repo}/git/blobs", bob, {"content": "x"}).status_code == 404
    assert scene.ask("POST", "{repo}/git/blobs", ann, {"content": "x"}).status_code == 201


def test_who_may_write_is_told_only_where_the_app_is_installed(busy: Scene, hub: GitHub) -> None:
    elsewhere = hub.create_repository(f"{busy.repo.owner.login}-three/else", files={"a": "b"})
    answer = busy.ask("GET", f"/repos/{elsewhere.full_name}/collaborators/ann/permission", busy.token())
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    assert busy.ask("GET", f"/repos/{elsewhere.full_name}", busy.token()).status_code == 200
