"""The Git Data API."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import github as pygithub
import pytest

from bot.rig.github.server import GitHub

from .conftest import Scene


def _tree(scene: Scene, rows: list[dict[str, Any]], base: str | None = None) -> Any:
    body = {"tree": rows} if base is None else {"tree": rows, "base_tree": base}
    return scene.ask("POST", "{repo}/git/trees", scene.token({"contents": "write"}), body)


def _head(scene: Scene) -> str:
    return scene.repo.bare.branch("main") or ""


def _base(scene: Scene) -> str:
    return scene.repo.bare.commit(_head(scene)).tree


def test_a_change_by_the_api_is_the_tree_that_git_writes(scene: Scene, folder: Path) -> None:
    """New, changed, executable, symbolic link, binary, renamed, deleted; names beyond ASCII."""
    binary = bytes(range(256)) * 40
    blob = scene.ask(
        "POST",
        "{repo}/git/blobs",
        scene.token(),
        {"content": base64.b64encode(binary).decode(), "encoding": "base64"},
    ).json()["sha"]
    rows = [
        {"path": "src/login.py", "mode": "100644", "type": "blob", "content": "one\nTWO\nthree\n"},
        {"path": "tools/go.sh", "mode": "100755", "type": "blob", "content": "#!/bin/sh\n"},
        {"path": "link", "mode": "120000", "type": "blob", "content": "src/login.py"},
        {"path": "größe/日本.bin", "mode": "100644", "type": "blob", "sha": blob},
        {"path": "run.sh", "mode": "100755", "type": "blob", "sha": None},
    ]
    made = _tree(scene, rows, _base(scene)).json()["sha"]
    work = folder / "work"

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=work if work.exists() else folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git("clone", "--quiet", scene.remote(scene.token()), "work")
    (work / "src/login.py").write_text("one\nTWO\nthree\n")
    (work / "tools").mkdir()
    (work / "tools/go.sh").write_text("#!/bin/sh\n")
    (work / "tools/go.sh").chmod(0o755)
    (work / "link").symlink_to("src/login.py")
    (work / "größe").mkdir()
    (work / "größe/日本.bin").write_bytes(binary)
    (work / "run.sh").unlink()
    git("add", "-A")
    assert made == git("write-tree")


def test_a_file_may_take_a_folders_place_and_the_other_way_round(scene: Scene) -> None:
    rows = [
        {"path": "src", "mode": "100644", "type": "blob", "content": "a file now\n"},
        {"path": "README.md/inner", "mode": "100644", "type": "blob", "content": "a folder now\n"},
    ]
    made = _tree(scene, rows, _base(scene)).json()["sha"]
    listed = scene.ask("GET", f"{{repo}}/git/trees/{made}?recursive=1", scene.token()).json()
    files = [row["path"] for row in listed["tree"] if row["type"] == "blob"]
    assert (files, listed["truncated"]) == (["README.md/inner", "run.sh", "src"], False)


BAD_ROWS = [
    ({"path": "/x"}, "tree.path cannot start with a slash"),
    ({"path": "../x"}, "tree.path contains a malformed path component"),
    ({"path": "a//b"}, "tree.path contains a malformed path component"),
    ({"path": ".git/config"}, "tree.path contains a malformed path component"),
    ({"path": "x/.GIT/hooks/a"}, "tree.path contains a malformed path component"),
    ({"path": "git~1/config"}, "tree.path contains a malformed path component"),
    ({"path": ".g\u200cit/config"}, "tree.path contains a malformed path component"),
    ({"path": ""}, "Must supply a valid tree.path"),
    ({"mode": "100600"}, "Must supply a valid tree.mode: 100644, 100755, 040000, 160000 or 120000"),
    ({"content": None}, "Must supply either tree.sha or tree.content"),
    ({"sha": "f" * 40, "content": None}, f"tree.sha {'f' * 40} is not a valid blob"),
    ({"sha": "f" * 40}, "Must supply either tree.sha or tree.content, not both"),
]


@pytest.mark.parametrize(("row", "said"), BAD_ROWS)
def test_a_bad_row_of_a_tree_is_refused(scene: Scene, row: dict[str, Any], said: str) -> None:
    whole = {"path": "x", "mode": "100644", "type": "blob", "content": "x", **row}
    answer = _tree(scene, [{name: value for name, value in whole.items() if value is not None}], _base(scene))
    assert (answer.status_code, answer.json()["message"]) == (422, said)


@pytest.mark.parametrize("base", [True, False])
def test_a_file_that_is_not_there_cannot_be_taken_away(scene: Scene, *, base: bool) -> None:
    row = {"path": "nowhere", "mode": "100644", "type": "blob", "sha": None}
    answer = _tree(scene, [row], _base(scene) if base else None)
    assert (answer.status_code, answer.json()["message"]) == (422, "GitRPC::BadObjectState")


def test_an_unknown_base_tree_is_refused(scene: Scene) -> None:
    row = {"path": "x", "mode": "100644", "type": "blob", "content": "x"}
    answer = _tree(scene, [row], "f" * 40)
    assert (answer.status_code, answer.json()["message"]) == (422, "base_tree is not a valid tree oid")


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".github/workflows/deep/ci.yml"])
def test_a_workflow_needs_a_permission_of_its_own(scene: Scene, path: str) -> None:
    row = {"path": path, "mode": "100644", "type": "blob", "content": "on: push\n"}
    for base in (_base(scene), None):
        answer = _tree(scene, [row], base)
        assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")
    beside = {**row, "path": ".github/CODEOWNERS"}
    assert _tree(scene, [beside], _base(scene)).status_code == 201


def test_too_much_text_in_one_tree_breaks_the_gateway(scene: Scene) -> None:
    rows = [{"path": f"f{n}", "mode": "100644", "type": "blob", "content": "x"} for n in range(301)]
    large = [{"path": "f", "mode": "100644", "type": "blob", "content": "x" * 2_500_001}]
    for wrong in (rows, large):
        answer = _tree(scene, wrong, _base(scene))
        assert (answer.status_code, answer.json()["message"][:29]) == (502, "Sorry, your request timed out")
    assert _tree(scene, rows[:100], _base(scene)).status_code == 201


def test_a_commit_without_author_is_the_apps_and_verified(scene: Scene) -> None:
    repo = scene.client().get_repo(scene.repo.full_name)
    parent, tree = repo.get_git_commit(_head(scene)), repo.get_git_tree(_base(scene))
    own = repo.create_git_commit("Fix", tree, [parent])
    bot = scene.app.bot
    assert (own.author.name, own.author.email) == (
        "ampbot[bot]",
        f"{bot.id}+ampbot[bot]@users.noreply.127.0.0.1",
    )
    assert own.verification.verified
    author = pygithub.InputGitAuthor("Ann", "ann@example.com", "2026-01-02T03:04:05Z")
    custom = repo.create_git_commit("Fix", tree, [parent], author=author)
    assert (custom.author.name, custom.verification.verified) == ("Ann", False)
    assert repo.get_git_commit(own.sha).verification.verified


def test_a_commit_needs_objects_that_exist(scene: Scene) -> None:
    token = scene.token()
    no_tree = scene.ask("POST", "{repo}/git/commits", token, {"message": "m", "tree": "f" * 40})
    no_parent = scene.ask(
        "POST", "{repo}/git/commits", token, {"message": "m", "tree": _base(scene), "parents": ["f" * 40]}
    )
    assert (no_tree.status_code, no_tree.json()["message"]) == (422, "Tree SHA does not exist")
    assert no_parent.status_code == 422


def _commit(scene: Scene, message: str, parent: str | None = None) -> str:
    body = {"message": message, "tree": _base(scene), "parents": [parent or _head(scene)]}
    made = scene.ask("POST", "{repo}/git/commits", scene.token(), body).json()
    return str(made["sha"])


def test_a_ref_is_made_moved_found_and_deleted(scene: Scene) -> None:
    repo = scene.client().get_repo(scene.repo.full_name)
    first, second = _commit(scene, "one"), _commit(scene, "two")
    ref = repo.create_git_ref("refs/heads/amp/1", first)
    assert ref.ref == "refs/heads/amp/1"
    with pytest.raises(pygithub.GithubException) as refused:
        ref.edit(second)
    assert refused.value.data["message"] == "Update is not a fast forward"
    ref.edit(second, force=True)
    assert repo.get_git_ref("heads/amp/1").object.sha == second
    assert [found.ref for found in repo.get_git_matching_refs("heads/am")] == ["refs/heads/amp/1"]
    ref.delete()
    assert scene.ask("GET", "{repo}/git/ref/heads/amp/1", scene.token()).status_code == 404


def test_refusals_about_refs_are_worded_as_github_does(scene: Scene) -> None:
    token, head = scene.token(), _head(scene)

    def said(method: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = scene.ask(method, path, token, body)
        return answer.status_code, answer.json()["message"]

    new = "{repo}/git/refs"
    assert said("POST", new, {"ref": "refs/heads/main", "sha": head}) == (422, "Reference already exists")
    assert said("POST", new, {"ref": "refs/heads/x", "sha": "f" * 40}) == (422, "Object does not exist")
    assert said("POST", new, {"ref": "refs/heads/x", "sha": _base(scene)}) == (422, "Object is not a commit")
    assert said("POST", new, {"ref": "main", "sha": head}) == (422, "main is not a valid ref name.")
    assert said("POST", new, {"ref": "refs/heads/a..b", "sha": head})[0] == 422
    assert said("POST", new, {"ref": "refs/heads/main/x", "sha": head}) == (422, "Reference update failed")
    assert said("PATCH", f"{new}/heads/nowhere", {"sha": head}) == (422, "Reference does not exist")
    assert said("DELETE", f"{new}/heads/nowhere") == (422, "Reference does not exist")
    assert said("DELETE", f"{new}/heads/main") == (422, "Cannot delete the default branch")


def test_a_ruleset_refuses_refs(scene: Scene) -> None:
    scene.github.protect(scene.repo, "refs/heads/main", update=True)
    scene.github.protect(
        scene.repo, "refs/heads/amp/*", create=True, why="Cannot create ref due to creations being restricted."
    )
    token, commit = scene.token(), _commit(scene, "one")
    update = scene.ask("PATCH", "{repo}/git/refs/heads/main", token, {"sha": commit})
    create = scene.ask("POST", "{repo}/git/refs", token, {"ref": "refs/heads/amp/1", "sha": commit})
    for answer, why in (
        (update, "Changes must be made through a pull request."),
        (create, "Cannot create ref due to creations being restricted."),
    ):
        assert answer.status_code == 422
        assert answer.json()["message"] == f"Repository rule violations found\n\n{why}\n\n"
    allowed = scene.ask("POST", "{repo}/git/refs", token, {"ref": "refs/heads/topic", "sha": commit})
    assert allowed.status_code == 201


def test_blobs_come_back_as_they_went(scene: Scene) -> None:
    repo = scene.client().get_repo(scene.repo.full_name)
    raw = os.urandom(100_000)
    made = repo.create_git_blob(base64.b64encode(raw).decode(), "base64")
    found = repo.get_git_blob(made.sha)
    assert (base64.b64decode(found.content), found.size) == (raw, 100_000)
    wrong = scene.ask("POST", "{repo}/git/blobs", scene.token(), {"content": "***", "encoding": "base64"})
    assert wrong.status_code == 422


def test_an_empty_repository_has_no_git_data(scene: Scene, hub: GitHub) -> None:
    empty = hub.create_repository(f"{scene.repo.owner.login}/empty")
    hub.install(scene.app, [empty])
    for method, path, body in (
        ("GET", "git/ref/heads/main", None),
        ("POST", "git/blobs", {"content": "x"}),
        ("POST", "git/trees", {"tree": []}),
    ):
        answer = scene.ask(method, f"/repos/{empty.full_name}/{path}", scene.token(), body)
        assert (answer.status_code, answer.json()["message"]) == (409, "Git Repository is empty.")


def test_an_archived_repository_is_read_only(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    scene.github.archive(scene.repo)
    token = scene.token()
    for method, path, body in (
        ("POST", "{repo}/git/blobs", {"content": "x"}),
        ("POST", "{repo}/issues/1/comments", {"body": "x"}),
        ("POST", "{repo}/issues/1/reactions", {"content": "eyes"}),
    ):
        answer = scene.ask(method, path, token, body)
        assert (answer.status_code, answer.json()["message"]) == (403, "Repository was archived so is read-only.")
    assert scene.ask("GET", "{repo}/issues/1", token).status_code == 200
