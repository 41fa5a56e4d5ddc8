"""Which comments and reviews are ours: written by our App itself, with the marker at the very start.

People and other Apps copy our texts whole, and Amp's answer is part of them.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.github.client import Client, GitHubApi
from bot.github.identity import Identity
from bot.github.repository import Repository
from bot.text.markers import key_marker, run_marker
from tests.github.conftest import GitHub, said

ME = Identity(7, "ampbot", {}, ())
MARKER = run_marker("0123abcd-89ef-5000-8000-000000000000")
OURS = {"login": "ampbot[bot]", "id": 70, "type": "Bot"}
SINCE = "2026-01-01T00:00:00Z"

WRITERS: dict[str, tuple[dict[str, Any], bool]] = {
    "we, through our App": ({"user": OURS, "performed_via_github_app": {"id": 7}}, True),
    "we, and GitHub names no App": ({"user": OURS, "performed_via_github_app": None}, True),
    "we, as reviews are listed": ({"user": OURS}, True),
    "a person": ({"user": {"login": "mona", "id": 1, "type": "User"}}, False),
    "a person through our App": (
        {"user": {"login": "mona", "id": 1, "type": "User"}, "performed_via_github_app": {"id": 7}},
        False,
    ),
    "a person with our name": ({"user": {"login": "ampbot", "id": 1, "type": "User"}}, False),
    "a person with our login": ({"user": {"login": "ampbot[bot]", "id": 1, "type": "User"}}, False),
    "another App": (
        {"user": {"login": "copier[bot]", "id": 2, "type": "Bot"}, "performed_via_github_app": {"id": 8}},
        False,
    ),
    "another App with our login": ({"user": OURS, "performed_via_github_app": {"id": 8}}, False),
    "a deleted account": ({"user": None, "performed_via_github_app": None}, False),
}
BODIES: dict[str, tuple[str | None, bool]] = {
    "at the start": (f"{MARKER}\n\n### ✅ Done", True),
    "alone": (MARKER, True),
    "behind another": (f"{key_marker('reply:issue:1:a')}\n{MARKER}", False),
    "in the answer": (f"{run_marker('another')}\n\n```\n{MARKER}\n```", False),
    "behind a space": (f" {MARKER}", False),
    "behind a blank line": (f"\n{MARKER}", False),
    "quoted": (f"> {MARKER}", False),
    "another's": (f"{run_marker('another')}\n\ntext", False),
    "none": ("text", False),
    "empty": (None, False),
}


def repository(api: GitHubApi) -> Repository:
    return Repository("octo/cat", Client.as_installation(api, "ghs_token", 1))


@pytest.mark.parametrize(("body", "marked"), BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(("writer", "is_ours"), WRITERS.values(), ids=WRITERS.keys())
async def test_only_what_we_wrote_and_marked_is_found(
    api: GitHubApi, github: GitHub, writer: dict[str, Any], is_ours: bool, body: str | None, marked: bool
) -> None:
    found = {"id": 5, "html_url": "https://github.example/5", "body": body, **writer}
    github.answers |= {"/repos/octo/cat/issues/1/comments": [found], "/repos/octo/cat/pulls/1/reviews": [found]}
    ours = is_ours and marked
    comments = await repository(api).find_comments(1, MARKER, ME, SINCE)
    assert [comment.id for comment in comments] == ([5] if ours else [])
    comment = await repository(api).find_comment(1, MARKER, ME, SINCE)
    assert (comment.id if comment else None) == (5 if ours else None)
    assert await repository(api).find_review(1, MARKER, ME) == ("https://github.example/5" if ours else None)


async def test_ours_is_found_behind_a_page_of_copies(api: GitHubApi, github: GitHub) -> None:
    copies = [
        {"id": number, "body": f"{MARKER}\n\ncopied", "user": {"login": "mona", "type": "User"}}
        for number in range(1, 101)
    ]
    ours = {"id": 200, "html_url": "https://github.example/200", "body": f"{MARKER}\n\ntext", "user": OURS}
    github.answers["/repos/octo/cat/issues/1/comments"] = [said(200, copies), said(200, [ours])]
    comments = await repository(api).find_comments(1, MARKER, ME, SINCE)
    assert [comment.id for comment in comments] == [200]
    github.answers["/repos/octo/cat/pulls/1/reviews"] = [said(200, copies), said(200, [ours])]
    assert await repository(api).find_review(1, MARKER, ME) == "https://github.example/200"
