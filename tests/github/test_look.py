"""The look before publishing, the compare-and-swap of a branch, and GraphQL's errors as ours."""

from __future__ import annotations

from typing import Any

import pytest

from bot.github.client import Client, GitHubApi
from bot.github.errors import (
    ForbiddenError,
    LimitedError,
    UnavailableError,
    UnprocessableError,
)
from bot.github.look import IssueNow, Look, PullNow, PullState, look
from bot.github.repository import Repository
from bot.github.swap import swap_branch
from tests.github.conftest import GitHub, said

ENDPOINT = "/api/graphql"
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def repository(api: GitHubApi) -> Repository:
    return Repository("octo/cat", Client.as_installation(api, "ghs_token", 1))


def missing(*path: str) -> dict[str, Any]:
    return {"type": "NOT_FOUND", "path": list(path), "message": "Could not resolve to an issue or pull request."}


def found(subject: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "R_1",
        "databaseId": 10,
        "defaultBranchRef": {"name": "main"},
        "base": {"name": "main"},
        "issueOrPullRequest": subject,
    } | more


PULL = {
    "__typename": "PullRequest",
    "pullState": "MERGED",
    "headRefName": "feature",
    "headRefOid": OLD,
    "headRef": {"target": {"oid": NEW}},
    "baseRefName": "main",
    "baseRef": {"name": "main"},
}


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (
            found({"__typename": "Issue", "issueState": "CLOSED", "stateReason": "NOT_PLANNED"}),
            Look("R_1", "main", base_exists=True, subject=IssueNow(unwanted=True)),
        ),
        (
            found({"__typename": "Issue", "issueState": "CLOSED", "stateReason": "COMPLETED"}, base=None),
            Look("R_1", "main", base_exists=False, subject=IssueNow(unwanted=False)),
        ),
        (
            found({"__typename": "Issue", "issueState": "CLOSED", "stateReason": None}, defaultBranchRef=None),
            Look("R_1", None, base_exists=True, subject=IssueNow(unwanted=False)),
        ),
        (
            found(PULL),
            Look(
                "R_1",
                "main",
                base_exists=True,
                subject=PullNow(PullState.MERGED, "feature", NEW, OLD, "main", base_exists=True),
            ),
        ),
        (
            found(PULL | {"pullState": "CLOSED", "headRef": None, "baseRef": None}),
            Look(
                "R_1",
                "main",
                base_exists=True,
                subject=PullNow(PullState.CLOSED, "feature", None, OLD, "main", base_exists=False),
            ),
        ),
        (found(None, databaseId=11), None),
        (None, None),
    ],
)
async def test_what_a_look_sees(github: GitHub, repository: Repository, answer: Any, seen: Look | None) -> None:
    github.answers[ENDPOINT] = {"data": {"repository": answer}}
    assert await look(repository, 10, 7, base="main") == seen
    (asked,) = github.asked
    assert asked.body["variables"] == {"owner": "octo", "name": "cat", "number": 7, "base": "refs/heads/main"}


async def test_an_issue_that_is_gone_is_no_error(github: GitHub, repository: Repository) -> None:
    github.answers[ENDPOINT] = {
        "data": {"repository": found(None)},
        "errors": [missing("repository", "issueOrPullRequest")],
    }
    seen = await look(repository, 10, 7, base="main")
    assert seen == Look("R_1", "main", base_exists=True, subject=None)


async def test_a_repository_that_is_gone_is_no_error(github: GitHub, repository: Repository) -> None:
    github.answers[ENDPOINT] = {"data": {"repository": None}, "errors": [missing("repository")]}
    assert await look(repository, 10, 7, base="main") is None


async def test_any_other_error_beside_it_is_one(github: GitHub, repository: Repository) -> None:
    errors = [missing("repository", "issueOrPullRequest"), {"type": "FORBIDDEN", "message": "Resource not accessible"}]
    github.answers[ENDPOINT] = {"data": {"repository": found(None)}, "errors": errors}
    with pytest.raises(ForbiddenError):
        await look(repository, 10, 7, base="main")


# --- compare-and-swap -----------------------------------------------------------------------------


async def test_a_branch_is_moved_from_where_it_is_expected(github: GitHub, repository: Repository) -> None:
    github.answers[ENDPOINT] = {"data": {"updateRefs": {"clientMutationId": None}}}
    await swap_branch(repository, "R_1", "feature/x", OLD, NEW)
    (asked,) = github.asked
    update = {"name": "refs/heads/feature/x", "beforeOid": OLD, "afterOid": NEW, "force": False}
    assert asked.body["variables"] == {"input": {"repositoryId": "R_1", "refUpdates": [update]}}


@pytest.mark.parametrize(
    "error",
    [
        {"type": "UNPROCESSABLE", "message": "refs/heads/feature is at b but expected a"},
        {"type": "STALE_DATA", "message": "Expected branch to point to a"},
        {"message": "Whatever else it says"},
        {"type": "FORBIDDEN", "message": "Protected branch update failed"},
        {"type": "NOT_FOUND", "message": "Could not resolve to a node"},
    ],
)
async def test_a_swap_that_is_refused_in_whatever_words(
    github: GitHub, repository: Repository, error: dict[str, Any]
) -> None:
    github.answers[ENDPOINT] = {"data": {"updateRefs": None}, "errors": [error]}
    with pytest.raises(UnprocessableError) as raised:
        await swap_branch(repository, "R_1", "feature", OLD, NEW)
    assert raised.value.message == error["message"]


@pytest.mark.parametrize("status", [502, 503])
async def test_a_swap_with_an_unknown_outcome_is_sent_again(
    github: GitHub, repository: Repository, status: int
) -> None:
    """If it was done, the second one is refused: the branch is not where it was."""
    refusal = {"data": {"updateRefs": None}, "errors": [{"type": "UNPROCESSABLE", "message": "is at b"}]}
    github.answers[ENDPOINT] = [said(status, {}), said(200, refusal)]
    with pytest.raises(UnprocessableError):
        await swap_branch(repository, "R_1", "feature", OLD, NEW)
    assert len(github.asked) == 2


# --- merging a branch ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "merged"), [(201, True), (204, True), (409, False), (403, None), (404, None), (422, None)]
)
async def test_a_merge_and_what_github_says_to_it(
    github: GitHub, repository: Repository, status: int, merged: bool | None
) -> None:
    github.answers["/repos/octo/cat/merges"] = said(status, None if status == 204 else {"message": "x"})
    assert await repository.merge("amp/7", "main") is merged
    asked, *_ = github.asked  # a 404 may pass, so it is asked for again
    assert asked.body == {"base": "amp/7", "head": "main"}


def test_what_passes_by_itself_is_not_taken_for_a_refusal() -> None:
    assert not issubclass(UnavailableError, UnprocessableError)
    assert not issubclass(LimitedError, UnprocessableError)
