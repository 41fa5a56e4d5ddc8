"""The HTML pages."""

from __future__ import annotations

import pytest

from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.markup import render
from bot.rig.github.server import GitHub

from .conftest import Scene


@pytest.fixture
def shown(scene: Scene, hub: GitHub) -> Scene:
    hub.open_issue(scene.repo, "ann", "Fix <b>it</b>", "Please **do**")
    comment = hub.comment(scene.repo, 1, "ann", "/amp fix")
    hub.react(comment, "ampbot[bot]", "eyes")
    hub.label(scene.repo, 1, "ann", "amp")
    hub.push_commit(
        scene.repo,
        "amp/1-fix",
        {
            "src/login.py": "one\n<TWO>\nthree\n",
            "logo.png": b"\x89PNG\0",
            "run.sh": None,
            "go.sh": ("100755", b"#!/bin/sh\n"),
        },
        "ann",
        "Fix the login",
    )
    hub.open_pull(scene.repo, "ampbot[bot]", "amp/1-fix", "Fix the login", "Closes #1")
    hub.submit_review(scene.repo, 2, "bob", "Good", event="APPROVE", comments=[DraftComment("src/login.py", "why?", 2)])
    return scene


def _page(scene: Scene, path: str) -> str:
    answer = scene.http.get(f"{scene.github.url}/{scene.repo.full_name}{path}")
    assert answer.status_code == 200
    return answer.text


def test_an_issue_shows_its_conversation(shown: Scene) -> None:
    page = _page(shown, "/issues/1")
    for expected in ("Fix &lt;b&gt;it&lt;/b&gt;", "<strong>do</strong>", "👀 eyes 1", "added the label", "/amp fix"):
        assert expected in page
    assert "<b>it</b>" not in page


def test_a_pull_request_shows_branches_commits_reviews_and_its_diff(shown: Scene) -> None:
    page = _page(shown, "/pull/2")
    for expected in (
        "wants to merge 1 commit into",
        ">amp/1-fix</a>",
        '<span class="chip">bot</span>',
        "Fix the login",
        "reviewed (approved)",
        "why?",
        "No conflicts with the base branch",
        "3 files changed",
        "+&lt;TWO&gt;",
        "run.sh → go.sh",
        "a binary file",
    ):
        assert expected in page
    assert _page(shown, "/pull/2/files") == page


def test_diff_and_patch_are_plain_text(shown: Scene) -> None:
    assert _page(shown, "/pull/2.diff").startswith("diff --git ")
    assert "Subject: [PATCH] Fix the login" in _page(shown, "/pull/2.patch")


def test_branches_folders_files_and_commits_can_be_looked_at(shown: Scene) -> None:
    head = shown.repo.bare.branch("amp/1-fix")
    assert 'href="/' in _page(shown, "")
    assert "amp/1-fix" in _page(shown, "/tree/amp/1-fix")
    assert "login.py" in _page(shown, "/tree/amp/1-fix/src")
    assert "&lt;TWO&gt;" in _page(shown, "/blob/amp/1-fix/src/login.py")
    assert "A binary file." in _page(shown, "/blob/amp/1-fix/logo.png")
    assert "Fix the login" in _page(shown, f"/commit/{head}")
    assert "Fix the login" in _page(shown, "/pulls")
    assert "Fix &lt;b&gt;" in _page(shown, "/issues")
    assert shown.repo.full_name in shown.http.get(f"{shown.github.url}/").text


@pytest.mark.parametrize("path", ["/issues/99", "/pull/99", "/tree/nowhere", "/commit/nowhere", "/pull/1.diff"])
def test_what_is_not_there_is_a_404(shown: Scene, path: str) -> None:
    assert shown.http.get(f"{shown.github.url}/{shown.repo.full_name}{path}").status_code == 404


def test_an_empty_repository_has_a_page(scene: Scene, hub: GitHub) -> None:
    hub.create_repository(f"{scene.repo.owner.login}/empty")
    assert "is empty" in scene.http.get(f"{hub.url}/{scene.repo.owner.login}/empty").text


RENDERED = [
    ("<!-- hidden -->shown", "shown"),
    ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n"),
    (
        "<details><summary>More</summary>\n\n*x*\n\n</details>",
        "<details><summary>More</summary>\n<p><em>x</em></p>\n</details>",
    ),
    ('<details onclick="x()">', "&lt;details onclick=&#34;x()&#34;&gt;"),
    ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
    ("![a](http://example.com/x.png)", "<p><em>[a]</em></p>\n"),
    ("`<b>`", "<p><code>&lt;b&gt;</code></p>\n"),
]


@pytest.mark.parametrize(("text", "html"), RENDERED)
def test_nothing_in_a_body_can_run(text: str, html: str) -> None:
    assert render(text) == html
