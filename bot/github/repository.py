"""What the bot does in one repository: few calls, each one request, each answered in our own types."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from bot.events.triggers import IssueEventTrigger
from bot.github.client import Answer, Client
from bot.github.errors import NotFoundError, UnauthorizedError, UnprocessableError
from bot.github.issue_events import IssueEvent, candidates
from bot.model import CommentKind, Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    body: str
    author: str  # "" when the account was deleted
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One change to a tree: inline text, a blob's sha, or neither (deleted)."""

    path: str
    mode: str
    text: str | None = None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class Pull:
    number: int
    url: str
    head_sha: str
    draft: bool


@dataclass(frozen=True, slots=True)
class InlineComment:
    """A review comment on lines of the diff."""

    path: str
    line: int
    side: str
    body: str
    start_line: int | None = None


class _User(Answer):
    login: str
    id: int = 0


class _Permission(Answer):
    permission: str
    user: _User | None = None


class _Comment(Answer):
    id: int
    body: str | None = None
    user: _User | None = None
    html_url: str = ""

    def value(self) -> Comment:
        return Comment(self.id, self.body or "", self.user.login if self.user else "", self.html_url)


class _Sha(Answer):
    sha: str


class _Verification(Answer):
    verified: bool = False


class _Commit(Answer):
    sha: str
    tree: _Sha
    parents: list[_Sha]
    verification: _Verification = _Verification()

    def value(self) -> Commit:
        return Commit(self.sha, self.tree.sha, tuple(p.sha for p in self.parents), self.verification.verified)


class _Ref(Answer):
    object: _Sha


class _Compare(Answer):
    merge_base_commit: _Sha


class _Pull(Answer):
    number: int
    html_url: str
    head: _Sha
    draft: bool = False

    def value(self) -> Pull:
        return Pull(self.number, self.html_url, self.head.sha, self.draft)


