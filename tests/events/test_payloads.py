"""What each webhook payload means."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.events.payloads import parse
from bot.model import (
    ActorKind,
    AssignEvent,
    CloseEvent,
    CommentEvent,
    CommentKind,
    Ignored,
    IssueRef,
    LabelEvent,
    ReviewRequestEvent,
)
from tests.events.deliveries import (
    ACTOR,
    ALICE,
    BOB,
    COMMENT,
    EDITED,
    ON_LINE,
    OWN_THREAD,
    PLACE,
    PULL_PLACE,
    REVIEW,
    TEXT_EDITED,
    THREAD,
    WRITTEN,
    Json,
    payload,
    understand,
)

COMMENTED = CommentEvent(PLACE, ACTOR, "/amp fix it", CommentKind.ISSUE, 400, WRITTEN)
SAID_ON_LINE = CommentEvent(PULL_PLACE, ACTOR, "/amp fix it", CommentKind.LINE, 400, WRITTEN, path="a/b.py", line=12)
REVIEWED = CommentEvent(PULL_PLACE, ACTOR, "/amp fix it", CommentKind.REVIEW, 500, WRITTEN)
OPENED = CommentEvent(replace(PLACE, author="alice"), ACTOR, "On Mondays.", CommentKind.BODY, 300, WRITTEN)


# --- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "parts", "said"),
    [
        ("issue_comment", {"issue": THREAD, "comment": COMMENT}, COMMENTED),
        (
            "issue_comment",
            {"issue": THREAD | {"pull_request": {"url": "https://x"}}, "comment": COMMENT},
            replace(COMMENTED, issue=PULL_PLACE),
        ),
        (
            "issue_comment",
            {"issue": THREAD, "comment": COMMENT} | TEXT_EDITED,
            replace(COMMENTED, at=EDITED, before="before"),
        ),
        ("pull_request_review_comment", {"pull_request": THREAD, "comment": ON_LINE}, SAID_ON_LINE),
        (
            "pull_request_review_comment",
            {"pull_request": THREAD, "comment": ON_LINE | {"line": None}},
            replace(SAID_ON_LINE, line=None),
        ),
        (
            "pull_request_review_comment",
            {"pull_request": THREAD, "comment": ON_LINE} | TEXT_EDITED,
            replace(SAID_ON_LINE, at=EDITED, before="before"),
        ),
        ("pull_request_review", {"action": "submitted", "pull_request": THREAD, "review": REVIEW}, REVIEWED),
        (
            "pull_request_review",
            {"pull_request": THREAD, "review": REVIEW | {"updated_at": EDITED}} | TEXT_EDITED,
            replace(REVIEWED, at=EDITED, before="before"),
        ),
        (
            "pull_request_review",
            {"pull_request": THREAD, "review": REVIEW} | TEXT_EDITED,
            replace(REVIEWED, at=WRITTEN, before="before"),
        ),
        ("issues", {"action": "opened", "issue": OWN_THREAD}, OPENED),
        ("issues", {"issue": OWN_THREAD} | TEXT_EDITED, replace(OPENED, at=EDITED, before="before")),
        (
            "pull_request",
            {"action": "opened", "pull_request": OWN_THREAD},
            replace(OPENED, issue=replace(OPENED.issue, is_pull=True)),
        ),
        (
            "pull_request",
            {"pull_request": OWN_THREAD} | TEXT_EDITED,
            replace(OPENED, issue=replace(OPENED.issue, is_pull=True), at=EDITED, before="before"),
        ),
    ],
)
def test_text_is_what_somebody_said_at_a_place(event: str, parts: Json, said: CommentEvent) -> None:
    assert understand(event, **parts) == said


def test_an_empty_description_is_empty_text_before_and_after() -> None:
    empty = OWN_THREAD | {"body": None}
    issue = replace(OPENED.issue, body="")
    assert understand("issues", action="opened", issue=empty) == replace(OPENED, issue=issue, text="")
    filled = understand("issues", action="edited", issue=OWN_THREAD, changes={"body": {"from": None}})
    assert filled == replace(OPENED, at=EDITED, before="")


def test_what_an_app_wrote_names_the_app_even_when_it_wrote_for_a_user() -> None:
    comment = COMMENT | {"performed_via_github_app": {"id": 1234, "slug": "x"}}
    assert understand("issue_comment", issue=THREAD, comment=comment) == replace(COMMENTED, via_app=1234)
    comment = COMMENT | {"performed_via_github_app": None}
    assert understand("issue_comment", issue=THREAD, comment=comment) == COMMENTED


def test_a_deleted_account_leaves_a_place_without_author() -> None:
    issue = replace(PLACE, author="")
    gone = understand("issue_comment", issue=THREAD | {"user": None}, comment=COMMENT)
    assert gone == replace(COMMENTED, issue=issue)


@pytest.mark.parametrize(
    ("kind", "taken_for"),
    [("User", ActorKind.USER), ("Bot", ActorKind.BOT), ("Organization", ActorKind.ORGANIZATION)]
    + [(unknown, ActorKind.BOT) for unknown in ("Mannequin", "user", "USER", "", "EnterpriseUserAccount")],
)
def test_an_actor_of_unknown_kind_is_not_taken_for_a_human(kind: str, taken_for: ActorKind) -> None:
    said = understand("issue_comment", issue=THREAD, comment=COMMENT, sender=ALICE | {"type": kind})
    assert said == replace(COMMENTED, actor=replace(ACTOR, kind=taken_for))


def test_text_that_no_database_or_encoder_takes_is_made_storable() -> None:
    body = json.dumps(payload(issue=THREAD, comment=COMMENT | {"body": "a\ud800b\0c\udfff \U0001f600"}))
    said = parse("issue_comment", body.encode())
    assert said == replace(COMMENTED, text="a\ufffdb\ufffdc\ufffd \U0001f600")


# --- other happenings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "thread", "issue"), [("issues", "issue", PLACE), ("pull_request", "pull_request", PULL_PLACE)]
)
def test_labels_assignments_and_closings_are_the_same_on_issues_and_pull_requests(
    event: str, thread: str, issue: IssueRef
) -> None:
    labelled = understand(event, **{"action": "labeled", thread: THREAD, "label": {"id": 1, "name": "amp"}})
    assert labelled == LabelEvent(issue, ACTOR, "amp", EDITED)
    assigned = understand(event, **{"action": "assigned", thread: THREAD, "assignee": BOB})
    assert assigned == AssignEvent(issue, ACTOR, "bob", EDITED)
    closed = understand(event, **{"action": "closed", thread: THREAD})
    assert closed == CloseEvent(issue, ACTOR, merged=False, at=EDITED)


def test_a_merged_pull_request_is_closed_and_merged() -> None:
    merged = understand("pull_request", action="closed", pull_request=THREAD | {"merged": True})
    assert merged == CloseEvent(PULL_PLACE, ACTOR, merged=True, at=EDITED)


def test_a_review_is_requested_of_a_user_or_of_a_team() -> None:
    asked = {"action": "review_requested", "pull_request": THREAD}
    of_user = understand("pull_request", **asked, requested_reviewer=BOB)
    assert of_user == ReviewRequestEvent(PULL_PLACE, ACTOR, "bob", None, EDITED)
    of_team = understand("pull_request", **asked, requested_team={"id": 5, "name": "Amps", "slug": "amps"})
    assert of_team == ReviewRequestEvent(PULL_PLACE, ACTOR, None, "amps", EDITED)


def test_only_the_action_says_what_happened() -> None:
    closed = understand(
        "pull_request", action="closed", pull_request=THREAD, requested_reviewer=BOB, label={"name": "x"}
    )
    assert closed == CloseEvent(PULL_PLACE, ACTOR, merged=False, at=EDITED)
    written = understand("issue_comment", issue=THREAD, comment=COMMENT, changes={"body": {"from": "before"}})
    assert written == COMMENTED


# --- what asks nothing of us -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "parts", "reason"),
    [
        ("issue_comment", {"action": "deleted", "issue": THREAD, "comment": COMMENT}, "issue_comment.deleted"),
        ("issues", {"action": "unlabeled", "issue": THREAD}, "issues.unlabeled"),
        ("issues", {"action": "from_the_future", "issue": THREAD}, "issues.from_the_future"),
        ("pull_request", {"action": "synchronize", "pull_request": THREAD}, "pull_request.synchronize"),
        ("pull_request_review", {"action": "dismissed"}, "pull_request_review.dismissed"),
        ("installation", {"action": "deleted"}, "installation.deleted"),
        ("check_run", {"action": "requested_action"}, "check_run.requested_action"),
        ("push", {"action": None}, "push"),
        ("ping", {"action": ["odd"]}, "ping"),
        ("ping", {"action": "Not an action\n"}, "ping"),
        ("no_such_event", {"action": "created"}, "no_such_event.created"),
        (
            "issue_comment",
            {"issue": THREAD, "comment": COMMENT, "installation": None},
            "not sent to an App installation",
        ),
        (
            "pull_request_review",
            {"action": "submitted", "pull_request": THREAD, "review": REVIEW | {"body": None}},
            "a review without text",
        ),
        (
            "pull_request_review",
            {"action": "submitted", "pull_request": THREAD, "review": REVIEW | {"body": " \n"}},
            "a review without text",
        ),
        ("issues", {"action": "edited", "issue": OWN_THREAD}, "edited, but not its text"),
        (
            "pull_request",
            {"action": "edited", "pull_request": OWN_THREAD, "changes": {"title": {"from": "x"}}},
            "edited, but not its text",
        ),
        (
            "issues",
            {"action": "opened", "issue": OWN_THREAD, "changes": {"old_issue": {"id": 1}}},
            "opened by a transfer: its text was said elsewhere",
        ),
        ("issues", {"action": "labeled", "issue": THREAD}, "labeled, but the payload does not name what"),
        (
            "pull_request",
            {"action": "assigned", "pull_request": THREAD, "assignee": None},
            "assigned, but the payload does not name what",
        ),
        (
            "pull_request",
            {"action": "review_requested", "pull_request": THREAD},
            "review_requested, but the payload does not name what",
        ),
    ],
)
def test_everything_else_is_ignored_with_its_reason(event: str, parts: Json, reason: str) -> None:
    assert understand(event, **parts) == Ignored(reason)
