from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.http.request_log import Entry

QUERY = """
query ($owner: String!, $number: Int!) {
  repository(owner: $owner, name: "cat") {
    issue(number: $number) {
      heading: title
      comments(first: 3) { nodes { body author { login ... on Bot { databaseId } } } }
    }
  }
}
"""
VARIABLES = {"owner": "octo", "number": 3}
DATA: dict[str, Any] = {
    "repository": {
        "issue": {
            "heading": "It fails",
            "comments": {
                "nodes": [
                    {"body": "Why?", "author": {"login": "ada"}},
                    {"body": "So.", "author": {"login": "amp[bot]", "databaseId": 4}},
                    {"body": "", "author": None},
                    None,
                ]
            },
        }
    }
}


def asked(body: object, answer: object = None, status: int | None = None, method: str = "POST") -> Entry:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    headers = {"content-type": "application/json", "content-length": str(len(said))}
    return Entry(1, 0.0, 0.0, method, "/api/graphql", "", headers, raw, status, headers, said, None)


def found(entry: Entry) -> list[str]:
    return [f"{each.kind}: {each.detail}" for each in Contract.load().check(entry)]


def test_a_query_and_data_as_the_schema_has_them_are_right() -> None:
    assert found(asked({"query": QUERY, "variables": VARIABLES}, {"data": DATA}, 200)) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            {"query": QUERY.replace("body", "bodi"), "variables": VARIABLES},
            ["Cannot query field 'bodi' on type 'IssueComment'"],
        ),
        ({"query": QUERY, "variables": {**VARIABLES, "number": "3"}}, ["Variable '$number' has invalid value"]),
        ({"query": QUERY, "variables": {"number": 3}}, ["Variable '$owner'"]),
        ({"query": QUERY, "variables": {**VARIABLES, "extra": 1}}, ["the operation declares no variable $extra"]),
        ({"query": QUERY, "variables": [1]}, ["variables are an object"]),
        ({"query": "{"}, ["Syntax Error"]),
        ({"query": "{viewer{login}}", "operationName": "other"}, ["no one operation to be run"]),
        ({"query": 3}, ["a query is a POST"]),
        (b"{", ["a query is a POST"]),
        ([], ["a query is a POST"]),
    ],
)
def test_a_wrong_query_is_found(body: object, says: list[str]) -> None:
    violations = found(asked(body))
    assert len(violations) == len(says)
    assert all(text in violation for text, violation in zip(says, violations, strict=True))


def test_an_unknown_key_in_an_input_object_is_found() -> None:
    mutation = (
        "mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { clientMutationId } }"
    )
    addition = {"path": "a", "contents": "eA==", "mode": "100755"}
    value = {
        "branch": {"branchName": "amp", "repositoryNameWithOwner": "octo/cat"},
        "expectedHeadOid": "0" * 40,
        "message": {"headline": "Fix"},
        "fileChanges": {"additions": [addition]},
    }
    (violation,) = found(asked({"query": mutation, "variables": {"input": value}}))
    assert "'mode'" in violation
    del addition["mode"]
    assert found(asked({"query": mutation, "variables": {"input": value}})) == []


def test_an_unknown_key_beside_the_query_is_found() -> None:
    assert found(asked({"query": "{viewer{login}}", "variable": {}})) == [
        "body key: the endpoint's body has no variable"
    ]


def test_a_query_is_not_fetched_with_get() -> None:
    assert found(asked({"query": "{viewer{login}}"}, method="GET")) == [
        "graphql: a query is a POST with a JSON object that has a query"
    ]


def spoil(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = copy.deepcopy(DATA)
    change(data["repository"]["issue"])
    return data


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda issue: issue.pop("heading"), "repository.issue.heading: the answer lacks it"),
        (lambda issue: issue.update(heading=None), "repository.issue.heading: Cannot return null"),
        (lambda issue: issue.update(heading=3), "data.repository.issue.heading: not as"),
        (lambda issue: issue.update(extra=3), "data.repository.issue.extra: not as"),
        (lambda issue: issue.update(title="It fails"), "data.repository.issue.title: not as"),
        (
            lambda issue: issue.update(comments=[]),
            "repository.issue.comments.nodes: an object, IssueCommentConnection, is",
        ),
        (lambda issue: issue["comments"].update(nodes={}), "repository.issue.comments.nodes: Expected Iterable"),
        (lambda issue: issue["comments"]["nodes"][0].update(author={"name": "x"}), "no type of Actor has exactly"),
        (lambda issue: issue["comments"]["nodes"][0].update(author=3), "an object, Actor, is expected"),
    ],
)
def test_data_that_depart_from_query_or_schema_are_found(change: Callable[[dict[str, Any]], object], says: str) -> None:
    violations = found(asked({"query": QUERY, "variables": VARIABLES}, {"data": spoil(change)}, 200))
    assert len(violations) == 1
    assert violations[0].startswith("answer: ")
    assert says in violations[0]


def test_a_type_name_that_was_asked_for_decides_which_fields_are_due() -> None:
    query = '{ node(id: "x") { __typename ... on Issue { title } } }'
    right = {"node": {"__typename": "Issue", "title": "It fails"}}
    other = {"node": {"__typename": "User"}}
    short = {"node": {"__typename": "Issue"}}
    wrong = {"node": {"__typename": "Nonsense"}}
    assert [len(found(asked({"query": query}, {"data": each}, 200))) for each in (right, other, short, wrong)] == [
        0,
        0,
        1,
        1,
    ]


def test_a_named_fragment_counts_for_the_types_it_is_on() -> None:
    query = '{ node(id: "x") { ...it } } fragment it on Comment { body ... on Issue { title } }'
    assert found(asked({"query": query}, {"data": {"node": {"body": "b", "title": "t"}}}, 200)) == []


@pytest.mark.parametrize(
    ("status", "answer", "violations"),
    [
        (200, {"data": {"viewer": None}, "errors": [{"message": "no"}]}, []),
        (200, {"errors": [{"type": "RATE_LIMITED", "message": "no"}]}, []),
        (200, {"errors": []}, ["answer: errors are a list, not empty, of objects with a message"]),
        (200, {}, ["answer: there are neither data nor errors"]),
        (200, b"{", ["answer: the body is no JSON object"]),
        (401, {"message": "Bad credentials"}, []),
        (401, {}, ["answer: the body of a 401 is an object with a message"]),
        (404, {"message": "Not Found"}, ["answer: GitHub does not answer 404 here"]),
    ],
)
def test_an_answer_without_plain_data_has_a_shape_too(status: int, answer: object, violations: list[str]) -> None:
    assert found(asked({"query": "{viewer{login}}"}, answer, status)) == violations


def test_the_selected_fields_are_told_with_their_types() -> None:
    fields = Contract.load().graphql.fields(QUERY)
    assert {("Query", "repository"), ("Repository", "issue"), ("Issue", "title"), ("Bot", "databaseId")} <= fields
    assert Contract.load().graphql.fields("{") == frozenset()