class Repository:
    """Calls on one repository with one token. `renew` gives a new client when GitHub refuses the token."""

    def __init__(self, name: str, client: Client, renew: Callable[[], Awaitable[Client]] | None = None) -> None:
        self.name = name
        self._client = client
        self._renew = renew

    async def _call(self, method: str, path: str, answer: type[T] | None = None, **options: Any) -> T:
        whole = f"/repos/{self.name}{path}"
        try:
            return await self._client.call(method, whole, answer, **options)
        except UnauthorizedError:
            if self._renew is None:
                raise
            self._client = await self._renew()
            return await self._client.call(method, whole, answer, **options)

    def _text(self, body: str) -> dict[str, str]:
        """The field that carries what people read. No caller can forget to redact it."""
        return {"body": self._client.redact(body)}

    async def graphql(self, query: str, variables: Mapping[str, Any], answer: type[T]) -> T:
        owner, name = self.name.split("/")
        variables = {"owner": owner, "name": name, **variables}
        try:
            return await self._client.graphql(query, variables, answer)
        except UnauthorizedError:
            if self._renew is None:
                raise
            self._client = await self._renew()
            return await self._client.graphql(query, variables, answer)

    # --- people ---

    async def permission(self, login: str, user: int) -> str:
        """`admin`, `write`, `read` or `none` as of now (maintain counts as write, triage as read).

        A login that now belongs to another account has none.
        """
        try:
            got = await self._call(
                "GET", f"/collaborators/{quote(login, safe='')}/permission", _Permission, urgent=True
            )
        except NotFoundError:
            return "none"
        return got.permission if got.user is not None and got.user.id == user else "none"

    # --- conversations ---

    async def react(self, kind: CommentKind, number: int, comment: int, content: str) -> None:
        """Put a reaction on the triggering text. GitHub keeps one of a kind, so this may be repeated."""
        paths = {
            CommentKind.ISSUE: f"/issues/comments/{comment}/reactions",
            CommentKind.LINE: f"/pulls/comments/{comment}/reactions",
            CommentKind.BODY: f"/issues/{number}/reactions",
        }
        if kind in paths:  # GitHub has no reactions on the body of a review
            await self._call("POST", paths[kind], body={"content": content}, repeat=True, urgent=True)

    async def comment(self, number: int, body: str) -> Comment:
        got = await self._call("POST", f"/issues/{number}/comments", _Comment, body=self._text(body), urgent=True)
        return got.value()

    async def edit_comment(self, comment: int, body: str) -> None:
        await self._call("PATCH", f"/issues/comments/{comment}", body=self._text(body), urgent=True)

    async def show_progress(self, comment: int, body: str) -> None:
        """Edit, or leave it to the next time where GitHub's limits are near: edits may count as well."""
        if self._client.is_idle:
            await self._call("PATCH", f"/issues/comments/{comment}", body=self._text(body))

    async def find_comment(self, number: int, marker: str, author: str, since: str) -> Comment | None:
        """The oldest comment by `author` that holds `marker`, among those changed since `since` (RFC 3339)."""
        return next(iter(await self.find_comments(number, marker, author, since)), None)

    async def find_comments(self, number: int, marker: str, author: str, since: str) -> tuple[Comment, ...]:
        """All of them, oldest first: where a list lagged, one was made twice."""
        found: list[Comment] = []
        for page in itertools.count(1):
            query = {"since": since, "per_page": 100, "page": page}
            got = await self._call("GET", f"/issues/{number}/comments", list[_Comment], query=query)
            found += [item.value() for item in got]
            if len(got) < 100:
                break
        return tuple(each for each in found if each.author == author and marker in each.body)

    async def delete_comment(self, comment: int) -> None:
        """It may be gone already."""
        with suppress(NotFoundError):
            await self._call("DELETE", f"/issues/comments/{comment}")

    async def remove_label(self, number: int, label: str) -> None:
        """Take a label off; it may be off already."""
        try:
            await self._call("DELETE", f"/issues/{number}/labels/{quote(label, safe='')}")
        except NotFoundError:
            return

    async def issue_events(self, trigger: IssueEventTrigger[Any], event: Event) -> tuple[int, ...]:
        """Ids of the issue events that may be this one, oldest first. GitHub's list may lag."""
        listed: list[IssueEvent] = []
        for page in itertools.count(1):  # oldest first, so it is walked whole
            query = {"per_page": 100, "page": page}
            got = await self._call("GET", f"/issues/{event.issue.number}/events", list[IssueEvent], query=query)
            listed += got
            if len(got) < 100:
                break
        return candidates(listed, trigger, event)

    # --- reading a pull request ---

    async def merge_base(self, base: str, head: str) -> str:
        got = await self._call("GET", f"/compare/{base}...{head}", _Compare, query={"per_page": 1})
        return got.merge_base_commit.sha

    async def diff(self, base: str, head: str) -> str:
        """GitHub's own unified diff between commits: a pull request's, though its head may have moved meanwhile.

        Raises: GitHubError 406 when it is too large.
        """
        return await self._call("GET", f"/compare/{base}...{head}", str, accept="application/vnd.github.v3.diff")

    # --- writing ---

    async def blob(self, content: bytes) -> str:
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return (await self._call("POST", "/git/blobs", _Sha, body=body, repeat=True)).sha

    async def tree(self, base: str, entries: Sequence[Entry]) -> str:
        """A tree's sha. Content-addressed, so making it twice is harmless."""
        body = {"base_tree": base, "tree": [_tree_entry(entry) for entry in entries]}
        return (await self._call("POST", "/git/trees", _Sha, body=body, repeat=True)).sha

    async def make_commit(self, message: str, tree: str, parent: str) -> Commit:
        """A commit without author or committer: only then does GitHub sign it as the App's."""
        body = {"message": self._client.redact(message), "tree": tree, "parents": [parent]}
        return (await self._call("POST", "/git/commits", _Commit, body=body, repeat=True)).value()

    async def commit(self, sha: str) -> Commit:
        return (await self._call("GET", f"/git/commits/{sha}", _Commit)).value()

    async def branch(self, name: str) -> str | None:
        """The commit a branch is at, or None."""
        try:
            return (await self._call("GET", f"/git/ref/heads/{quote(name)}", _Ref)).object.sha
        except NotFoundError:
            return None

    async def create_branch(self, name: str, sha: str) -> bool:
        """Create only. False if the name is taken."""
        body = {"ref": f"refs/heads/{name}", "sha": sha}
        try:
            await self._call("POST", "/git/refs", body=body)
        except UnprocessableError as error:
            if "already exists" not in error.message:
                raise
            return False
        return True

    async def move_branch(self, name: str, sha: str) -> bool:
        """Fast-forward, never forced. False if the branch has moved elsewhere, or is gone."""
        try:
            await self._call("PATCH", f"/git/refs/heads/{quote(name)}", body={"sha": sha, "force": False})
        except UnprocessableError as error:
            if "fast forward" not in error.message and "does not exist" not in error.message:
                raise
            return False
        return True

    async def delete_branch(self, name: str) -> None:
        try:
            await self._call("DELETE", f"/git/refs/heads/{quote(name)}")
        except UnprocessableError as error:
            if "does not exist" not in error.message:
                raise

    async def open_pull(self, title: str, body: str, head: str, base: str, *, draft: bool = False) -> Pull | None:
        """Open a pull request. None if one is open for this head already.

        Where a repository's plan has no drafts it is a common one, and its title says that it is unfinished.
        """
        asked = {"title": self._client.redact(title), **self._text(body), "head": head, "base": base, "draft": draft}
        try:
            got = await self._call("POST", "/pulls", _Pull, body=asked | {"maintainer_can_modify": True})
        except UnprocessableError as error:
            if draft and "draft pull requests are not supported" in error.message.lower():
                return await self.open_pull(f"[WIP] {title}", body, head, base)
            if "already exists" not in error.message:
                raise
            return None
        return got.value()

    async def find_pull(self, head: str) -> Pull | None:
        owner = self.name.split("/")[0]
        query = {"head": f"{owner}:{head}", "state": "all"}
        got = await self._call("GET", "/pulls", list[_Pull], query=query)
        return got[0].value() if got else None

    async def review(self, number: int, commit: str, body: str, comments: Sequence[InlineComment]) -> str:
        """Post a review that neither approves nor blocks; answers its address."""
        got = await self._call(
            "POST",
            f"/pulls/{number}/reviews",
            _Comment,
            body={
                "commit_id": commit,
                "event": "COMMENT",
                **self._text(body),
                "comments": [_inline(comment) | self._text(comment.body) for comment in comments],
            },
        )
        return got.html_url

    async def find_review(self, number: int, marker: str, author: str) -> str | None:
        page = 1
        while True:
            query = {"per_page": 100, "page": page}
            got = await self._call("GET", f"/pulls/{number}/reviews", list[_Comment], query=query)
            for found in (item.value() for item in got):
                if found.author == author and marker in found.body:
                    return found.url
            if len(got) < 100:
                return None
            page += 1


def _tree_entry(entry: Entry) -> dict[str, Any]:
    made: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "type": "blob"}
    if entry.text is not None:
        return made | {"content": entry.text}
    return made | {"sha": entry.blob}  # null deletes


def _inline(comment: InlineComment) -> dict[str, Any]:
    made: dict[str, Any] = {
        "path": comment.path,
        "line": comment.line,
        "side": comment.side,
    }
    if comment.start_line is not None:
        made |= {"start_line": comment.start_line, "start_side": comment.side}
    return made
