"""Finds what people did since a given time in GitHub's lists, and builds the payloads of the missing webhooks."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.events import triggers
from bot.events.triggers import TextTrigger
from bot.github.client import Answer, Client
from bot.github.issue_events import IssueEvent, Item
from bot.github.provenance import is_its_authors
from bot.model import CommentEvent

T = TypeVar("T")

# The limit of pages, of 100 entries each, read from one list.
MAX_PAGES = 50
# The format of GitHub's parameter `since`, in UTC.
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that somebody did; `body` has the shape of the webhook's payload. Its names are always the same."""

    name: str  # part of a GUID, in the characters that one may contain
    event_key: str  # the same as for a delivery of the event
    event: str  # the webhook's name
    body: bytes
    node: str = ""  # of a text: its global id


class _Thread(Item):
    """An issue or a pull request. `pull_request` is set on a pull request from the list of issues."""

    number: int
    updated_at: datetime
    pull_request: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Threads:
    """The open issues and pull requests that have changed, by number."""

    issues: Mapping[int, _Thread]  # pull requests too: GitHub lists each as an issue
    pulls: Mapping[int, _Thread]

    def of(self, conversation: str) -> Mapping[int, _Thread]:
        return self.pulls if conversation == "pull_request" else self.issues

    def whole(self, conversation: str) -> tuple[_Thread, ...]:
        """All of one kind: here the issues do not include pull requests."""
        return tuple(thread for thread in self.of(conversation).values() if thread.pull_request is None)


class Repo(Item):
    """A repository of an installation."""

    full_name: str
    archived: bool = False


class _Repos(Answer):
    repositories: list[Repo]


async def list_all(client: Client, path: str, item: type[T], **query: Any) -> list[T]:
    """All entries of a list, up to MAX_PAGES pages. Raises: GitHubError."""
    found: list[T] = []
    for page in range(1, MAX_PAGES + 1):
        got = await client.call("GET", path, list[item], query={"per_page": 100, "page": page, **query})  # type: ignore[valid-type]  # a type made at run time
        found += got
        if len(got) < 100:
            break
    return found


class Search:
    """Searches the repositories of one installation; `client` must authenticate as that installation."""

    def __init__(self, client: Client, installation: int) -> None:
        self._client = client
        self._installation = installation

    async def repositories(self) -> list[Repo]:
        """All that are not archived: in an archived one we cannot reply. Raises: GitHubError."""
        found: list[Repo] = []
        for page in itertools.count(1):
            query = {"per_page": 100, "page": page}
            got = (await self._client.call("GET", "/installation/repositories", _Repos, query=query)).repositories
            found += (repo for repo in got if not repo.archived)
            if len(got) < 100:
                break
        return found

    async def done_since(self, repo: Repo, since: float, answered: frozenset[tuple[str, str]]) -> AsyncIterator[Found]:
        """Texts and issue events since `since` (epoch seconds) on open issues and pull requests.

        Of the issue events, only the latest of each current subject. `answered`: (issue event, subject), both by name
        and in lower case, for each that a handler answers.

        Raises: GitHubError.
        """
        base, earliest = f"/repos/{repo.full_name}", datetime.fromtimestamp(int(since), UTC)
        since_then = earliest.strftime(MOMENT)
        issues = await list_all(self._client, f"{base}/issues", _Thread, state="open", since=since_then)
        pulls = [issue.number for issue in issues if issue.pull_request is not None]
        threads = _Threads(
            {issue.number: issue for issue in issues},
            {number: await self._client.call("GET", f"{base}/pulls/{number}", _Thread) for number in pulls},
        )
        for text in triggers.TEXTS:
            async for found in self._texts(repo, text, threads, earliest):
                yield found
        for body in (triggers.ISSUE_BODY, triggers.PULL_BODY):
            for thread in threads.whole(body.conversation):
                async for found in self._issue_events(repo, body, thread, earliest, answered):
                    yield found

    async def is_its_authors(self, repo: Repo, found: Found, event: CommentEvent) -> bool:
        """Whether the author alone wrote the text `found`, and in this repository. Raises: GitHubError.

        The payload names the author as its sender, because GitHub's lists name nobody else.
        """
        return await is_its_authors(self._client, repo.full_name, found.node, event)

    async def _texts(
        self, repo: Repo, text: TextTrigger, threads: _Threads, earliest: datetime
    ) -> AsyncIterator[Found]:
        conversations = threads.of(text.conversation)
        for item in await self._listed(repo, text, threads, earliest):
            thread = conversations.get(_number(str(item.value(text.link))))
            written, by = item.value(text.written), next(iter(item.objects("user")), None)
            # A review without a time is not submitted yet. Without an author, nobody's permission can be checked.
            if thread is None or not isinstance(written, str) or by is None:
                continue
            if datetime.fromisoformat(written) >= earliest:
                parts = {text.conversation: thread} | ({text.field: item} if text.field else {})
                key = triggers.text_key(text.kind, item.id)
                found = self._found(repo, f"{text.name}-{item.id}", key, text.event, text.action, by, parts)
                yield replace(found, node=str(item.value("node_id") or ""))

    async def _listed(self, repo: Repo, text: TextTrigger, threads: _Threads, earliest: datetime) -> Sequence[Item]:
        numbers, path = threads.of(text.conversation), f"/repos/{repo.full_name}{text.path}"
        if not text.path:
            return threads.whole(text.conversation)
        if "{number}" in path:
            lists = [await list_all(self._client, path.format(number=number), Item) for number in numbers]
            return list(itertools.chain.from_iterable(lists))
        since = {"since": earliest.strftime(MOMENT), "sort": "updated", "direction": "asc"}
        return await list_all(self._client, path, Item, **since) if numbers else ()

    async def _issue_events(
        self, repo: Repo, body: TextTrigger, thread: _Thread, earliest: datetime, answered: frozenset[tuple[str, str]]
    ) -> AsyncIterator[Found]:
        """The latest event of each current subject. Its webhook is the same as that of `body`, the description."""
        current = [
            (trigger, subject, name)
            for trigger in triggers.ISSUE_EVENTS
            for subject in trigger.subjects
            for name in sorted(thread.names(subject.current, subject.key))
            if (trigger.name, name) in answered
        ]
        if not current:
            return
        path = f"/repos/{repo.full_name}/issues/{thread.number}/events"
        listed = await list_all(self._client, path, IssueEvent)
        # What was done before a transfer was done in another repository.
        arrived = max((entry.created_at for entry in listed if entry.event == "transferred"), default=earliest)
        for trigger, subject, name in current:
            matching = (entry for entry in reversed(listed) if entry.is_of(trigger) and entry.is_about(subject, name))
            latest = next(matching, None)
            by = latest.by(trigger) if latest is not None else None
            if latest is None or by is None or latest.created_at < max(earliest, arrived):
                continue
            # The event gets the time of the issue in its payload, so set that to the time of the event.
            then = thread.model_copy(update={"updated_at": latest.created_at})
            parts = {body.conversation: then, subject.field: latest.value(subject.field)}
            found_name, key = f"{triggers.ISSUE_EVENT}-{latest.id}", triggers.issue_event_key(latest.id)
            yield self._found(repo, found_name, key, body.event, trigger.name, by, parts)

    def _found(
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


def _number(url: str) -> int:
    """The number at the end of the URL of an issue or pull request; 0 if there is none. The URL is never requested."""
    last = url.rpartition("/")[2]
    return int(last) if last.isdecimal() else 0
