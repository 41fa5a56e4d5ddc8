"""The requests we send about one repository. Each method returns our own types and raises GitHubError."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from bot.events.triggers import IssueEventTrigger
from bot.github.client import Client
from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)
from bot.github.identity import Identity
from bot.github.issue_events import IssueEvent, candidates
from bot.github.records import (
    Comment,
    CommentAnswer,
    Commit,
    CommitAnswer,
    CompareAnswer,
    Divergence,
    IdAnswer,
    InlineComment,
    PermissionAnswer,
    Pull,
    PullAnswer,
    RefAnswer,
    ShaAnswer,
    TreeAnswer,
    TreeEntry,
    TreeFile,
)
from bot.model import CommentKind, Event

T = TypeVar("T")

MAX_COMPARED = 300  # files of a comparison: https://docs.github.com/en/rest/commits/commits#compare-two-commits


class Repository:
    """Requests about one repository with one token. `renew` returns a new client when GitHub refuses the token."""

    def __init__(self, name: str, client: Client, renew: Callable[[], Awaitable[Client]] | None = None) -> None:
        self.name = name
        self._client = client
        self._renew = renew

    async def _call(self, method: str, path: str, answer: type[T] | None = None, **options: Any) -> T:
        full_path = f"/repos/{self.name}{path}"
        try:
            return await self._client.call(method, full_path, answer, **options)
        except UnauthorizedError:
            if self._renew is None:
                raise
            self._client = await self._renew()
            return await self._client.call(method, full_path, answer, **options)

    def _text(self, body: str) -> dict[str, str]:
        """The request's field for text that people read. It is redacted here, so that no caller can forget it."""
        return {"body": self._client.redact(body)}

    async def graphql(self, query: str, variables: Mapping[str, Any], answer: type[T], *, nulls: bool = False) -> T:
        """A query about this repository: its $owner and $name are added. `nulls`: as in `Client.graphql`."""
        owner, name = self.name.split("/")
        variables = {"owner": owner, "name": name, **variables}
        try:
            return await self._client.graphql(query, variables, answer, nulls=nulls)
        except UnauthorizedError:
            if self._renew is None:
                raise
            self._client = await self._renew()
            return await self._client.graphql(query, variables, answer, nulls=nulls)

    async def mutate(self, mutation: str, input: Mapping[str, Any]) -> None:  # noqa: A002 - GraphQL's name
        """A GraphQL mutation that is safe to repeat, with its one variable $input."""
        await self._client.graphql(mutation, {"input": input}, object)

    async def id(self) -> int:
        """The repository's id."""
        return (await self._call("GET", "", IdAnswer)).id

    # --- people ---

    async def permission(self, login: str, user: int) -> str:
        """`admin`, `write`, `read` or `none`. GitHub reports maintain as write, and triage as read.

        `none` also if the login now belongs to another account than `user`.
        """
        try:
            got = await self._call(
                "GET", f"/collaborators/{quote(login, safe='')}/permission", PermissionAnswer, urgent=True
            )
        except NotFoundError:
            return "none"
        if got.user is None:  # the schema allows it, and then nobody knows whose permission this is
            raise UnavailableError(200, "GitHub did not say whose permission it is.")
        return got.permission if got.user.id == user else "none"

    # --- conversations ---

    async def react(self, kind: CommentKind, number: int, comment: int, content: str) -> None:
        """Add a reaction to a comment. It is safe to repeat: GitHub keeps one of each kind."""
        paths = {
            CommentKind.ISSUE: f"/issues/comments/{comment}/reactions",
            CommentKind.LINE: f"/pulls/comments/{comment}/reactions",
            CommentKind.BODY: f"/issues/{number}/reactions",
        }
        if kind in paths:  # GitHub has no reactions to the body of a review
            await self._call("POST", paths[kind], body={"content": content}, repeat=True, urgent=True)

    async def comment(self, number: int, body: str) -> Comment:
        got = await self._call("POST", f"/issues/{number}/comments", CommentAnswer, body=self._text(body), urgent=True)
        return got.value()

    async def edit_comment(self, comment: int, body: str) -> None:
        await self._call("PATCH", f"/issues/comments/{comment}", body=self._text(body), urgent=True)

    async def show_progress(self, comment: int, body: str) -> None:
        """Edit a progress comment, unless GitHub's rate limits are near: edits may count as content."""
        if self._client.has_headroom:
            await self._call("PATCH", f"/issues/comments/{comment}", body=self._text(body))

    async def find_comment(self, number: int, marker: str, me: Identity, since: str) -> Comment | None:
        """The oldest comment of ours with `marker`, among those updated since `since` (RFC 3339)."""
        return next(iter(await self.find_comments(number, marker, me, since)), None)

    async def find_comments(self, number: int, marker: str, me: Identity, since: str) -> tuple[Comment, ...]:
        """All such comments, oldest first. There can be two: GitHub's lists lag behind its writes."""
        comments: list[Comment] = []
        for page in itertools.count(1):
            query = {"since": since, "per_page": 100, "page": page}
            got = await self._call("GET", f"/issues/{number}/comments", list[CommentAnswer], query=query)
            comments += [item.value() for item in got if item.is_ours(me, marker)]
            if len(got) < 100:
                break
        return tuple(comments)

    async def delete_comment(self, comment: int) -> None:
        """Delete a comment; it may be deleted already."""
        with suppress(NotFoundError):
            await self._call("DELETE", f"/issues/comments/{comment}")

    async def remove_label(self, number: int, label: str) -> None:
        """Remove a label; it may be removed already."""
        try:
            await self._call("DELETE", f"/issues/{number}/labels/{quote(label, safe='')}")
        except NotFoundError:
            return

    async def issue_events(self, trigger: IssueEventTrigger[Any], event: Event) -> tuple[int, ...]:
        """Ids of the issue events that may be this one, oldest first. GitHub's list may lag."""
        listed: list[IssueEvent] = []
        for page in itertools.count(1):  # the newest events are on the last page
            query = {"per_page": 100, "page": page}
            got = await self._call("GET", f"/issues/{event.issue.number}/events", list[IssueEvent], query=query)
            listed += got
            if len(got) < 100:
                break
        return candidates(listed, trigger, event)

    # --- reading a pull request ---

    async def merge_base(self, base: str, head: str) -> str:
        return (await self.compare(base, head))[0]

    async def divergence(self, base: str, head: str) -> Divergence:
        got = await self._compare(base, head)
        return Divergence(got.merge_base_commit.sha, got.ahead_by, got.behind_by)

    async def compare(self, base: str, head: str) -> tuple[str, frozenset[str] | None]:
        """The merge base, and what changed from there to `head`, by path. None: more than GitHub lists."""
        got = await self._compare(base, head)
        paths = frozenset(path for file in got.files for path in (file.filename, file.previous_filename) if path)
        return got.merge_base_commit.sha, paths if len(got.files) < MAX_COMPARED else None

    async def _compare(self, base: str, head: str) -> CompareAnswer:
        return await self._call("GET", f"/compare/{base}...{head}", CompareAnswer, query={"per_page": 1})

    async def diff(self, base: str, head: str) -> str:
        """The unified diff between two commits. Unlike a pull request's diff, it does not change with new pushes.

        Raises: GitHubError with status 406 when it is too large.
        """
        return await self._call("GET", f"/compare/{base}...{head}", str, accept="application/vnd.github.v3.diff")

    # --- writing ---

    async def blob(self, content: bytes) -> str:
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return (await self._call("POST", "/git/blobs", ShaAnswer, body=body, repeat=True)).sha

    async def tree(self, base: str, entries: Sequence[TreeEntry]) -> str:
        """Create a tree and return its sha. It is safe to repeat: the same content has the same sha."""
        body = {"base_tree": base, "tree": [_tree_entry(entry) for entry in entries]}
        return (await self._call("POST", "/git/trees", ShaAnswer, body=body, repeat=True)).sha

    async def files(self, tree: str) -> dict[str, TreeFile] | None:
        """All files and submodules of a tree, by path. None: more than GitHub lists, which is 100,000.

        https://docs.github.com/en/rest/git/trees#get-a-tree
        """
        got = await self._call("GET", f"/git/trees/{tree}", TreeAnswer, query={"recursive": 1})
        if got.truncated:
            return None
        return {item.path: TreeFile(item.mode, item.sha) for item in got.tree if item.type != "tree"}

    async def make_commit(self, message: str, tree: str, parents: Sequence[str]) -> Commit:
        """Create a commit. GitHub signs it only if we give no author and no committer."""
        body = {"message": self._client.redact(message), "tree": tree, "parents": list(parents)}
        return (await self._call("POST", "/git/commits", CommitAnswer, body=body, repeat=True)).value()

    async def commit(self, sha: str) -> Commit:
        return (await self._call("GET", f"/git/commits/{sha}", CommitAnswer)).value()

    async def branch(self, name: str) -> str | None:
        """The sha of a branch's newest commit; None: there is no such branch."""
        try:
            return (await self._call("GET", f"/git/ref/heads/{quote(name)}", RefAnswer)).object.sha
        except NotFoundError:
            return None

    async def create_branch(self, name: str, sha: str) -> bool:
        """Create a branch. False if it exists already."""
        body = {"ref": f"refs/heads/{name}", "sha": sha}
        try:
            await self._call("POST", "/git/refs", body=body)
        except UnprocessableError as error:
            if "already exists" not in error.message:
                raise
            return False
        return True

    async def merge(self, base: str, head: str) -> bool | None:
        """Merge a branch into `base`. False if they conflict, None if GitHub refuses. It is safe to repeat."""
        try:
            await self._call("POST", "/merges", body={"base": base, "head": head}, repeat=True)
        except ConflictError:
            return False
        except (ForbiddenError, NotFoundError, UnprocessableError):  # for example, it would bring in changed workflows
            return None
        return True

    async def delete_branch(self, name: str) -> None:
        try:
            await self._call("DELETE", f"/git/refs/heads/{quote(name)}")
        except UnprocessableError as error:
            if "does not exist" not in error.message:
                raise

    async def open_pull(self, title: str, body: str, head: str, base: str, *, draft: bool = False) -> Pull | None:
        """Open a pull request. None if one is open for this head already.

        Some plans have no drafts. Then it is no draft, and its title begins with [WIP].
        """
        fields = {"title": self._client.redact(title), **self._text(body), "head": head, "base": base, "draft": draft}
        try:
            got = await self._call("POST", "/pulls", PullAnswer, body=fields | {"maintainer_can_modify": True})
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
        got = await self._call("GET", "/pulls", list[PullAnswer], query=query)
        return got[0].value() if got else None

    async def review(self, number: int, commit: str | None, body: str, comments: Sequence[InlineComment]) -> str:
        """Post a review that neither approves nor blocks; None: of the newest commit. Return its address."""
        got = await self._call(
            "POST",
            f"/pulls/{number}/reviews",
            CommentAnswer,
            body={
                **({"commit_id": commit} if commit else {}),
                "event": "COMMENT",
                **self._text(body),
                "comments": [_inline(comment) | self._text(comment.body) for comment in comments],
            },
        )
        return got.html_url

    async def find_review(self, number: int, marker: str, me: Identity) -> str | None:
        """The address of our review with `marker`; None if there is none."""
        for page in itertools.count(1):
            query = {"per_page": 100, "page": page}
            got = await self._call("GET", f"/pulls/{number}/reviews", list[CommentAnswer], query=query)
            found = next((item.html_url for item in got if item.is_ours(me, marker)), None)
            if found is not None or len(got) < 100:
                break
        return found


def _tree_entry(entry: TreeEntry) -> dict[str, Any]:
    kind = "commit" if entry.mode == "160000" else "blob"
    fields: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "type": kind}
    if entry.text is not None:
        return fields | {"content": entry.text}
    return fields | {"sha": entry.blob}  # null deletes the file


def _inline(comment: InlineComment) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": comment.path, "line": comment.line, "side": comment.side}
    if comment.start_line is not None:
        fields |= {"start_line": comment.start_line, "start_side": comment.side}
    return fields
