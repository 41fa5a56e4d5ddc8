"""Pull requests."""

from __future__ import annotations

from typing import Any

import github as pygithub
import pytest

from bot.rig.github.records import Pull
from bot.rig.github.refusal import Refusal
from bot.rig.github.server import GitHub

from .conftest import Scene


@pytest.fixture
def pull(scene: Scene) -> Pull:
    """Pull request 1: `topic` changes a file, adds one and renames one."""
    scene.github.push_commit(
        scene.repo,
        "topic",
        {"src/login.py": "one\nTWO\nthree\n", "new.txt": "new\n", "run.sh": None, "go.sh": ("100755", b"#!/bin/sh\n")},
        "ann",
        "Change things",
    )
    return scene.github.open_pull(scene.repo, "ann", "topic", "Topic", "A body")


def test_the_app_opens_a_pull_request(scene: Scene) -> None:
    scene.github.push_commit(scene.repo, "amp/1", {"new": "x\ny\n"}, "ann")
    repo = scene.client().get_repo(scene.repo.full_name)
    made = repo.create_pull(title="Fix", body="Closes #1", head="amp/1", base="main", draft=True)
    assert (made.user.login, made.draft, made.mergeable, made.merged) == ("ampbot[bot]", True, True, False)
    assert (made.commits, made.additions, made.changed_files) == (1, 2, 1)
    assert (made.head.ref, made.base.ref, made.head.repo.full_name) == ("amp/1", "main", scene.repo.full_name)
    assert [commit.sha for commit in made.get_commits()] == [made.head.sha]


def _refused(scene: Scene, **body: Any) -> Any:
    asked = {"title": "Again", "head": "topic", "base": "main", **body}
    answer = scene.ask("POST", "{repo}/pulls", scene.token(), asked)
    assert answer.status_code == 422
    return answer.json()["errors"][0]


def test_what_makes_no_pull_request_is_refused_in_githubs_words(scene: Scene, pull: Pull) -> None:
    owner = scene.repo.owner.login
    scene.github.push_commit(scene.repo, "side", {"x": "y"}, "ann")
    scene.github.force_push(scene.repo, "same", scene.repo.bare.branch("main") or "", "ann")
    assert _refused(scene)["message"] == f"A pull request already exists for {owner}:topic."
    assert _refused(scene, head=f"{owner}:topic")["message"] == f"A pull request already exists for {owner}:topic."
    assert _refused(scene, head="same")["message"] == "No commits between main and same"
    assert _refused(scene, head="nowhere") == {"resource": "PullRequest", "field": "head", "code": "invalid"}
    assert _refused(scene, head="side", base="nowhere")["field"] == "base"
    assert _refused(scene, head="side", title=" ")["code"] == "missing_field"
    assert _refused(scene, head="eve:side")["field"] == "head"
    assert "body is too long" in _refused(scene, head="side", body="x" * 65_537)["message"]


def test_pull_requests_are_filtered_by_head_base_and_state(scene: Scene, pull: Pull) -> None:
    repo = scene.client().get_repo(scene.repo.full_name)
    owner = scene.repo.owner.login

    def found(**wanted: str) -> list[int]:
        return [each.number for each in repo.get_pulls(**wanted)]

    assert found(head=f"{owner}:topic") == [1]
    assert found(head=f"{owner}:other") == []
    assert found(head="other") == [1], "without an owner GitHub does not filter"
    assert found(base="nowhere") == []
    scene.github.close(scene.repo, 1, "ann")
    assert found() == []
    assert found(state="all") == found(state="closed") == [1]


def test_files_come_with_patches(scene: Scene, pull: Pull) -> None:
    files = {file.filename: file for file in scene.client().get_repo(scene.repo.full_name).get_pull(1).get_files()}
    assert {name: file.status for name, file in files.items()} == {
        "go.sh": "renamed",
        "new.txt": "added",
        "src/login.py": "modified",
    }
    assert files["go.sh"].previous_filename == "run.sh"
    assert files["src/login.py"].patch == "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three"


def test_names_that_are_no_utf8_do_not_break_the_answer(scene: Scene) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    scene.github.push_commit(scene.repo, "topic", {name: "x"}, "ann")
    scene.github.open_pull(scene.repo, "ann", "topic", "Topic")
    files = scene.ask("GET", "{repo}/pulls/1/files", scene.token()).json()
    assert [file["filename"] for file in files] == ["caf?"]


def test_the_diff_and_the_patch_are_asked_for_by_accept(scene: Scene, pull: Pull) -> None:
    def text(kind: str) -> str:
        headers = {"accept": f"application/vnd.github.{kind}"}
        return scene.ask("GET", "{repo}/pulls/1", scene.token(), headers=headers).text

    assert text("diff").startswith("diff --git a/run.sh b/go.sh\nsimilarity index 100%\n")
    assert "+TWO\n" in text("diff")
    assert "Subject: [PATCH] Change things\n" in text("patch")


def test_a_pull_request_follows_its_branch(scene: Scene, pull: Pull) -> None:
    before = pull.head_sha
    new = scene.github.push_commit(scene.repo, "topic", {"newer": "x"}, "ann")
    assert (pull.head_sha, scene.repo.bare.ref("refs/pull/1/head")) == (new, new)
    assert before in scene.repo.bare.log(new)
    scene.github.force_push(scene.repo, "topic", before, "ann")
    assert pull.head_sha == before
    scene.github.delete_branch(scene.repo, "topic", "ann")
    assert pull.issue.state == "closed"
    assert scene.repo.bare.ref("refs/pull/1/head") == before


