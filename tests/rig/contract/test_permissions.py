from __future__ import annotations

import json

import pytest

from bot.rig.contract import fixtures, permissions
from bot.rig.contract.contract import Contract
from bot.rig.contract.permissions import permissions_needed
from bot.rig.http.request_log import Entry

REPO = "/api/v3/repos/octo/cat"


def asked(call: str, body: object = None) -> Entry:
    method, _, address = call.partition(" ")
    path, _, query = address.partition("?")
    raw = b"" if body is None else json.dumps(body).encode()
    return Entry(1, 0.0, 0.0, method, path, query, {}, raw, 200, {}, b"", None)


def queried(query: str) -> Entry:
    return asked("POST /api/graphql", {"query": query})


@pytest.mark.parametrize(
    ("entries", "needed"),
    [
        ([], {}),
        ([asked("GET /api/v3/app")], {}),
        ([asked(f"GET {REPO}")], {"metadata": "read"}),
        ([asked(f"GET {REPO}/contents/a/b")], {"contents": "read"}),
        ([asked(f"GET {REPO}/contents/a/b"), asked(f"POST {REPO}/git/trees")], {"contents": "write"}),
        ([asked(f"POST {REPO}/git/trees"), asked(f"GET {REPO}/contents/a/b")], {"contents": "write"}),
        ([asked(f"POST {REPO}/issues/3/comments")], {"issues": "write"}),
        ([asked(f"POST {REPO}/issues/3/comments"), asked(f"POST {REPO}/pulls")], {"pull_requests": "write"}),
        (
            [asked(f"POST {REPO}/issues/3/comments"), asked(f"GET {REPO}/issues/3")],
            {"issues": "write"},
        ),
        ([asked("GET /octo/cat.git/info/refs?service=git-upload-pack")], {"contents": "read"}),
        ([asked("POST /octo/cat.git/git-receive-pack")], {"contents": "write"}),
        (
            [queried('{repository(owner:"o",name:"c"){issue(number:3){comments(first:1){nodes{body}}}}}')],
            {"metadata": "read", "issues": "read"},
        ),
        (
            [queried('mutation{minimizeComment(input:{subjectId:"x",classifier:OUTDATED}){clientMutationId}}')],
            {"issues": "write"},
        ),
        ([queried('mutation{resolveReviewThread(input:{threadId:"x"}){thread{id}}}')], {"pull_requests": "write"}),
    ],
)
def test_the_least_permissions_that_allow_all_requests_are_told(entries: list[Entry], needed: dict[str, str]) -> None:
    assert permissions_needed(entries) == needed


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (asked("GET /api/v3/gists"), "GET /gists is not in bot/rig/contract/permissions.py"),
        (queried("{viewer{gists(first:1){nodes{id}}}}"), "GraphQL's Gist.id is not in bot/rig/contract/permissions.py"),
        (
            queried('mutation{addStar(input:{starrableId:"x"}){clientMutationId}}'),
            "GraphQL's Mutation.addStar is not in bot/rig/contract/permissions.py",
        ),
    ],
)
def test_a_request_whose_needs_are_not_known_is_said(entry: Entry, says: str) -> None:
    with pytest.raises(KeyError, match=says):
        permissions_needed([entry])


def test_the_tables_name_only_what_exists() -> None:
    paths = json.loads(fixtures.openapi().read_bytes())["paths"]
    schema = Contract.load().graphql.schema
    mutations = schema.mutation_type
    assert mutations is not None
    assert [at for at in permissions._NEED_OF_REST if at[0].lower() not in paths.get(at[1], {})] == []
    assert [name for name in permissions._NEED_OF_TYPE if name not in schema.type_map] == []
    assert [name for name in permissions._NEED_OF_MUTATION if name not in mutations.fields] == []


def test_no_endpoint_stands_in_two_places() -> None:
    for table in (permissions._REST, permissions._TYPES, permissions._MUTATIONS):
        places = [place for each in table.values() for place in each]
        assert len(places) == len(set(places))
