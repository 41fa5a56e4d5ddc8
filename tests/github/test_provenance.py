"""What the sweep finds is asked about: who edited it, and was it written in this repository? No proof is a no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.github.client import Client, GitHubApi
from bot.github.errors import GitHubError
from bot.github.provenance import is_its_authors
from bot.model import CommentEvent, CommentKind
from tests.factory import actor, issue_ref
from tests.github.conftest import GitHub

ALICE = {"login": "alice", "__typename": "User"}
BOB = {"login": "bob", "__typename": "User"}
BEFORE, WRITTEN, AFTER = "2026-01-02T03:04:04Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
EVENT = CommentEvent(issue_ref(), actor(), "/amp fix it", CommentKind.ISSUE, 400, WRITTEN)


def edits(*editors: object, total: int | None = None) -> dict[str, Any]:
    nodes = [None if editor is ... else {"editor": editor} for editor in editors]
    return {"totalCount": len(nodes) if total is None else total, "nodes": nodes}


def answer(text: object, *transfers: object) -> dict[str, Any]:
    return {"data": {"node": text, "repository": {"issue": {"timelineItems": {"nodes": list(transfers)}}}}}


async def asked(api: GitHubApi, github: GitHub, said: object, event: CommentEvent = EVENT) -> bool:
    github.answers["/api/graphql"] = said
    return await is_its_authors(Client.as_installation(api, "ghs_token", 1), "octo/hello", "IC_1", event)


@pytest.mark.parametrize(
    ("text", "is_authors"),
    [
        ({"author": ALICE, "userContentEdits": edits()}, True),
        ({"author": ALICE, "userContentEdits": None}, True),
        ({"author": ALICE, "userContentEdits": edits(ALICE, ALICE)}, True),
        ({"author": ALICE, "userContentEdits": edits(ALICE, BOB)}, False),
        ({"author": ALICE, "userContentEdits": edits(BOB, ALICE)}, False),
        ({"author": ALICE, "userContentEdits": edits(ALICE | {"__typename": "Bot"})}, False),
        ({"author": ALICE, "userContentEdits": edits(ALICE, None)}, False),
        ({"author": ALICE, "userContentEdits": edits(ALICE, ...)}, False),
        ({"author": ALICE, "userContentEdits": edits(ALICE, total=2)}, False),
        ({"author": ALICE, "userContentEdits": {"totalCount": 1, "nodes": None}}, False),
        ({"author": None, "userContentEdits": edits()}, False),
        ({"author": None, "userContentEdits": edits(None)}, False),
        ({}, False),
        (None, False),
    ],
)
async def test_a_text_is_its_authors_if_nobody_else_edited_it(
    api: GitHubApi, github: GitHub, text: object, is_authors: bool
) -> None:
    assert await asked(api, github, answer(text)) is is_authors


@pytest.mark.parametrize(
    ("transfers", "was_said_here"),
    [
        ([], True),
        ([None], True),
        ([{"createdAt": BEFORE}], True),
        ([{"createdAt": WRITTEN}], False),
        ([{"createdAt": AFTER}], False),
    ],
)
async def test_what_was_written_before_a_transfer_was_said_elsewhere(
    api: GitHubApi, github: GitHub, transfers: list[object], was_said_here: bool
) -> None:
    said = answer({"author": ALICE, "userContentEdits": edits()}, *transfers)
    assert await asked(api, github, said) is was_said_here


async def test_only_issues_are_asked_about_transfers(api: GitHubApi, github: GitHub) -> None:
    said = {"data": {"node": {"author": ALICE, "userContentEdits": edits()}}}
    assert await asked(api, github, said, replace(EVENT, issue=issue_ref(is_pull=True)))
    assert await asked(api, github, answer(said["data"]["node"]))
    assert [request.body["variables"]["inIssue"] for request in github.asked] == [False, True]
    assert github.asked[0].body["variables"] | {"inIssue": True} == {
        "id": "IC_1",
        "owner": "octo",
        "name": "hello",
        "number": 7,
        "inIssue": True,
    }


async def test_what_is_gone_is_nobodys(api: GitHubApi, github: GitHub) -> None:
    assert not await asked(api, github, {"data": None, "errors": [{"type": "NOT_FOUND", "message": "no node"}]})
    with pytest.raises(GitHubError):
        await asked(api, github, {"data": None, "errors": [{"type": "FORBIDDEN", "message": "no access"}]})
