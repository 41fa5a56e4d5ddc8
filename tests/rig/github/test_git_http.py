"""git itself against the stand-in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.rig.github.server import GitHub

from .conftest import Scene

Git = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def git(folder: Path) -> Git:
    def run(*arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        clean = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
            cwd=folder,
            env={**os.environ, **clean},
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == ok, done.stderr
        return done

    return run


def _clone(scene: Scene, git: Git, token: str | None = None) -> None:
    git("clone", "--quiet", scene.remote(token or scene.token()), ".")


def _commit(git: Git, folder: Path, path: str, content: str = "x") -> str:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)
    git("add", "-A")
    git("commit", "--quiet", "-m", f"change {path}")
    return git("rev-parse", "HEAD").stdout.strip()


def test_a_token_that_may_read_contents_clones(scene: Scene, git: Git, folder: Path) -> None:
    _clone(scene, git, scene.token({"contents": "read"}))
    assert (folder / "README.md").read_text() == "# Widgets\n"
    assert os.access(folder / "run.sh", os.X_OK)


def test_one_commit_can_be_fetched_by_its_sha_and_without_blobs(scene: Scene, git: Git) -> None:
    old = scene.repo.bare.branch("main") or ""
    scene.github.push_commit(scene.repo, "main", {"new": "x"}, "ann")
    git("init", "--quiet")
    remote = scene.remote(scene.token({"contents": "read"}))
    git("fetch", "--quiet", "--depth=1", remote, old)
    assert git("rev-list", "FETCH_HEAD").stdout.split() == [old]
    git("remote", "add", "origin", remote)
    git("fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", "main")
    assert git("rev-parse", "FETCH_HEAD").stdout.strip() == scene.repo.bare.branch("main")


REFUSED_FETCHES = [
    ("nothing", 401, "could not read Username"),
    ("a wrong token", 401, "Invalid username or token"),
    ("a token of another repository", 404, "not found"),
    ("a token without contents", 403, "403"),
    ("a revoked token", 401, "Invalid username or token"),
    ("a token whose hour is over", 401, "Invalid username or token"),
]


@pytest.mark.parametrize(("held", "status", "said"), REFUSED_FETCHES)
def test_a_private_repository_is_closed_to(scene: Scene, git: Git, held: str, status: int, said: str) -> None:
    other = scene.github.create_repository(f"{scene.repo.owner.login}/other", private=True, files={"a": "b"})
    scene.github.install(scene.app, [other])
    revoked, expired = scene.token(), scene.token()
    scene.github.state.tokens[expired].expires_at = scene.github.state.now() - 1
    scene.ask("DELETE", "/installation/token", revoked)
    tokens = {
        "nothing": None,
        "a wrong token": "ghs_wrong",
        "a token of another repository": scene.token(repository_ids=[other.id]),
        "a token without contents": scene.token({"issues": "write"}),
        "a revoked token": revoked,
        "a token whose hour is over": expired,
    }
    done = git("ls-remote", scene.remote(tokens[held]), ok=False)
    last = [entry for entry in scene.github.server.request_log.entries if "info/refs" in entry.path][-1]
    assert last.status == status
    assert (said in done.stderr) or "Authentication failed" in done.stderr
    assert ("www-authenticate" in last.answer_headers) == (status == 401)


def test_a_public_repository_opens_to_anyone_but_not_to_a_bad_token(scene: Scene, git: Git) -> None:
    scene.github.set_private(scene.repo, private=False)
    assert "refs/heads/main" in git("ls-remote", scene.remote()).stdout
    wrong = base64.b64encode(
        b"x-access-token:ghs_wrong"
    ).decode()  # with a credential in the URL git would first try without it
    git("-c", f"http.extraHeader=Authorization: Basic {wrong}", "ls-remote", scene.remote(), ok=False)


def test_a_push_needs_more_than_reading(scene: Scene, git: Git, folder: Path) -> None:
    _clone(scene, git)
    _commit(git, folder, "new")
    refused = git("push", scene.remote(scene.token({"contents": "read"})), "HEAD:refs/heads/topic", ok=False)
    assert "403" in refused.stderr
    git("push", scene.remote(scene.token({"contents": "write"})), "HEAD:refs/heads/topic")
    assert scene.repo.bare.branch("topic") == git("rev-parse", "HEAD").stdout.strip()


def test_people_push_with_tokens_of_their_own(scene: Scene, git: Git, folder: Path) -> None:
    _clone(scene, git, scene.github.personal_token("bob"))
    _commit(git, folder, "new")
    git("push", scene.remote(scene.github.personal_token("bob")), "HEAD:refs/heads/topic", ok=False)
    git("push", scene.remote(scene.github.personal_token("ann"), user="ann"), "HEAD:refs/heads/topic")


def test_a_push_that_adds_a_workflow_is_refused_in_githubs_words(scene: Scene, git: Git, folder: Path) -> None:
    _clone(scene, git)
    _commit(git, folder, ".github/workflows/ci.yml")
    _commit(git, folder, "later")
    done = git("push", "origin", "HEAD:refs/heads/topic", ok=False)
    reason = (
        "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without "
        "`workflows` permission"
    )
    assert f"! [remote rejected] HEAD -> topic ({reason})" in done.stderr
    assert scene.repo.bare.branch("topic") is None


def test_a_ruleset_refuses_a_push(scene: Scene, git: Git, folder: Path) -> None:
    scene.github.protect(scene.repo, "refs/heads/main", update=True)
    _clone(scene, git)
    _commit(git, folder, "new")
    done = git("push", "origin", "main", "HEAD:refs/heads/topic", ok=False)
    assert "GH013: Repository rule violations found for refs/heads/main." in done.stderr
    assert "(push declined due to repository rule violations)" in done.stderr
    assert scene.repo.bare.branch("topic") is not None


def test_the_default_branch_is_not_deleted_nor_another_history_forced_by_chance(
    scene: Scene, git: Git, folder: Path
) -> None:
    _clone(scene, git)
    assert "refusing to delete the current branch" in git("push", "origin", ":main", ok=False).stderr
    git("commit", "--quiet", "--amend", "-m", "other")
    assert "non-fast-forward" in git("push", "origin", "main", ok=False).stderr
    git("push", "--force", "origin", "main")
    assert scene.repo.bare.commit(scene.repo.bare.branch("main") or "").message == "other\n"


def test_pull_refs_are_there_and_nobodys_to_push(scene: Scene, git: Git) -> None:
    scene.github.push_commit(scene.repo, "topic", {"new": "x"}, "ann")
    pull = scene.github.open_pull(scene.repo, "ann", "topic", "Topic")
    _clone(scene, git)
    git("fetch", "--quiet", "origin", f"refs/pull/{pull.number}/head")
    assert git("rev-parse", "FETCH_HEAD").stdout.strip() == pull.head_sha
    done = git("push", "origin", "HEAD:refs/pull/9/head", ok=False)
    assert "deny updating a hidden ref" in done.stderr


def test_a_file_above_githubs_limit_is_refused(scene: Scene, git: Git, folder: Path, hub: GitHub) -> None:
    _clone(scene, git)
    hub.settings.file_bytes = 1000
    try:
        _commit(git, folder, "large", "x" * 1001)
        done = git("push", "origin", "HEAD:refs/heads/topic", ok=False)
    finally:
        hub.settings.file_bytes = 100 * 1024 * 1024
    assert "GH001: Large files detected." in done.stderr
    assert "(pre-receive hook declined)" in done.stderr


def test_an_archived_repository_takes_no_push(scene: Scene, git: Git, folder: Path) -> None:
    _clone(scene, git)
    _commit(git, folder, "new")
    scene.github.archive(scene.repo)
    assert "403" in git("push", "origin", "main", ok=False).stderr


def test_a_former_name_leads_to_the_repository(scene: Scene, git: Git, folder: Path) -> None:
    old = scene.remote(scene.token())
    scene.github.rename(scene.repo, "gadgets", "ann")
    git("clone", "--quiet", old, ".")
    assert (folder / "README.md").exists()


def test_the_first_push_makes_an_empty_repositorys_branch(scene: Scene, git: Git, folder: Path, hub: GitHub) -> None:
    empty = hub.create_repository(f"{scene.repo.owner.login}/empty", private=True)
    hub.install(scene.app, [empty])
    git("init", "--quiet", "-b", "trunk")
    commit = _commit(git, folder, "new")
    address = scene.remote(scene.token()).replace(scene.repo.full_name, empty.full_name)
    git("push", address, "trunk")
    assert (empty.default_branch, empty.bare.branch("trunk")) == ("trunk", commit)
    assert scene.ask("GET", f"/repos/{empty.full_name}", scene.token()).json()["default_branch"] == "trunk"


def test_a_large_change_goes_as_a_pack_and_is_committed_by_the_api(scene: Scene, git: Git, folder: Path) -> None:
    """Push objects to a temporary ref with git, then create the commit with REST and without an author."""
    token = scene.token()
    _clone(scene, git, token)
    head = scene.repo.bare.branch("main")
    (folder / "large").write_bytes(os.urandom(1_500_000))  # more than git sends at once
    _commit(git, folder, "beside")
    git("push", "origin", "HEAD:refs/heads/amp/objects")
    sent = [entry for entry in scene.github.server.request_log.entries if entry.path.endswith("git-receive-pack")]
    assert "chunked" in [entry.headers.get("transfer-encoding") for entry in sent]
    tree = git("rev-parse", "HEAD^{tree}").stdout.strip()
    body = {"message": "Fix", "tree": tree, "parents": [head]}
    commit = scene.ask("POST", "{repo}/git/commits", token, body).json()
    made = scene.ask("POST", "{repo}/git/refs", token, {"ref": "refs/heads/amp/1", "sha": commit["sha"]})
    gone = scene.ask("DELETE", "{repo}/git/refs/heads/amp/objects", token)
    assert (commit["verification"]["verified"], made.status_code, gone.status_code) == (True, 201, 204)
    assert scene.repo.bare.commit(scene.repo.bare.branch("amp/1") or "").tree == tree


def test_a_push_is_told_as_the_bots_and_moves_its_pull_request(scene: Scene, git: Git, folder: Path) -> None:
    scene.github.push_commit(scene.repo, "topic", {"new": "x"}, "ann")
    pull = scene.github.open_pull(scene.repo, "ann", "topic", "Topic")
    scene.github.wait_deliveries()
    scene.hook.received.clear()
    git("clone", "--quiet", "--branch", "topic", scene.remote(scene.token()), ".")
    before, after = pull.head_sha, _commit(git, folder, "newer")
    git("push", "origin", "topic")
    scene.github.wait_deliveries()
    push, moved = (json.loads(body) for _, body in scene.hook.received)
    assert (push["ref"], push["before"], push["after"]) == ("refs/heads/topic", before, after)
    assert (moved["action"], moved["before"], moved["after"]) == ("synchronize", before, after)
    assert (push["forced"], moved["sender"]["login"], pull.head_sha) == (False, "ampbot[bot]", after)


def test_a_repository_is_made_from_a_local_one_that_is_only_read(
    scene: Scene, git: Git, folder: Path, hub: GitHub
) -> None:
    git("init", "--quiet", "-b", "trunk")
    commit = _commit(git, folder, "größe/日本.txt")
    git("tag", "v1")
    git("branch", "side")
    (folder / "uncommitted").write_text("mine")
    before = sorted(str(path) for path in folder.rglob("*"))
    made = hub.create_repository(f"{scene.repo.owner.login}/copy", source=folder)
    assert made.default_branch == "trunk"
    assert made.bare.refs() == dict.fromkeys(("refs/heads/side", "refs/heads/trunk", "refs/tags/v1"), commit)
    assert sorted(str(path) for path in folder.rglob("*")) == before
    git("checkout", "--quiet", "--detach")
    git("branch", "-D", "trunk")
    assert hub.create_repository(f"{scene.repo.owner.login}/copy2", source=folder).default_branch == "main"
