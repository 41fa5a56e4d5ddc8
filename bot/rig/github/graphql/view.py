"""The root of a GraphQL query: the state as the caller may see it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from graphql import GraphQLError

from bot.rig.github.auth import Identity
from bot.rig.github.records import Account, Issue, Repository, Review, ReviewComment, node_id
from bot.rig.github.state import State

T = TypeVar("T")
Resolver = Callable[..., Any]  # (thing, view, **arguments)


@dataclass(frozen=True, slots=True)
class GitNode:
    """An object of a repository: GraphQL's Commit, Tree or Blob."""

    repository: Repository
    oid: str
    kind: str

    @property
    def node_id(self) -> str:
        return f"{self.kind[0].upper()}_{self.repository.id}_{self.oid}"


@dataclass(frozen=True, slots=True)
class RefNode:
    repository: Repository
    ref: str  # in full
    oid: str

    @property
    def node_id(self) -> str:
        encoded = base64.urlsafe_b64encode(self.ref.encode()).decode().rstrip("=")
        return f"REF_{self.repository.id}_{encoded}"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of review comments, identified by its first."""

    first: ReviewComment

    @property
    def node_id(self) -> str:
        return node_id("PRRT", self.first.id)

    @property
    def comments(self) -> list[ReviewComment]:
        every = self.first.pull.comments.values()
        return [comment for comment in every if self.first.id in (comment.id, comment.reply_to)]


def fail(kind: str, message: str) -> NoReturn:
    """A GraphQL error with GitHub's `type`."""
    raise GraphQLError(message, extensions={"type": kind})


@dataclass(frozen=True, slots=True)
class View:
    state: State
    identity: Identity

    def may(self, repo: Repository, permission: str, level: str = "read") -> None:
        if not self.identity.allows(repo, permission, level):
            fail("FORBIDDEN", "Resource not accessible by integration")

    def may_converse(self, issue: Issue, level: str = "read") -> None:
        self.may(issue.repository, "pull_requests" if issue.pull else "issues", level)

    def shown(self, things: Sequence[T], created_at: Callable[[T], float]) -> list[T]:
        return self.state.visible(things, created_at)

    def node(self, wanted: str) -> Any:
        """The record with a global node id. Raises GraphQLError (NOT_FOUND)."""
        for thing in self._things():
            if thing.node_id == wanted:
                return thing
        fail("NOT_FOUND", f"Could not resolve to a node with the global id of '{wanted}'")

    def _things(self) -> Iterator[Any]:
        yield from self.state.accounts.values()
        for repo in self.state.repositories.values():
            if not self.identity.sees(repo):
                continue
            yield repo
            for issue in repo.issues.values():
                yield issue
                yield from issue.comments.values()
                if issue.pull is not None:
                    yield from issue.pull.reviews.values()
                    for comment in issue.pull.comments.values():
                        yield comment
                        if comment.reply_to is None:
                            yield Thread(comment)


def connection(
    things: Sequence[T],
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """A page by cursors, as https://docs.github.com/en/graphql/guides/using-pagination-in-the-graphql-api has it."""
    if first is None and last is None:
        fail("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate.")
    for name, value in (("first", first), ("last", last)):
        if value is not None and not 0 <= value <= 100:
            said = f"Requesting {value} records on the connection exceeds the `{name}` limit of 100 records."
            fail("EXCESSIVE_PAGINATION", said)
    start = _position(after) + 1 if after else 0
    end = min(_position(before), len(things)) if before else len(things)
    if first is not None:
        end = min(end, start + first)
    if last is not None:
        start = max(start, end - last)
    rows = list(things[start:end])
    return {
        "nodes": rows,
        "edges": [{"cursor": _cursor(start + at), "node": row} for at, row in enumerate(rows)],
        "totalCount": len(things),
        "pageInfo": {
            "startCursor": _cursor(start) if rows else None,
            "endCursor": _cursor(end - 1) if rows else None,
            "hasNextPage": end < len(things),
            "hasPreviousPage": start > 0,
        },
    }


def _cursor(position: int) -> str:
    return base64.b64encode(f"cursor:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor, validate=True).decode().removeprefix("cursor:"))
    except ValueError:
        fail("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")


def is_visible(review: Review, view: View) -> bool:
    """Only its author sees a pending review and its comments."""
    return review.state != "PENDING" or review.author.account is view.identity.account


def author_of(account: Account) -> Account | None:
    """The author; null if the account was deleted (REST returns the user `ghost`)."""
    return None if account.deleted else account


def git_node(repo: Repository, oid: str | None) -> GitNode | None:
    kind = repo.bare.kind(oid) if oid else None
    return GitNode(repo, oid, kind) if oid and kind else None


def ref_node(repo: Repository, view: View, name: str) -> RefNode | None:
    """A ref by its full name, or a branch by its short name."""
    view.may(repo, "contents")
    full = name if name.startswith("refs/") else f"refs/heads/{name}"
    oid = repo.bare.ref(full)
    return RefNode(repo, full, oid) if oid else None
