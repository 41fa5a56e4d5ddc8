"""What people did since a moment, found in GitHub's lists and told as GitHub would have delivered it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ConfigDict

from bot.github.client import Answer, Client
from bot.model import CommentKind

T = TypeVar("T")

# Pages of a hundred that are read of one list.
MAX_PAGES = 50


@dataclass(frozen=True, slots=True)
class Gesture:
    """Something somebody did; `body` has the shape of the event's payload. The names are the same at every finding."""

    name: str  # of the gesture, in letters that a GUID may have
    event_key: str  # what dispatch calls it
    event: str
    body: bytes


class Item(Answer):
    """An object of GitHub's, whole: what is not read here is handed on as it came."""

    model_config = ConfigDict(extra="allow")

    id: int


class _User(Item):
    login: str


class _Label(Item):
    name: str


class _Team(Item):
    slug: str


class _Written(Item):
    created_at: datetime
    user: _User | None = None


class _Thread(_Written):
    number: int
    updated_at: datetime
    labels: tuple[_Label, ...] = ()
    pull_request: dict[str, Any] | None = None


class _Comment(_Written):
    issue_url: str


class _LineComment(_Written):
    pull_request_url: str


class _Review(Item):
    user: _User | None = None
    submitted_at: datetime | None = None  # not there while it is being written


class _Pull(_Thread):
    requested_reviewers: tuple[_User, ...] = ()
    requested_teams: tuple[_Team, ...] = ()


class _Event(Item):
    event: str
    created_at: datetime
    actor: _User | None = None
    label: dict[str, Any] | None = None
    requested_reviewer: dict[str, Any] | None = None
    requested_team: dict[str, Any] | None = None


class Repo(Item):
    """A repository of an installation."""

    full_name: str
    archived: bool = False


class _Repos(Answer):
    repositories: list[Repo]


async def list_all(client: Client, path: str, item: type[T], **query: Any) -> list[T]:
    """A whole list, up to MOST_PAGES. Raises: GitHubError."""
    found: list[T] = []
    for page in range(1, MAX_PAGES + 1):
        got = await client.call("GET", path, list[item], query={"per_page": 100, "page": page, **query})  # type: ignore[valid-type]  # a type made at run time
        found += got
        if len(got) < 100:
            break
    return found


