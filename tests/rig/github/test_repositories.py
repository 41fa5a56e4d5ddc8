"""Repositories: names, contents, comparisons."""

from __future__ import annotations

import base64

import pytest

from bot.rig.github.server import GitHub

from .conftest import Scene


def test_a_former_name_redirects_by_id(scene: Scene) -> None:
    old = f"/repos/{scene.repo.full_name}"
    scene.github.open_issue(scene.repo, "ann", "Broken")
    token = scene.token()
    scene.github.rename(scene.repo, "gadgets", "ann")
    read = scene.ask("GET", f"{old}/issues/1?x=y", token)
    write = scene.ask("POST", f"{old}/issues/1/comments", token, {"body": "hello"})
    by_id = f"{scene.github.api_url}/repositories/{scene.repo.id}"
    assert (read.status_code, read.headers["location"]) == (301, f"{by_id}/issues/1?x=y")
    assert (write.status_code, write.headers["location"]) == (307, f"{by_id}/issues/1/comments")
    assert read.json()["url"] == read.headers["location"]
    assert scene.ask("GET", read.headers["location"], token).json()["number"] == 1
    assert scene.ask("POST", write.headers["location"], token, {"body": "hello"}).status_code == 201
    assert scene.client(token).get_repo(old.removeprefix("/repos/")).name == "gadgets"
    assert scene.ask("GET", old).status_code == 404, "strangers do not learn the new name"


def test_a_transferred_repository_leaves_its_installation(scene: Scene) -> None:
    token = scene.token()
    scene.github.transfer(scene.repo, f"{scene.repo.owner.login}-heirs", "ann")
    assert scene.ask("GET", "{repo}", token).status_code == 404
    assert scene.ask("GET", "{repo}/installation", scene.jwt()).status_code == 404


def test_contents_are_files_folders_and_links(scene: Scene) -> None:
    scene.github.push_commit(scene.repo, "main", {"link": ("120000", b"src/login.py"), "größe/é.txt": "ü"}, "ann")
    repo = scene.client().get_repo(scene.repo.full_name)
    file = repo.get_contents("src/login.py")
    folder = repo.get_contents("src")
    assert not isinstance(file, list)
    assert isinstance(folder, list)
    assert file.decoded_content == b"one\ntwo\nthree\n"
    assert [(each.path, each.type) for each in folder] == [("src/login.py", "file")]
    token = scene.token()
    assert scene.ask("GET", "{repo}/contents/link", token).json()["target"] == "src/login.py"
    assert base64.b64decode(
        scene.ask("GET", "{repo}/contents/gr%C3%B6%C3%9Fe/%C3%A9.txt", token).json()["content"]
    ) == ("ü".encode())
    raw = scene.ask("GET", "{repo}/contents/README.md", token, headers={"accept": "application/vnd.github.raw+json"})
    assert raw.text == "# Widgets\n"
    assert [each["name"] for each in scene.ask("GET", "{repo}/contents/", token).json()] == [
        "README.md",
        "größe",
        "link",
        "run.sh",
        "src",
    ]
    for path in ("nowhere", "src/nowhere", "README.md/x"):
        assert scene.ask("GET", f"{{repo}}/contents/{path}", token).status_code == 404


def test_two_branches_are_compared_from_where_they_parted(scene: Scene) -> None:
    base = scene.repo.bare.branch("main")
    scene.github.push_commit(scene.repo, "amp/topic", {"new": "x\n"}, "ann")
    scene.github.push_commit(scene.repo, "main", {"other": "x\n"}, "ann")
    found = scene.client().get_repo(scene.repo.full_name).compare("main", "amp/topic")
    assert (found.status, found.ahead_by, found.behind_by) == ("diverged", 1, 1)
    assert found.merge_base_commit.sha == base
    assert [file.filename for file in found.files] == ["new"]
    assert scene.ask("GET", "{repo}/compare/main...nowhere", scene.token()).status_code == 404
    headers = {"accept": "application/vnd.github.diff"}
    text = scene.ask("GET", "{repo}/compare/main...amp/topic", scene.token(), headers=headers).text
    assert text.endswith("--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n")


def test_branches_and_commits_are_found_by_name(scene: Scene) -> None:
    head = scene.github.push_commit(scene.repo, "amp/1", {"new": "x\n"}, "ann", "Add new")
    repo = scene.client().get_repo(scene.repo.full_name)
    assert repo.get_branch("amp/1").commit.sha == head
    assert {branch.name for branch in repo.get_branches()} == {"main", "amp/1"}
    commit = repo.get_commit("amp/1")
    assert (commit.commit.message, commit.author.login, commit.stats.additions) == ("Add new", "ann", 1)
    assert [file.filename for file in commit.files] == ["new"]
    missing = scene.ask("GET", "{repo}/branches/nowhere", scene.token())
    assert (missing.status_code, missing.json()["message"]) == (404, "Branch not found")


def test_accounts_are_found_by_login(scene: Scene) -> None:
    token = scene.token()
    bot = scene.ask("GET", "/users/ampbot[bot]", token).json()
    assert (bot["id"], bot["type"]) == (scene.app.bot.id, "Bot")
    assert scene.ask("GET", "/users/ANN", token).json()["login"] == "ann"
    assert scene.ask("GET", "/meta").json() == {"verifiable_password_authentication": False}
    assert scene.ask("GET", "/zen").text


def test_nobody_is_served_without_a_user_agent(scene: Scene) -> None:
    answer = scene.ask("GET", "/zen", headers={"user-agent": ""})
    assert (answer.status_code, "User-Agent" in answer.json()["message"]) == (403, True)


def test_broken_json_and_unknown_paths_are_refused(scene: Scene) -> None:
    token = scene.token()
    url = f"{scene.github.api_url}/repos/{scene.repo.full_name}/issues"
    broken = scene.http.post(url, content=b'{"title": ', headers={"authorization": f"Bearer {token}"})
    assert (broken.status_code, broken.json()["message"]) == (400, "Problems parsing JSON")
    assert scene.ask("GET", "/no/such/path", token).status_code == 404


def test_what_cannot_be_made_is_said_at_once(hub: GitHub) -> None:
    hub.create_repository("solo/one")
    for wrong in (lambda: hub.create_repository("solo/ONE"), lambda: hub.create_user("ANN")):
        with pytest.raises(ValueError, match=r"taken|already"):
            wrong()
    with pytest.raises(KeyError, match="create it first"):
        hub.open_issue("solo/none", "ann", "t")
    with pytest.raises(ValueError, match="a role is one of"):
        hub.set_permission("solo/one", "ann", "owner")
