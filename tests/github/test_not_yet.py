"""GitHub's "not yet" is waited out a little, whatever the method, and then final. Other refusals are final at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from bot.github import not_yet
from bot.github.client import LIMIT_WAITS, WAITS, Answer, Client, GitHubApi
from bot.github.errors import (
    ForbiddenError,
    GitHubError,
    LimitedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)
from bot.github.not_yet import FRESH_SECONDS, SHORT_WAITS, TABLE, NotYet
from tests.github.conftest import TOKEN, GitHub, Time, said

REPO = "/repos/octo/hello"
MINTED = 1_000.0


class Thing(Answer):
    id: int


@dataclass(frozen=True, slots=True)
class Case:
    """A request, GitHub's refusal in its own words, and what it becomes when it stays."""

    method: str
    path: str
    status: int
    body: dict[str, Any]
    error: type[GitHubError]
    waits: tuple[float, ...]
    fresh: bool = False  # a "not yet" only while the token is fresh


def invalid(field: str, code: str = "invalid", message: str | None = None) -> dict[str, Any]:
    detail = {"resource": "PullRequest", "field": field, "code": code}
    return {"message": "Validation Failed", "errors": [detail | ({"message": message} if message else {})]}


def words(message: str) -> dict[str, Any]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest"}


FORBIDDEN = words("Resource not accessible by integration")
LONG, SHORT = not_yet.WAITS, SHORT_WAITS
NOT_YET = {
    "a token nobody knows": Case("GET", REPO, 401, words("Bad credentials"), UnauthorizedError, LONG, fresh=True),
    "a token that may nothing": Case("POST", f"{REPO}/git/blobs", 403, FORBIDDEN, ForbiddenError, LONG, fresh=True),
    "no such object": Case("POST", f"{REPO}/git/refs", 422, words("Object does not exist"), UnprocessableError, LONG),
    "no such tree": Case(
        "POST", f"{REPO}/git/commits", 422, words("Tree SHA does not exist"), UnprocessableError, LONG
    ),
    "no such parent": Case(
        "POST",
        f"{REPO}/git/commits",
        422,
        words("Parent SHA does not exist or is not a commit object"),
        UnprocessableError,
        LONG,
    ),
    "no such base": Case(
        "POST", f"{REPO}/git/trees", 422, words("base_tree is not a valid tree oid"), UnprocessableError, LONG
    ),
    "no such head": Case("POST", f"{REPO}/pulls", 422, invalid("head"), UnprocessableError, LONG),
    "no commits yet": Case(
        "POST",
        f"{REPO}/pulls",
        422,
        invalid("", "custom", "No commits between main and amp/1"),
        UnprocessableError,
        LONG,
    ),
    "no such issue": Case("POST", f"{REPO}/issues/1/comments", 404, words("Not Found"), NotFoundError, SHORT),
    "no such comment": Case("PATCH", f"{REPO}/issues/comments/7", 404, words("Not Found"), NotFoundError, SHORT),
    "no such commit": Case("GET", f"{REPO}/git/commits/c0ffee", 404, words("Not Found"), NotFoundError, SHORT),
    "nothing to compare": Case("GET", f"{REPO}/compare/a...b", 404, words("Not Found"), NotFoundError, SHORT),
}
FINAL = {
    "a name that is taken": Case(
        "POST", f"{REPO}/git/refs", 422, words("Reference already exists"), UnprocessableError, ()
    ),
    "a base that is not there": Case("POST", f"{REPO}/pulls", 422, invalid("base"), UnprocessableError, ()),
    "a body that is too long": Case(
        "POST",
        f"{REPO}/issues/1/comments",
        422,
        invalid("body", "custom", "body is too long (maximum is 65536 characters)"),
        UnprocessableError,
        (),
    ),
    "an archived repository": Case(
        "POST", f"{REPO}/issues/1/comments", 403, words("Repository was archived so is read-only."), ForbiddenError, ()
    ),
    "a branch that is not there": Case("GET", f"{REPO}/git/ref/heads/x", 404, words("Not Found"), NotFoundError, ()),
    "nobody": Case("GET", f"{REPO}/collaborators/x/permission", 404, words("Not Found"), NotFoundError, ()),
    "a label that is gone": Case("DELETE", f"{REPO}/issues/1/labels/amp", 404, words("Not Found"), NotFoundError, ()),
}


@pytest.fixture
def api(api: GitHubApi, time: Time) -> GitHubApi:
    time.now = MINTED
    return GitHubApi(api.url, api.rate_limit, api.redact, time.sleep, clock=time.clock)


@pytest.fixture
def client(api: GitHubApi) -> Client:
    return Client.as_installation(api, TOKEN, 1, MINTED)