class Search:
    """One installation's repositories, read with one token."""

    def __init__(self, client: Client, installation: int) -> None:
        self._client = client
        self._installation = installation

    async def repositories(self) -> list[Repo]:
        """Those that are not archived: in the others nobody can be answered. Raises: GitHubError."""
        found: list[Repo] = []
        for page in itertools.count(1):
            query = {"per_page": 100, "page": page}
            got = (await self._client.call("GET", "/installation/repositories", _Repos, query=query)).repositories
            found += (repo for repo in got if not repo.archived)
            if len(got) < 100:
                break
        return found

    async def gestures(
        self, repo: Repo, since: float, labels: frozenset[str], names: frozenset[str]
    ) -> AsyncIterator[Gesture]:
        """What was written since (epoch seconds) on issues and pull requests that are open, and the labels and review
        requests that still stand there. `labels` and `names` (logins, team slugs) are those that mean us, in small
        letters. Raises: GitHubError.
        """
        base, earliest = f"/repos/{repo.full_name}", datetime.fromtimestamp(int(since), UTC)
        moment = earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
        threads = {
            thread.number: thread
            for thread in await list_all(self._client, f"{base}/issues", _Thread, state="open", since=moment)
        }
        if not threads:
            return
        by_update = {"since": moment, "sort": "updated", "direction": "asc"}
        for comment in await list_all(self._client, f"{base}/issues/comments", _Comment, **by_update):
            issue = threads.get(_number(comment.issue_url))
            if issue is not None and comment.created_at >= earliest and comment.user is not None:
                parts = {"issue": issue, "comment": comment}
                yield self._told(repo, "issue", comment, "issue_comment", "created", comment.user, parts)
        pulls: dict[int, _Pull] = {}
        for number, thread in threads.items():
            shown: _Thread = thread
            if thread.pull_request is not None:
                shown = pulls[number] = await self._client.call("GET", f"{base}/pulls/{number}", _Pull)
            is_pull = thread.pull_request is not None
            event, key, kind = ("pull_request", "pull_request", "pull") if is_pull else ("issues", "issue", "body")
            if thread.created_at >= earliest and thread.user is not None:
                yield self._told(repo, kind, shown, event, "opened", thread.user, {key: shown})
            async for gesture in self._asked_by_sign(repo, shown, event, key, earliest, labels, names):
                yield gesture
        if pulls:
            async for gesture in self._reviewed(repo, pulls, earliest):
                yield gesture

    async def _asked_by_sign(
        self,
        repo: Repo,
        thread: _Thread,
        event: str,
        key: str,
        earliest: datetime,
        labels: frozenset[str],
        names: frozenset[str],
    ) -> AsyncIterator[Gesture]:
        """By a label that is still on, or a review that is still requested: the latest gesture of each."""
        wanted = {("labeled", label.name.lower()) for label in thread.labels if label.name.lower() in labels}
        if isinstance(thread, _Pull):
            asked = (*(one.login for one in thread.requested_reviewers), *(one.slug for one in thread.requested_teams))
            wanted |= {("review_requested", one.lower()) for one in asked if one.lower() in names}
        if not wanted:
            return
        path = f"/repos/{repo.full_name}/issues/{thread.number}/events"
        latest = {_sign(one): one for one in await list_all(self._client, path, _Event) if _sign(one) in wanted}
        for one in latest.values():
            if one.created_at < earliest or one.actor is None:
                continue
            details = {"label": one.label, "requested_reviewer": one.requested_reviewer}
            details |= {"requested_team": one.requested_team}
            # By this time the gesture's own event is known later, as it is in a delivery.
            then = thread.model_copy(update={"updated_at": one.created_at})
            parts = {key: then, **{name: detail for name, detail in details.items() if detail is not None}}
            yield self._told(repo, "event", one, event, one.event, one.actor, parts)

    async def _reviewed(self, repo: Repo, pulls: dict[int, _Pull], earliest: datetime) -> AsyncIterator[Gesture]:
        base = f"/repos/{repo.full_name}/pulls"
        since = earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
        for line in await list_all(self._client, f"{base}/comments", _LineComment, since=since, sort="updated"):
            pull = pulls.get(_number(line.pull_request_url))
            if pull is not None and line.created_at >= earliest and line.user is not None:
                parts = {"pull_request": pull, "comment": line}
                yield self._told(repo, "line", line, "pull_request_review_comment", "created", line.user, parts)
        for number, pull in pulls.items():
            for review in await list_all(self._client, f"{base}/{number}/reviews", _Review):
                if review.submitted_at is not None and review.submitted_at >= earliest and review.user is not None:
                    told = {"pull_request": pull, "review": review}
                    yield self._told(repo, "review", review, "pull_request_review", "submitted", review.user, told)

    def _told(
        self, repo: Repo, kind: str, item: Item, event: str, action: str, sender: Item, parts: dict[str, Any]
    ) -> Gesture:
        payload = {
            "action": action,
            **{name: _plain(part) for name, part in parts.items()},
            "repository": _plain(repo),
            "sender": _plain(sender),
            "installation": {"id": self._installation},
        }
        event_key = f"{CommentKind.BODY if kind == 'pull' else kind}:{item.id}"
        return Gesture(f"{kind}-{item.id}", event_key, event, json.dumps(payload, separators=(",", ":")).encode())


def _plain(part: Any) -> Any:
    return part.model_dump(mode="json", exclude_unset=True) if isinstance(part, Item) else part


def _sign(event: _Event) -> tuple[str, str]:
    """(kind, whom or what it names)."""
    named: Iterable[Any] = (
        (event.label or {}).get("name"),
        (event.requested_reviewer or {}).get("login"),
        (event.requested_team or {}).get("slug"),
    )
    return event.event, next((str(name).lower() for name in named if name), "")


def _number(address: str) -> int:
    """Of an issue or pull request, from its address: the last of its path. Never fetched."""
    last = address.rpartition("/")[2]
    return int(last) if last.isdecimal() else 0
