"""A small world in the shapes of GitHub's webhooks, and the same in ours."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bot.events.payloads import parse
from bot.model import Event, Ignored, Problem
from tests.factory import actor, issue_ref

Json = dict[str, Any]

ALICE = {"id": 1, "login": "alice", "type": "User"}
BOB = {"id": 2, "login": "bob", "type": "User"}
WRITTEN, EDITED = "2026-01-02T03:04:05Z", "2026-01-02T04:05:06Z"

THREAD: Json = {
    "id": 300,
    "number": 7,
    "title": "Login fails",
    "body": "On Mondays.",
    "user": BOB,
    "html_url": "https://github.com/octo/hello/issues/7",
    "created_at": WRITTEN,
    "updated_at": EDITED,
}
COMMENT: Json = {"id": 400, "body": "/amp fix it", "user": ALICE, "created_at": WRITTEN, "updated_at": EDITED}
REVIEW: Json = {"id": 500, "body": "/amp fix it", "user": ALICE, "submitted_at": WRITTEN}
TEXT_EDITED: Json = {"action": "edited", "changes": {"body": {"from": "before"}}}

PLACE = issue_ref()
PULL_PLACE = replace(PLACE, is_pull=True)
ACTOR = actor()


def payload(**parts: Any) -> Json:
    return {
        "action": "created",
        "installation": {"id": 99, "node_id": "x"},
        "sender": ALICE,
        "repository": {
            "id": 10,
            "owner": {"id": 11, "login": "octo", "type": "Organization"},
            "name": "hello",
            "private": True,
            "default_branch": "trunk",
            "archived": False,
        },
    } | parts


def understand(event: str, **parts: Any) -> Event | Ignored | Problem:
    return parse(event, json.dumps(payload(**parts)).encode())


ON_LINE = COMMENT | {"path": "a/b.py", "line": 12}
OWN_THREAD = THREAD | {"user": ALICE}
