"""Looks at an issue or pull request just before work is published for it: one GraphQL query."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bot.github.repository import Repository

_QUERY = """
query Look($owner: String!, $name: String!, $number: Int!, $base: String!) {
  repository(owner: $owner, name: $name) {
    id databaseId
    defaultBranchRef { name }
    base: ref(qualifiedName: $base) { name }
    issueOrPullRequest(number: $number) {
      __typename
      ... on Issue { issueState: state stateReason(enableDuplicate: true) }
      ... on PullRequest {
        pullState: state
        headRefName headRefOid headRef { target { oid } }
        baseRefName baseRef { name }
      }
    }
  }
}
"""


class PullState(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"  # and not merged
    MERGED = "MERGED"


@dataclass(frozen=True, slots=True)
class IssueNow:
    unwanted: bool  # closed as not planned or as a duplicate


@dataclass(frozen=True, slots=True)
class PullNow:
    state: PullState
    head_branch: str
    head: str | None  # the commit its branch points to; None: the branch was deleted
    head_sha: str  # its own newest commit; once it is merged, no push to the branch changes it
    base_branch: str
    base_exists: bool


@dataclass(frozen=True, slots=True)
class Look:
    """An issue or pull request, and its repository, as they are now."""

    repository: str  # its GraphQL id
    default_branch: str | None  # None: the repository has no branch
    base_exists: bool  # whether the branch that was asked about exists
    subject: IssueNow | PullNow | None  # None: deleted or transferred


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Oid(_Camel):
    oid: str


class _Ref(_Camel):
    name: str = ""
    target: _Oid | None = None


class _Subject(_Camel):
    typename: str = Field(alias="__typename")
    state_reason: str | None = None
    pull_state: PullState = PullState.OPEN
    head_ref_name: str = ""
    head_ref_oid: str = ""
    head_ref: _Ref | None = None
    base_ref_name: str = ""
    base_ref: _Ref | None = None

    def now(self) -> IssueNow | PullNow:
        if self.typename != "PullRequest":
            return IssueNow(unwanted=self.state_reason in ("NOT_PLANNED", "DUPLICATE"))
        return PullNow(
            state=self.pull_state,
            head_branch=self.head_ref_name,
            head=self.head_ref.target.oid if self.head_ref is not None and self.head_ref.target is not None else None,
            head_sha=self.head_ref_oid,
            base_branch=self.base_ref_name,
            base_exists=self.base_ref is not None,
        )


class _Repository(_Camel):
    id: str
    database_id: int | None  # the schema allows null
    default_branch_ref: _Ref | None = None
    base: _Ref | None = None
    issue_or_pull_request: _Subject | None = None


class _Answer(_Camel):
    repository: _Repository | None = None


async def look(repository: Repository, id: int, number: int, *, base: str) -> Look | None:  # noqa: A002 - GitHub's name
    """The issue or pull request, its repository, and whether the branch `base` exists.

    None: the repository with this id is not at this name any more, or the App may not see it.

    Raises: GitHubError.
    """
    variables = {"number": number, "base": f"refs/heads/{base}"}
    found = (await repository.graphql(_QUERY, variables, _Answer, nulls=True)).repository
    if found is None or (found.database_id or await repository.id()) != id:
        return None
    subject = found.issue_or_pull_request
    return Look(
        repository=found.id,
        default_branch=found.default_branch_ref.name if found.default_branch_ref is not None else None,
        base_exists=found.base is not None,
        subject=subject.now() if subject is not None else None,
    )
