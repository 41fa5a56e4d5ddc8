"""Reads an issue or pull request in one GraphQL query: the commit to start from, and what was said so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bot.agent.discussion import Discussion
from bot.github.discussion import COMMENTS, REVIEWS, Reference, Said, discussion, reference_field
from bot.github.older_threads import find_thread
from bot.github.repository import Repository
from bot.model import CommentKind, RunRequest

_TARGET = "target { oid ... on Commit { tree { oid } } }"

_QUERY = f"""
query Conversation($owner: String!, $name: String!, $number: Int!) {{
  repository(owner: $owner, name: $name) {{
    databaseId nameWithOwner isArchived isEmpty %s
    defaultBranchRef {{ name {_TARGET} }}
    issueOrPullRequest(number: $number) {{
      __typename
      ... on Issue {{ {COMMENTS} }}
      ... on PullRequest {{
        {COMMENTS}
        {REVIEWS}
        pullState: state
        headRefName headRefOid baseRefName baseRefOid isCrossRepository
        headRef {{ {_TARGET} }}
        baseRef {{ target {{ oid }} }}
      }}
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class BranchHead:
    """A branch with the ids of its newest commit and of that commit's tree."""

    branch: str
    commit: str
    tree: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    head: BranchHead | None  # None: the head branch was deleted
    head_branch: str
    head_sha: str
    base_branch: str
    base_sha: str
    base_tip: str | None  # the base branch's newest commit; None: the branch was deleted
    from_fork: bool
    open: bool
    merged: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """An issue or pull request, and its repository, as they are now."""

    repository: int  # id
    name: str  # full name
    archived: bool
    default: BranchHead | None  # None: the repository is empty
    pull: PullRequest | None
    discussion: Discussion
    in_the_way: str | None = None  # a branch because of which git allows none with ampbot's prefix


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Oid(_Camel):
    oid: str


class _Target(_Oid):
    tree: _Oid | None = None


class _Ref(_Camel):
    name: str = ""
    target: _Target | None = None

    def head(self, branch: str) -> BranchHead | None:
        if self.target is None or self.target.tree is None:
            return None
        return BranchHead(branch, self.target.oid, self.target.tree.oid)


class _Subject(Said):
    typename: str = Field(alias="__typename")
    pull_state: str = ""
    head_ref_name: str = ""
    head_ref_oid: str = ""
    base_ref_name: str = ""
    base_ref_oid: str = ""
    is_cross_repository: bool = False
    head_ref: _Ref | None = None
    base_ref: _Ref | None = None


class _Repository(_Camel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Reference | _Ref | None]  # references, and branches that may be in the way

    database_id: int | None  # the schema allows null, as for ids over 32 bits
    name_with_owner: str
    is_archived: bool
    is_empty: bool
    default_branch_ref: _Ref | None = None
    issue_or_pull_request: _Subject | None = None


class _Answer(_Camel):
    repository: _Repository | None = None


async def read(
    repository: Repository, request: RunRequest, *, references: Sequence[int] = (), branch_prefix: str = ""
) -> Conversation | None:
    """The issue or pull request of a request, with what could be read there when the request was made.

    `references`: numbers of other issues and pull requests of the repository that come along, where they exist.
    `branch_prefix`: of the branches that ampbot makes. None: the repository or the issue does not exist.

    Raises: GitHubError.
    """
    # Where there is a branch `a`, git allows no branch `a/b`.
    ways = {f"way{index}": branch_prefix[:index] for index, letter in enumerate(branch_prefix) if letter == "/"}
    numbers = {f"reference{number}": number for number in references}
    fields = [
        f"{alias}: ref(qualifiedName: {json.dumps(f'refs/heads/{way}')}) {{ name }}" for alias, way in ways.items()
    ]
    fields += [reference_field(alias, number) for alias, number in numbers.items()]
    variables = {"number": request.issue.number}
    found = (await repository.graphql(_QUERY % " ".join(fields), variables, _Answer, nulls=True)).repository
    if found is None or found.issue_or_pull_request is None:
        return None
    subject, more = found.issue_or_pull_request, found.model_extra or {}
    pull = None
    if subject.typename == "PullRequest":
        pull = PullRequest(
            head=subject.head_ref.head(subject.head_ref_name) if subject.head_ref else None,
            head_branch=subject.head_ref_name,
            head_sha=subject.head_ref_oid,
            base_branch=subject.base_ref_name,
            base_sha=subject.base_ref_oid,
            base_tip=subject.base_ref.target.oid if subject.base_ref and subject.base_ref.target else None,
            from_fork=subject.is_cross_repository,
            open=subject.pull_state == "OPEN",
            merged=subject.pull_state == "MERGED",
        )
    asked_in, trigger, threads = None, request.trigger, subject.review_threads
    if trigger.kind is CommentKind.LINE and threads.having(trigger.comment) is None:
        asked_in = await find_thread(repository, request.issue.number, trigger.comment, threads)
    default = found.default_branch_ref.head(found.default_branch_ref.name) if found.default_branch_ref else None
    referenced = {
        number: reference for alias, number in numbers.items() if isinstance(reference := more.get(alias), Reference)
    }
    return Conversation(
        repository=found.database_id or await repository.id(),
        in_the_way=next((way for alias, way in ways.items() if more.get(alias)), None),
        name=found.name_with_owner,
        archived=found.is_archived,
        default=None if found.is_empty else default,
        pull=pull,
        discussion=discussion(subject, referenced, request, asked_in),
    )
