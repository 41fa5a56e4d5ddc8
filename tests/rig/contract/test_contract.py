from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bot.rig.contract import fixtures
from bot.rig.contract.contract import Contract, used_endpoints
from bot.rig.contract.exceptions import Violation
from bot.rig.http.request_log import WHOLE, Entry

REPO = "/api/v3/repos/octo/cat"
JSON = {"content-type": "application/json; charset=utf-8"}
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"


@cache
def published_examples() -> dict[str, Any]:
    """GitHub's own example answers."""
    examples = json.loads(fixtures.openapi().read_bytes())["components"]["examples"]
    return {name: example["value"] for name, example in examples.items()}


def encoded(value: object) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()


def asked(method: str, path: str, body: object = None, *, query: str = "") -> Entry:
    """A request that has not been answered."""
    headers = {"content-type": "application/json"}
    return Entry(1, 0.0, 0.0, method, path, query, headers, encoded(body), None, {}, b"", None)


def answered(entry: Entry, status: int, answer: object = None, **headers: str) -> Entry:
    body = encoded(answer)
    plain = {**JSON, "content-length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return replace(entry, status=status, answer=body, answer_headers=plain)


def found(entry: Entry) -> list[tuple[str, str]]:
    return [(violation.kind, violation.detail) for violation in Contract.load().check(entry)]


def commented(**changes: Any) -> Entry:
    """A valid request for a comment, with `changes` in the answer."""
    example = published_examples()["issue-comment"] | changes
    return answered(asked("POST", f"{REPO}/issues/3/comments", {"body": "Hi"}), 201, example)


@pytest.mark.parametrize(
    "entry",
    [
        commented(),
        asked("GET", f"{REPO}/issues/3/comments", query="per_page=100&since=2026-01-01T00%3A00%3A00Z"),
        asked(
            "POST",
            f"{REPO}/git/trees",
            {"base_tree": "abc", "tree": [{"path": "a", "mode": "100755", "type": "blob", "sha": None}]},
        ),
        asked("GET", f"{REPO}/contents/a/b%20c/d.txt", query="ref=main"),
        asked("GET", f"{REPO}/git/ref/heads/amp/3-fix"),
        asked("GET", f"{REPO}/branches/release/1.0"),
        asked("GET", f"{REPO}/compare/main...amp/3-fix"),
        asked("PATCH", f"{REPO}/git/refs/heads/amp/3-fix", {"sha": "abc", "force": False}),
        answered(asked("DELETE", f"{REPO}/git/refs/heads/amp/3-fix"), 204),
        asked("DELETE", f"{REPO}/issues/3/labels/amp%3Areview"),
        asked(
            "POST",
            "/api/v3/app/installations/7/access_tokens",
            {"repositories": ["cat"], "permissions": {"contents": "read"}},
        ),
    ],
    ids=lambda entry: f"{entry.method} {entry.path}",
)
def test_what_github_describes_is_right(entry: Entry) -> None:
    assert found(entry) == []


@pytest.mark.parametrize(
    ("entry", "violations"),
    [
        (asked("POST", f"{REPO}/issues/3/comments", {}), [("request", "body: 'body' is a required property")]),
        (
            asked("POST", f"{REPO}/issues/3/comments", b"{"),
            [("request", "body: Failed to deserialize value with application/json mimetype: {")],
        ),
        (
            asked("POST", f"{REPO}/issues/3/comments", {"body": "Hi", "bodi": "Hi"}),
            [("body key", "the endpoint's body has no bodi")],
        ),
        (
            asked("POST", f"{REPO}/git/trees", {"tree": [{"path": "a", "mode": "100600", "content": "x"}]}),
            [
                (
                    "request",
                    "body.tree.0.mode: '100600' is not one of ['100644', '100755', '040000', '160000', '120000']",
                )
            ],
        ),
        (
            asked("POST", f"{REPO}/git/trees", {"tree": [{"path": "a", "mood": "good"}]}),
            [("body key", "the endpoint's body has no tree.0.mood")],
        ),
        (
            asked("GET", f"{REPO}/issues/3/comments", query="since=yesterday"),
            [("request", "query parameter since: 'yesterday' is not a 'date-time'")],
        ),
        (
            asked("GET", f"{REPO}/issues/3/comments", query="perpage=3"),
            [("query key", "there is no query parameter perpage")],
        ),
        (
            asked("POST", "/api/v3/app/hook/deliveries/3/attempts", {"now": True}),
            [("body key", "the endpoint takes no body")],
        ),
        (
            asked("GET", f"{REPO}/issues/three/comments"),
            [("request", "path parameter issue_number: invalid literal for int() with base 10: 'three'")],
        ),
        (asked("GET", f"{REPO}/bogus"), [("unknown path", "GitHub describes no such endpoint")]),
        (asked("PUT", f"{REPO}/issues/3/comments"), [("unknown path", "GitHub describes no such endpoint")]),
        (asked("GET", "/api/v4/user"), [("unknown path", "GitHub describes no such endpoint")]),
    ],
    ids=lambda case: f"{case.method} {case.path} {case.body.decode()}" if isinstance(case, Entry) else None,
)
def test_a_request_that_departs_from_the_description_is_found(entry: Entry, violations: list[tuple[str, str]]) -> None:
    assert found(entry) == violations


def test_a_violation_names_the_endpoint_by_its_template() -> None:
    entry = asked("POST", f"{REPO}/issues/3/comments", {})
    assert Contract.load().check(entry) == (Violation("request", COMMENTS, "body: 'body' is a required property"),)


@pytest.mark.parametrize(
    ("entry", "violations"),
    [
        (replace(commented(), status=200), [("answer", "GitHub does not answer 200 here")]),
        (commented(id="1"), [("answer", "body.id: '1' is not of type 'integer'")]),
        (commented(mood="good"), [("answer key", "GitHub's answer has no mood")]),
        (
            commented(user={**published_examples()["issue-comment"]["user"], "mood": "good"}),
            [("answer key", "GitHub's answer has no user.mood")],
        ),
        (
            replace(commented(), answer=b"{"),
            [("answer", "body: Failed to deserialize value with application/json mimetype: {")],
        ),
        (
            answered(asked("GET", f"{REPO}/issues/3/comments"), 401, {"message": "Bad credentials"}),
            [],
        ),
        (
            answered(asked("GET", f"{REPO}/issues/3/comments"), 401, b"nope"),
            [("answer", "the body of a 401 is an object with a message")],
        ),
        (
            answered(asked("GET", f"{REPO}/issues/3/comments"), 418, {"message": "teapot"}),
            [("answer", "GitHub does not answer 418 here")],
        ),
    ],
)
def test_an_answer_that_departs_from_the_description_is_found(entry: Entry, violations: list[tuple[str, str]]) -> None:
    assert found(entry) == violations


@pytest.mark.parametrize(
    ("method", "path", "status", "example"),
    [
        ("POST", "/check-runs", 201, "check-run-example-of-in-progress-conclusion"),  # null in an enumeration
        ("GET", "/contents/lib", 200, "content-file-response-if-content-is-a-directory"),  # discriminator
    ],
)
def test_what_the_description_means_counts_where_its_letter_refuses_githubs_own_answers(
    method: str, path: str, status: int, example: str
) -> None:
    body = {"name": "amp", "head_sha": "abc"} if method == "POST" else None
    assert found(answered(asked(method, REPO + path, body), status, published_examples()[example])) == []


def test_a_missing_key_of_an_answer_is_found() -> None:
    example = dict(published_examples()["issue-comment"])
    del example["user"]
    entry = answered(asked("POST", f"{REPO}/issues/3/comments", {"body": "Hi"}), 201, example)
    assert found(entry) == [("answer", "body: 'user' is a required property")]


@pytest.mark.parametrize(
    ("fault", "looked_at"), [("error", False), ("delay+cut", False), ("delay", True), ("call+drip", True)]
)
def test_an_answer_is_not_held_against_the_stand_in_when_a_fault_spoilt_it(fault: str, looked_at: bool) -> None:
    spoilt = replace(commented(), status=200, fault=fault)
    assert bool(found(spoilt)) is looked_at


def test_the_request_counts_even_if_a_fault_struck() -> None:
    entry = answered(asked("POST", f"{REPO}/issues/3/comments", {}), 502, {"message": "Bad Gateway"})
    assert found(replace(entry, fault="error")) == [("request", "body: 'body' is a required property")]


def test_a_diff_is_right_where_it_was_asked_for() -> None:
    entry = asked("GET", f"{REPO}/pulls/3")
    diff = answered(entry, 200, b"diff --git", content_type="application/vnd.github.diff; charset=utf-8")
    assert found(replace(diff, headers={"accept": "application/vnd.github.diff"})) == []
    assert [kind for kind, _ in found(diff)] == ["answer"]


def test_bodies_too_large_for_the_request_log_are_taken_on_trust() -> None:
    large = asked("POST", f"{REPO}/git/blobs", b'{"content": "' + b"x" * WHOLE)
    assert found(replace(large, body=large.body[:WHOLE])) == []


@pytest.mark.parametrize("path", ["/octo/cat.git/info/refs", "/octo/cat/pull/3", "/"])
def test_what_is_no_api_request_is_not_checked(path: str) -> None:
    assert found(answered(asked("GET", path), 418, b"anything")) == []


def test_a_repository_may_be_named_by_its_id() -> None:
    right = asked("POST", "/api/v3/repositories/12/issues/3/comments", {"body": "Hi"})
    wrong = asked("POST", "/api/v3/repositories/12/issues/3/comments", {})
    assert found(right) == []
    assert [violation.where for violation in Contract.load().check(wrong)] == [COMMENTS]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/branches/a/b", "/branches/{branch}"),
        ("/branches/a/b/protection", "/branches/{branch}/protection"),
        ("/pulls/comments/3", "/pulls/comments/{comment_id}"),
        ("/pulls/3/comments", "/pulls/{pull_number}/comments"),
        ("/git/ref/tags/v1", "/git/ref/{ref}"),
        ("/issues/comments", "/issues/comments"),
        ("/issues/3", "/issues/{issue_number}"),
    ],
)
def test_of_several_endpoints_that_fit_a_path_the_most_exact_is_meant(path: str, template: str) -> None:
    route = Contract.load().route(asked("GET", REPO + path))
    assert route is not None
    assert route.template == "/repos/{owner}/{repo}" + template


def test_used_endpoints_are_counted_by_template() -> None:
    entries = [
        asked("GET", f"{REPO}/contents/a"),
        asked("GET", f"{REPO}/contents/b/c"),
        asked("POST", "/api/graphql", {"query": "{viewer{login}}"}),
        asked("GET", "/octo/cat.git/info/refs"),
    ]
    assert used_endpoints(entries) == Counter(
        {("GET", "/repos/{owner}/{repo}/contents/{path}"): 2, ("POST", "/graphql"): 1}
    )


def test_a_request_to_no_endpoint_cannot_be_counted() -> None:
    with pytest.raises(LookupError, match=f"GET {REPO}/bogus"):
        used_endpoints([asked("GET", f"{REPO}/bogus")])


def test_the_contract_is_read_once() -> None:
    assert Contract.load() is Contract.load()