@pytest.mark.parametrize("case", NOT_YET.values(), ids=NOT_YET.keys())
async def test_what_is_not_there_yet_is_asked_for_again(client: Client, github: GitHub, time: Time, case: Case) -> None:
    github.answers[case.path] = [*[said(case.status, case.body)] * len(case.waits), said(200, {"id": 1})]
    assert await client.call(case.method, case.path, Thing) == Thing(id=1)
    assert time.waits == list(case.waits)


@pytest.mark.parametrize("case", [*NOT_YET.values(), *FINAL.values()], ids=[*NOT_YET, *FINAL])
async def test_what_stays_refused_is_an_error_of_its_kind(
    client: Client, github: GitHub, time: Time, case: Case
) -> None:
    github.answers[case.path] = said(case.status, case.body)
    with pytest.raises(case.error) as raised:
        await client.call(case.method, case.path, Thing)
    assert type(raised.value) is case.error
    assert (len(github.asked), time.waits) == (len(case.waits) + 1, list(case.waits))


@pytest.mark.parametrize(
    "case",
    [case for case in NOT_YET.values() if case.fresh],
    ids=[name for name, case in NOT_YET.items() if case.fresh],
)
async def test_a_token_that_is_no_longer_fresh_is_refused_for_good(
    api: GitHubApi, github: GitHub, time: Time, case: Case
) -> None:
    old = Client.as_installation(api, TOKEN, 1, MINTED - FRESH_SECONDS)
    github.answers[case.path] = said(case.status, case.body)
    with pytest.raises(case.error):
        await old.call(case.method, case.path, Thing)
    assert time.waits == []


def test_every_row_has_a_case() -> None:
    def row(case: Case) -> NotYet:
        details = [
            detail.get("message") or f"{detail['field']} {detail['code']}" for detail in case.body.get("errors", [])
        ]
        error = case.error(case.status, "; ".join([case.body["message"], *details]))
        return next(row for row in TABLE if row.matches(error, case.method, case.path, fresh=case.fresh))

    graphql = {row for row in TABLE if row.path == "/graphql"}
    assert {row(case) for case in NOT_YET.values()} | graphql == set(TABLE)


# --- other words for "later" ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_too_quickly_is_a_limit(client: Client, github: GitHub, time: Time, method: str) -> None:
    refused = said(422, invalid("base", "custom", "was submitted too quickly"))
    github.answers["/x"] = [refused, said(200, {"id": 1})]
    assert await client.call(method, "/x", Thing) == Thing(id=1)
    assert time.waits == [LIMIT_WAITS[0]]


class Found(BaseModel):
    id: int


def failed(message: str, kind: str | None = None) -> dict[str, Any]:
    error = {"message": message} | ({"type": kind} if kind else {})
    return {"data": None, "errors": [error]}


SOMETHING = failed("Something went wrong while executing your query on 2026-11-27T10:00:00Z. Please include `ABC`.")
GRAPHQL: dict[str, tuple[dict[str, Any], type[GitHubError], tuple[float, ...]]] = {
    "something": (SOMETHING, UnavailableError, WAITS),
    "not found": (failed("Could not resolve to an issue", "NOT_FOUND"), NotFoundError, SHORT),
    "no such object": (failed("Object does not exist", "UNPROCESSABLE"), UnprocessableError, LONG),
    "no such object, of a kind nobody knows": (failed("Object does not exist"), GitHubError, LONG),
    "no such commit": (
        failed("Could not resolve to a Commit", "NOT_FOUND"),
        NotFoundError,
        LONG,
    ),
    "forbidden": (failed("Resource not accessible by integration", "FORBIDDEN"), ForbiddenError, LONG),
    "limited": (failed("API rate limit exceeded", "RATE_LIMITED"), LimitedError, LIMIT_WAITS),
    "too quickly": (failed("was submitted too quickly", "UNPROCESSABLE"), LimitedError, LIMIT_WAITS),
    "wrong": (failed("Field 'x' doesn't exist on type 'Query'"), GitHubError, ()),
}


@pytest.mark.parametrize(("answer", "error", "waits"), GRAPHQL.values(), ids=GRAPHQL.keys())
async def test_graphql_says_the_same_with_status_200(
    api: GitHubApi,
    github: GitHub,
    time: Time,
    answer: dict[str, Any],
    error: type[GitHubError],
    waits: tuple[float, ...],
) -> None:
    root = api.url.removesuffix("/v3").removeprefix(github.server.url)
    client = Client.as_installation(api, TOKEN, 1, MINTED)
    github.answers[f"{root}/graphql"] = [*[said(200, answer)] * len(waits), said(200, {"data": {"id": 1}})]
    if waits:
        assert await client.graphql("query { id }", {}, Found) == Found(id=1)
        assert time.waits == list(waits)
    github.answers[f"{root}/graphql"] = said(200, answer)
    with pytest.raises(error) as raised:
        await client.graphql("query { id }", {}, Found)
    assert type(raised.value) is error
