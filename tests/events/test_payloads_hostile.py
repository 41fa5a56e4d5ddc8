"""Bodies that are not what they should be are problems or ignored, and nothing makes the parser raise."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events.payloads import parse
from bot.model import Event, Ignored, Problem
from tests.events.deliveries import (
    BOB,
    COMMENT,
    ON_LINE,
    OWN_THREAD,
    REVIEW,
    TEXT_EDITED,
    THREAD,
    Json,
    payload,
    understand,
)

GOOD = json.dumps(payload(issue=THREAD, comment=COMMENT))
NOT_JSON = "The delivery is not valid JSON."
NO_OBJECT = "The delivery is not a JSON object."


@pytest.mark.parametrize(
    ("body", "say"),
    [
        (b"", NOT_JSON),
        (b"{", NOT_JSON),
        (b"payload=%7B%7D", NOT_JSON),
        (GOOD.encode() + b"}", NOT_JSON),
        (GOOD.encode("utf-16"), NOT_JSON),
        (GOOD.encode("utf-8-sig"), NOT_JSON),
        (GOOD.encode().replace(b"alice", b"al\xffice"), NOT_JSON),
        (GOOD.encode().replace(b"alice", b"\xed\xa0\x80"), NOT_JSON),
        (GOOD.encode().replace(b"alice", b"al\nice"), NOT_JSON),
        (GOOD.replace('"id": 400', '"id": 400, "id": 401').encode(), NOT_JSON),
        (GOOD.replace('"action"', '"action": "deleted", "action"').encode(), NOT_JSON),
        (GOOD.replace('"id": 400', '"id": NaN').encode(), NOT_JSON),
        (GOOD.replace('"id": 400', '"id": ' + "4" * 5000).encode(), NOT_JSON),
        (b"[]", NO_OBJECT),
        (b"null", NO_OBJECT),
        (b'"issues"', NO_OBJECT),
    ],
)
def test_a_body_that_is_no_strict_json_object_is_a_problem(body: bytes, say: str) -> None:
    problem = parse("issue_comment", body)
    assert isinstance(problem, Problem)
    assert problem.message == say
    assert problem.detail


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_deep_nesting_is_a_problem(depth: int) -> None:
    bare = b"[" * depth + b"]" * depth
    inside = b'{"action":"created","installation":{"id":1},"x":' + b'{"x":' * depth + b"1" + b"}" * depth + b"}"
    as_action = b'{"action":' + bare + b',"installation":{"id":1}}'
    for body in (bare, inside, as_action):
        assert isinstance(parse("issue_comment", body), Problem)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("action", None),
        ("action", 5),
        ("comment", None),
        ("comment", []),
        ("comment.id", "400"),
        ("comment.id", 400.0),
        ("comment.id", True),
        ("comment.id", 0),
        ("comment.id", -1),
        ("comment.id", 2**63),
        ("comment.body", 5),
        ("comment.created_at", None),
        ("comment.created_at", ""),
        ("comment.created_at", "yesterday"),
        ("comment.created_at", "2026-01-02"),
        ("comment.created_at", "2026-01-02T03:04:05"),
        ("comment.created_at", "2026-13-02T03:04:05Z"),
        ("comment.created_at", "2026-01-02\ud80003:04:05Z"),
        ("comment.user", "alice"),
        ("issue.number", None),
        ("issue.title", None),
        ("issue.html_url", None),
        ("sender", None),
        ("sender.id", None),
        ("sender.login", 1),
        ("repository", None),
        ("repository.owner", None),
        ("repository.private", "true"),
        ("repository.private", 1),
        ("repository.default_branch", None),
        ("repository.archived", None),
        ("installation", 99),
        ("installation.id", "99"),
    ],
)
def test_a_field_of_a_wrong_type_is_a_problem_that_names_the_field_and_not_its_value(path: str, value: object) -> None:
    changed: Json = copy.deepcopy(payload(issue=THREAD, comment=COMMENT))
    *parents, name = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[name] = value
    problem = parse("issue_comment", json.dumps(changed).encode())
    assert isinstance(problem, Problem)
    assert problem.message == "The delivery does not have the shape of its event."
    assert f" {path} (" in problem.detail
    assert "yesterday" not in problem.detail


@pytest.mark.parametrize(
    ("sent_as", "parts"),
    [
        ("issues", {"issue": OWN_THREAD, "comment": COMMENT} | TEXT_EDITED),
        ("pull_request", {"pull_request": OWN_THREAD, "comment": ON_LINE} | TEXT_EDITED),
        ("pull_request", {"pull_request": OWN_THREAD, "review": REVIEW} | TEXT_EDITED),
        ("pull_request", {"issue": OWN_THREAD, "action": "labeled", "label": {"name": "amp"}}),
        ("issues", {"pull_request": OWN_THREAD, "action": "labeled", "label": {"name": "amp"}}),
        ("issue_comment", {"pull_request": THREAD, "comment": ON_LINE}),
        ("pull_request_review", {"pull_request": THREAD, "comment": ON_LINE} | TEXT_EDITED),
        ("pull_request_review_comment", {"issue": THREAD, "comment": COMMENT}),
    ],
)
def test_a_signed_body_sent_again_as_another_event_does_not_pass(sent_as: str, parts: Json) -> None:
    assert isinstance(understand(sent_as, **parts), Problem)


# --- anything at all -------------------------------------------------------------------------------

EVENTS = ["issue_comment", "issues", "pull_request", "pull_request_review", "pull_request_review_comment", "push"]
ACTIONS = ["created", "edited", "opened", "submitted", "labeled", "assigned", "closed", "review_requested"]
# Half surrogates included, which JSON can hold and no encoder takes.
TEXT = st.text(st.characters(exclude_categories=()))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(event=st.sampled_from(EVENTS) | st.text(), body=st.binary())
def test_no_bytes_make_it_raise(event: str, body: bytes) -> None:
    assert isinstance(parse(event, body), Ignored | Problem)


@st.composite
def damaged(draw: st.DrawFn) -> Json:
    whole: Json = copy.deepcopy(
        payload(
            action=draw(st.sampled_from(ACTIONS)),
            issue=OWN_THREAD,
            pull_request=OWN_THREAD,
            label={"name": "amp"},
            assignee=BOB,
            requested_reviewer=BOB,
            changes={"body": {"from": "before"}},
        )
        | draw(st.sampled_from([{}, {"comment": ON_LINE}, {"review": REVIEW}]))
    )
    inner = whole
    while True:
        name = draw(st.sampled_from(sorted(inner)))
        if isinstance(inner[name], dict) and inner[name] and draw(st.booleans()):
            inner = inner[name]
        else:
            inner[name] = draw(ANYTHING)
            return whole


@given(event=st.sampled_from(EVENTS), broken=damaged())
def test_no_damage_makes_it_raise_and_what_is_understood_can_be_stored(event: str, broken: Json) -> None:
    found = parse(event, json.dumps(broken).encode())
    assert isinstance(found, Event | Ignored | Problem)
    stored = json.dumps(asdict(found), ensure_ascii=False).encode()
    assert b"\\u0000" not in stored
