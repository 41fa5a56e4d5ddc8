"""What people did since a moment, found in GitHub's lists and told as GitHub would have delivered it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.events import triggers
from bot.events.triggers import TextTrigger
from bot.github.client import Answer, Client
from bot.github.issue_events import IssueEvent, Item

T = TypeVar("T")

# Pages of a hundred that are read of one list.
MAX_PAGES = 50
# How GitHub takes a moment.
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Found:
    """Something somebody did; `body` has the shape of its webhook's payload. Its names never change."""

    name: str  # in letters that a GUID may have
    event_key: str  # what dispatch calls it
    event: str
    body: bytes


class _Thread(Item):
    """An issue, or a pull request: as an issue where `pull_request` is set, else as itself."""

    number: int
    updated_at: datetime
    pull_request: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Threads:
    """What is open and has changed, by number."""

    issues: Mapping[int, _Thread]  # pull requests too: each is an issue
    pulls: Mapping[int, _Thread]

    def of(self, conversation: str) -> Mapping[int, _Thread]:
        return self.pulls if conversation == "pull_request" else self.issues

    def whole(self, conversation: str) -> tuple[_Thread, ...]:
        """Each as what it is: a pull request is no issue here."""
        return tuple(each for each in self.of(conversation).values() if each.pull_request is None)


class Repo(Item):
    """A repository of an installation."""

    full_name: str
    archived: bool = False


class _Repos(Answer):
    repositories: list[Repo]


async def list_all(client: Client, path: str, item: type[T], **query: Any) -> list[T]:
    """A whole list, up to MAX_PAGES. Raises: GitHubError."""
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

    async def done_since(self, repo: Repo, since: float, asks: frozenset[tuple[str, str]]) -> AsyncIterator[Found]:
        """What was written since (epoch seconds) on issues and pull requests that are open, and the issue events whose
        subject still stands there. `asks`: the names of those events with the subjects that mean us, in small letters.

        Raises: GitHubError.
        """
        base, earliest = f"/repos/{repo.full_name}", datetime.fromtimestamp(int(since), UTC)
        since_then = earliest.strftime(MOMENT)
        issues = await list_all(self._client, f"{base}/issues", _Thread, state="open", since=since_then)
        pulls = [each.number for each in issues if each.pull_request is not None]
        threads = _Threads(
            {each.number: each for each in issues},
            {number: await self._client.call("GET", f"{base}/pulls/{number}", _Thread) for number in pulls},
        )
        for text in triggers.TEXTS:
            async for found in self._texts(repo, text, threads, earliest):
                yield found
        for body in (triggers.ISSUE_BODY, triggers.PULL_BODY):
            for thread in threads.whole(body.conversation):
                async for found in self._issue_events(repo, body, thread, earliest, asks):
                    yield found

    async def _texts(
        self, repo: Repo, text: TextTrigger, threads: _Threads, earliest: datetime
    ) -> AsyncIterator[Found]:
        conversations = threads.of(text.conversation)
        for item in await self._listed(repo, text, threads, earliest):
            thread = conversations.get(_number(str(item.value(text.link))))
            written, by = item.value(text.written), next(iter(item.objects("user")), None)
            # A review that is still being written has no time yet, and a deleted account asks nothing.
            if thread is None or not isinstance(written, str) or by is None:
                continue
            if datetime.fromisoformat(written) >= earliest:
                parts = {text.conversation: thread} | ({text.field: item} if text.field else {})
                key = triggers.text_key(text.kind, item.id)
                yield self._told(repo, f"{text.name}-{item.id}", key, text.event, text.action, by, parts)

    async def _listed(self, repo: Repo, text: TextTrigger, threads: _Threads, earliest: datetime) -> Sequence[Item]:
        numbers, path = threads.of(text.conversation), f"/repos/{repo.full_name}{text.path}"
        if not text.path:
            return threads.whole(text.conversation)
        if "{number}" in path:
            lists = [await list_all(self._client, path.format(number=number), Item) for number in numbers]
            return [item for each in lists for item in each]
        since = {"since": earliest.strftime(MOMENT), "sort": "updated", "direction": "asc"}
        return await list_all(self._client, path, Item, **since) if numbers else ()

    async def _issue_events(
        self, repo: Repo, body: TextTrigger, thread: _Thread, earliest: datetime, asks: frozenset[tuple[str, str]]
    ) -> AsyncIterator[Found]:
        """The latest of each subject that stands. The webhook that tells of it is that of the description, `body`."""
        standing = [
            (trigger, subject, name)
            for trigger in triggers.ISSUE_EVENTS
            for subject in trigger.subjects
            for name in sorted(thread.names(subject.standing, subject.key))
            if (trigger.name, name) in asks
        ]
        if not standing:
            return
        path = f"/repos/{repo.full_name}/issues/{thread.number}/events"
        listed = await list_all(self._client, path, IssueEvent)
        for trigger, subject, name in standing:
            latest = next((one for one in reversed(listed) if one.is_of(trigger) and one.is_about(subject, name)), None)
            by = latest.by(trigger) if latest is not None else None
            if latest is None or by is None or latest.created_at < earliest:
                continue
            # By this time the event is known later, as it is in a delivery.
            then = thread.model_copy(update={"updated_at": latest.created_at})
            parts = {body.conversation: then, subject.field: latest.value(subject.field)}
            found, key = f"{triggers.ISSUE_EVENT}-{latest.id}", triggers.issue_event_key(latest.id)
            yield self._told(repo, found, key, body.event, trigger.name, by, parts)

    def _told(
        self, repo: Repo, name: str, key: str, event: str, action: str, sender: object, parts: Mapping[str, object]
    ) -> Found:
        payload = {
            "action": action,
            **{field: _plain(part) for field, part in parts.items()},
            "repository": _plain(repo),
            "sender": sender,
            "installation": {"id": self._installation},
        }
        return Found(name, key, event, json.dumps(payload, separators=(",", ":")).encode())


def _plain(part: object) -> object:
    return part.model_dump(mode="json", exclude_unset=True) if isinstance(part, Item) else part


def _number(address: str) -> int:
    """Of an issue or pull request, from its address: the last of its path. Never fetched."""
    last = address.rpartition("/")[2]
    return int(last) if last.isdecimal() else 0
