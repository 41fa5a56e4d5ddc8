"""Reads an issue or pull request in one GraphQL query: the commit to start from, and the comments so far."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bot.github.repository import Repository
from bot.model import Comment

_COMMENTS = "comments(last: 60) { nodes { fullDatabaseId body createdAt lastEditedAt author { login __typename } } }"
_TARGET = "target { oid ... on Commit { tree { oid } } }"

_QUERY = f"""
query Conversation($owner: String!, $name: String!, $number: Int!) {{
  repository(owner: $owner, name: $name) {{
    databaseId nameWithOwner isArchived isEmpty %s
    defaultBranchRef {{ name {_TARGET} }}
    issueOrPullRequest(number: $number) {{
      __typename
      ... on Issue {{ {_COMMENTS} }}
      ... on PullRequest {{
        {_COMMENTS}
        pullState: state
        headRefName headRefOid baseRefName baseRefOid isCrossRepository
        headRef {{ {_TARGET} }}
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
    comments: tuple[Comment, ...]
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


class _Author(_Camel):
    login: str
    typename: str = Field(alias="__typename")


class _Comment(_Camel):
    full_database_id: int | None = None  # not databaseId: it is null for ids over 32 bits
    body: str
    created_at: datetime
    last_edited_at: datetime | None = None
    author: _Author | None = None


class _Comments(_Camel):
    nodes: list[_Comment | None] = []


class _Subject(_Camel):
    typename: str = Field(alias="__typename")
    comments: _Comments = _Comments()
    pull_state: str = ""
    head_ref_name: str = ""
    head_ref_oid: str = ""
    base_ref_name: str = ""
    base_ref_oid: str = ""
    is_cross_repository: bool = False
    head_ref: _Ref | None = None


class _Repository(_Camel):
    model_config = ConfigDict(extra="allow")  # a field for each branch that may be in the way

    database_id: int | None  # the schema allows null, as for ids over 32 bits
    name_with_owner: str
    is_archived: bool
    is_empty: bool
    default_branch_ref: _Ref | None = None
    issue_or_pull_request: _Subject | None = None


class _Answer(_Camel):
    repository: _Repository | None = None


async def read(
    repository: Repository, number: int, *, until: str, exclude: int, branch_prefix: str = ""
) -> Conversation | None:
    """The conversation with the comments that were not written or edited after `until` (RFC 3339).

    `exclude`: the id of a comment to leave out. `branch_prefix`: of the branches that ampbot makes. None: the
    repository or the issue does not exist.

    Raises: GitHubError.
    """
    # Where there is a branch `a`, git allows no branch `a/b`.
    ways = {f"way{index}": branch_prefix[:index] for index, letter in enumerate(branch_prefix) if letter == "/"}
    fields = " ".join(
        f"{alias}: ref(qualifiedName: {json.dumps(f'refs/heads/{way}')}) {{ name }}" for alias, way in ways.items()
    )
    found = (await repository.graphql(_QUERY % fields, {"number": number}, _Answer)).repository
    if found is None or found.issue_or_pull_request is None:
        return None
    subject, cutoff = found.issue_or_pull_request, datetime.fromisoformat(until)
    pull = None
    if subject.typename == "PullRequest":
        pull = PullRequest(
            head=subject.head_ref.head(subject.head_ref_name) if subject.head_ref else None,
            head_branch=subject.head_ref_name,
            head_sha=subject.head_ref_oid,
            base_branch=subject.base_ref_name,
            base_sha=subject.base_ref_oid,
            from_fork=subject.is_cross_repository,
            open=subject.pull_state == "OPEN",
            merged=subject.pull_state == "MERGED",
        )
    default = found.default_branch_ref.head(found.default_branch_ref.name) if found.default_branch_ref else None
    return Conversation(
        repository=found.database_id or await repository.id(),
        in_the_way=next((way for alias, way in ways.items() if (found.model_extra or {}).get(alias)), None),
        name=found.name_with_owner,
        archived=found.is_archived,
        default=None if found.is_empty else default,
        pull=pull,
        comments=tuple(
            _comment(comment)
            for comment in subject.comments.nodes
            # Otherwise anybody could change what an authorised request means by a comment or an edit after it.
            if comment is not None
            and comment.full_database_id != exclude
            and comment.created_at <= cutoff
            and (comment.last_edited_at is None or comment.last_edited_at <= cutoff)
        ),
    )


def _comment(comment: _Comment) -> Comment:
    author = comment.author
    return Comment(
        id=comment.full_database_id or 0,
        author=author.login if author else "",
        bot=author is not None and author.typename != "User",
        at=comment.created_at.isoformat(),
        body=comment.body,
    )