def test_a_conflict_is_seen(scene: Scene, pull: Pull) -> None:
    assert scene.client().get_repo(scene.repo.full_name).get_pull(1).mergeable
    scene.github.push_commit(scene.repo, "main", {"src/login.py": "one\n2\nthree\n"}, "ann")
    found = scene.client().get_repo(scene.repo.full_name).get_pull(1)
    assert (found.mergeable, found.mergeable_state) == (False, "dirty")
    with pytest.raises(Refusal, match="not mergeable"):
        scene.github.merge(scene.repo, 1, "ann")


def test_a_merged_pull_request_is_closed(scene: Scene, pull: Pull) -> None:
    scene.github.merge(scene.repo, 1, "ann")
    found = scene.client().get_repo(scene.repo.full_name).get_pull(1)
    assert (found.state, found.merged, found.merged_by.login) == ("closed", True, "ann")
    assert scene.repo.bare.resolve("main:go.sh") is not None


def test_a_pull_request_is_edited_and_closed(scene: Scene, pull: Pull) -> None:
    found = scene.client().get_repo(scene.repo.full_name).get_pull(1)
    found.edit(title="Better", body="text", state="closed")
    assert (pull.issue.title, pull.issue.body, pull.issue.state) == ("Better", "text", "closed")


def test_a_pull_request_is_an_issue_under_another_id(scene: Scene, pull: Pull) -> None:
    token = scene.token()
    issue = scene.ask("GET", "{repo}/issues/1", token).json()
    assert issue["pull_request"]["url"].endswith("/pulls/1")
    assert issue["id"] != scene.ask("GET", "{repo}/pulls/1", token).json()["id"]
    assert scene.ask("GET", "{repo}/pulls/2", token).status_code == 404


def test_a_fork_offers_a_pull_request(scene: Scene, hub: GitHub) -> None:
    fork = hub.fork(scene.repo, "bob")
    hub.push_commit(fork, "idea", {"idea": "x"}, "bob")
    pull = hub.open_pull(scene.repo, "bob", (fork, "idea"), "Idea")
    found = scene.ask("GET", "{repo}/pulls/1", scene.token()).json()
    assert (found["head"]["label"], found["head"]["repo"]["fork"]) == ("bob:idea", True)
    assert scene.repo.bare.ref("refs/pull/1/head") == pull.head_sha
    new = hub.push_commit(fork, "idea", {"idea": "y"}, "bob")
    assert scene.repo.bare.ref("refs/pull/1/head") == new


def test_a_review_is_asked_of_collaborators_and_teams_only(scene: Scene, pull: Pull, hub: GitHub) -> None:
    hub.create_team(scene.repo.owner.login, "reviewers")
    found = scene.client().get_repo(scene.repo.full_name).get_pull(1)
    found.create_review_request(reviewers=["bob"], team_reviewers=["reviewers"])
    users, teams = found.get_review_requests()
    assert ([user.login for user in users], [team.slug for team in teams]) == (["bob"], ["reviewers"])
    found.delete_review_request(reviewers=["bob"])
    assert [account.login for account in pull.reviewers] == []
    for login in ("eve", "nobody", "ampbot[bot]"):
        with pytest.raises(pygithub.GithubException) as refused:
            found.create_review_request(reviewers=[login])
        assert refused.value.status == 422
        assert refused.value.data["message"].startswith("Reviews may only be requested from collaborators.")


def test_a_bot_may_be_asked_once_github_allows_it(scene: Scene, pull: Pull, hub: GitHub) -> None:
    with pytest.raises(Refusal, match="only be requested from collaborators"):
        hub.request_review(scene.repo, 1, "ann", "ampbot[bot]")
    hub.settings.bots_may_review = True
    try:
        hub.request_review(scene.repo, 1, "ann", "ampbot[bot]")
    finally:
        hub.settings.bots_may_review = False
    assert [account.login for account in pull.reviewers] == ["ampbot[bot]"]
    events = scene.ask("GET", "{repo}/issues/1/events", scene.token()).json()
    assert [(event["event"], event["requested_reviewer"]["login"]) for event in events] == [
        ("review_requested", "ampbot[bot]")
    ]


@pytest.mark.parametrize("kind", ["diff", "patch"])
def test_a_diff_of_more_than_300_files_is_refused_and_the_list_of_files_is_not(
    scene: Scene, hub: GitHub, kind: str
) -> None:
    hub.push_commit(scene.repo, "many", {f"many/{number}.txt": f"{number}\n" for number in range(301)}, "ann")
    number = hub.open_pull(scene.repo, "ann", "many", "Many").number
    accept = {"accept": f"application/vnd.github.{kind}"}
    for path in (f"{{repo}}/pulls/{number}", "{repo}/compare/main...many"):
        answer = scene.ask("GET", path, scene.token(), headers=accept)
        assert answer.status_code == 406
        assert answer.json()["message"].startswith("Sorry, the diff exceeded the maximum number of files (300). Cons")
        assert answer.json()["errors"] == [{"resource": "PullRequest", "field": "diff", "code": "too_large"}]
    assert scene.ask("GET", f"{{repo}}/pulls/{number}", scene.token()).json()["changed_files"] == 301
    listed = scene.ask("GET", f"{{repo}}/pulls/{number}/files?per_page=100", scene.token())
    assert (listed.status_code, len(listed.json())) == (200, 100)
    hub.push_commit(scene.repo, "many", {"many/0.txt": None}, "ann")
    assert scene.ask("GET", f"{{repo}}/pulls/{number}", scene.token(), headers=accept).status_code == 200 or (
        kind == "patch"  # which shows each commit's own diff
    )
