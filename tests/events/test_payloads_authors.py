"""A text's commands are its author's: a text that another sent starts nothing, whatever brought it here.

Labels, assignments and review requests are the sender's, whoever wrote the issue.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from bot.model import AssignEvent, CommentEvent, CommentKind, ForeignEdit, Ignored, LabelEvent, ReviewRequestEvent
from tests.events.deliveries import ACTOR, ALICE, BOB, EDITED, TEXT_EDITED, THREAD, WRITTEN, Json, understand

GHOST = {"id": 10137, "login": "ghost", "type": "User"}
COMMAND = "/amp fix it"


@dataclass(frozen=True)
class Text:
    """One trigger with text: its event, the action of a new text, and the field with the text."""

    event: str
    action: str
    field: str
    kind: CommentKind
    inside: str = ""  # the field of the issue or pull request that it is in

    def said(self, user: Json | None, **parts: Any) -> object:
        text: Json = {"id": 400, "body": COMMAND, "user": user, "created_at": WRITTEN, "updated_at": EDITED}
        text |= {"submitted_at": WRITTEN} if self.field == "review" else {}
        text |= {"path": "a.py", "line": 1} if self.kind is CommentKind.LINE else {}
        body = {self.field: text, self.inside: THREAD} if self.inside else {self.field: THREAD | text}
        return understand(self.event, **{"action": self.action, **body, **parts})


TEXTS = (
    Text("issue_comment", "created", "comment", CommentKind.ISSUE, "issue"),
    Text("pull_request_review_comment", "created", "comment", CommentKind.LINE, "pull_request"),
    Text("pull_request_review", "submitted", "review", CommentKind.REVIEW, "pull_request"),
    Text("issues", "opened", "issue", CommentKind.BODY),
    Text("pull_request", "opened", "pull_request", CommentKind.BODY),
)
# What a transfer adds. GitHub's schema allows null for the old issue.
TRANSFERS: tuple[Json, ...] = (
    {"old_issue": {"id": 1}, "old_repository": {"id": 2}},
    {"old_issue": None, "old_repository": {"id": 2}},
    {"old_issue": None},
    {"old_repository": None},
)
AUTHORS: dict[str, Json | None] = {
    "same": ALICE,
    "same, after a change of login": ALICE | {"login": "alice-2"},
    "other": BOB,
    "other, who took the sender's login": BOB | {"login": ALICE["login"]},
    "another's bot": BOB | {"login": "helper[bot]", "type": "Bot"},
    "null": None,
    "ghost": GHOST,
}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.event)
@pytest.mark.parametrize("edited", [False, True], ids=["new", "edited"])
@pytest.mark.parametrize("author", AUTHORS)
def test_only_its_author_can_ask_by_a_text(text: Text, edited: bool, author: str) -> None:
    user = AUTHORS[author]
    found = text.said(user, **(TEXT_EDITED if edited else {}))
    if author.startswith("same"):
        assert isinstance(found, CommentEvent)
        assert (found.actor, found.text, found.kind, found.comment) == (ACTOR, COMMAND, text.kind, 400)
        assert found.before == ("before" if edited else None)
    elif user is None or user is GHOST:
        assert found == Ignored("the account of its author is deleted")
    elif edited:
        assert isinstance(found, ForeignEdit)
        assert (found.actor, found.text, found.before) == (ACTOR, COMMAND, "before")
        assert (found.kind, found.comment, found.issue.number) == (text.kind, 400, 7)
    else:
        assert found == Ignored("sent by someone else than its author")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.event)
def test_of_a_deleted_sender_nothing_is_taken(text: Text) -> None:
    assert isinstance(text.said(GHOST, sender=GHOST), Ignored)
    assert isinstance(text.said(GHOST, sender=GHOST, **TEXT_EDITED), Ignored)


@pytest.mark.parametrize("changes", TRANSFERS, ids=str)
@pytest.mark.parametrize("author", AUTHORS)
def test_a_transferred_issue_says_nothing_anew(changes: Json, author: str) -> None:
    (opened,) = (text for text in TEXTS if text.event == "issues")
    assert opened.said(AUTHORS[author], changes=changes) == Ignored("opened by a transfer: its text was said elsewhere")


def test_an_edit_of_another_that_leaves_the_text_alone_is_nothing() -> None:
    for text, changes in itertools.product(TEXTS, ({}, {"title": {"from": "x"}})):
        assert text.said(BOB, action="edited", changes=changes) == Ignored("edited, but not its text")


@pytest.mark.parametrize("author", AUTHORS)
@pytest.mark.parametrize(("event", "field"), [("issues", "issue"), ("pull_request", "pull_request")])
def test_a_label_and_an_assignment_are_the_senders(event: str, field: str, author: str) -> None:
    thread = THREAD | {"user": AUTHORS[author]}
    labelled = understand(event, **{"action": "labeled", field: thread, "label": {"name": "amp"}})
    assigned = understand(event, **{"action": "assigned", field: thread, "assignee": BOB})
    assert isinstance(labelled, LabelEvent)
    assert isinstance(assigned, AssignEvent)
    assert labelled.actor == assigned.actor == ACTOR


@pytest.mark.parametrize("author", AUTHORS)
def test_a_review_request_is_the_senders(author: str) -> None:
    thread = THREAD | {"user": AUTHORS[author]}
    asked = understand("pull_request", action="review_requested", pull_request=thread, requested_reviewer=BOB)
    assert isinstance(asked, ReviewRequestEvent)
    assert asked.actor == ACTOR
