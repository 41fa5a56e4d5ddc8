"""HTML pages that show the state in a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from bot.rig.github import diff
from bot.rig.github.diff import FileChange
from bot.rig.github.effects.measure import changes, is_mergeable
from bot.rig.github.git import Bare
from bot.rig.github.markup import render
from bot.rig.github.records import Account, Comment, Issue, IssueEvent, Reaction, Repository, Review, ReviewComment
from bot.rig.github.state import State

Page = tuple[int, str]
_EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "confused": "😕",
    "heart": "❤️",
    "hooray": "🎉",
    "rocket": "🚀",
    "eyes": "👀",
}
_MAX_BYTES = 200_000  # characters of a file that a page shows


class Pages:
    """Each page takes the path's parameters and returns a status and HTML."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters.update(markdown=render, moment=_moment, hue=_hue, initial=_initial)
        self._templates.globals.update(reactions=_reactions)

    def routes(self) -> list[tuple[str, Callable[[Mapping[str, Any]], Page]]]:
        repo = "/{owner}/{name}"
        return [
            ("/", self._home),
            (f"{repo}/issues", self._issues),
            (f"{repo}/pulls", self._pulls),
            (f"{repo}/issues/{{number:int}}", self._issue),
            (f"{repo}/pull/{{number:int}}.diff", self._diff),
            (f"{repo}/pull/{{number:int}}.patch", self._patch),
            (f"{repo}/pull/{{number:int}}", self._issue),
            (f"{repo}/pull/{{number:int}}/files", self._issue),
            (f"{repo}/pull/{{number:int}}/commits", self._issue),
            (f"{repo}/commit/{{sha}}", self._commit),
            (f"{repo}/tree/{{path:path}}", self._tree),
            (f"{repo}/blob/{{path:path}}", self._tree),
            (repo, self._repository),
        ]

    def _home(self, _: Mapping[str, Any]) -> Page:
        with self._state.lock:
            return self._render("home.html", repositories=list(self._state.repositories.values()), repo=None)

    def _repository(self, given: Mapping[str, Any]) -> Page:
        return self._tree({**given, "path": ""})

    def _issues(self, given: Mapping[str, Any]) -> Page:
        return self._list(given, pulls=False)

    def _pulls(self, given: Mapping[str, Any]) -> Page:
        return self._list(given, pulls=True)

    def _list(self, given: Mapping[str, Any], *, pulls: bool) -> Page:
        with self._state.lock:
            repo = self._repo(given)
            if repo is None:
                return self._missing()
            found = [each for each in repo.issues.values() if (each.pull is not None) == pulls]
            return self._render("list.html", repo=repo, issues=found[::-1], pulls=pulls)

    def _issue(self, given: Mapping[str, Any]) -> Page:
        with self._state.lock:
            repo = self._repo(given)
            issue = repo.issues.get(given["number"]) if repo else None
            if repo is None or issue is None:
                return self._missing()
            pull, commits, files = issue.pull, [], []
            if pull is not None:
                oids, changed = changes(pull)
                commits = [repo.bare.commit(oid) for oid in oids]
                files = [FileView.of(change) for change in changed]
            return self._render(
                "conversation.html",
                repo=repo,
                issue=issue,
                pull=pull,
                rows=_rows(issue),
                commits=commits,
                files=files,
                mergeable=is_mergeable(pull) if pull is not None and issue.state == "open" else None,
            )

    def _diff(self, given: Mapping[str, Any]) -> Page:
        return self._text(given, diff.diff)

    def _patch(self, given: Mapping[str, Any]) -> Page:
        return self._text(given, diff.patch)

    def _text(self, given: Mapping[str, Any], written: Callable[[Bare, str, str], str]) -> Page:
        with self._state.lock:
            repo = self._repo(given)
            issue = repo.issues.get(given["number"]) if repo else None
            if repo is None or issue is None or issue.pull is None:
                return self._missing()
            base = diff.compare(repo.bare, issue.pull.base_sha, issue.pull.head_sha).merge_base
            return 200, written(repo.bare, base or issue.pull.base_sha, issue.pull.head_sha)

    def _commit(self, given: Mapping[str, Any]) -> Page:
        with self._state.lock:
            repo = self._repo(given)
            oid = repo.bare.resolve(f"{given['sha']}^{{commit}}") if repo else None
            if repo is None or oid is None:
                return self._missing()
            commit = repo.bare.commit(oid)
            parent = commit.parents[0] if commit.parents else None
            files = [FileView.of(change) for change in diff.files(repo.bare, parent, oid)]
            verified = oid in repo.verified
            return self._render("commit.html", repo=repo, commit=commit, files=files, verified=verified)

    def _tree(self, given: Mapping[str, Any]) -> Page:
        with self._state.lock:
            repo = self._repo(given)
            if repo is None:
                return self._missing()
            branches = {name.removeprefix("refs/heads/"): oid for name, oid in repo.bare.refs("refs/heads").items()}
            if not branches:
                return self._render("empty.html", repo=repo)
            branch, path = _split(given["path"], branches, repo.default_branch)
            object_name = f"{branch}:{path.strip('/')}"
            kind = repo.bare.kinds([object_name])[0]
            if kind is None:
                return self._missing()
            about = {"repo": repo, "branch": branch, "path": path.strip("/"), "branches": branches}
            commit = repo.bare.commit(repo.bare.resolve(f"{branch}^{{commit}}") or "")
            if kind == "tree":
                entries = repo.bare.entries(object_name)
                entries.sort(key=lambda entry: (entry.kind != "tree", entry.path))
                return self._render("tree.html", **about, commit=commit, entries=entries)
            content = repo.bare.blob(object_name)
            shown = None if b"\0" in content[:8000] else content.decode("utf-8", "replace")[:_MAX_BYTES]
            return self._render("file.html", **about, commit=commit, content=shown, size=len(content))

    def _repo(self, given: Mapping[str, Any]) -> Repository | None:
        return self._state.repository(f"{given['owner']}/{given['name']}")

    def _missing(self) -> Page:
        return 404, self._render("missing.html", repo=None)[1]

    def _render(self, template: str, **values: object) -> Page:
        return 200, self._templates.get_template(template).render(**values)


@dataclass(frozen=True, slots=True)
class FileView:
    """A changed file as rows of (kind, old line, new line, text)."""

    change: FileChange
    rows: tuple[tuple[str, int | None, int | None, str], ...]

    @classmethod
    def of(cls, change: FileChange) -> FileView:
        kinds = {"@": "head", "+": "add", "-": "del"}
        rows = [
            (kinds.get(line[:1], "same"), *numbers, line)
            for hunk in change.hunks
            for line, numbers in zip(hunk.lines, hunk.numbers, strict=True)
        ]
        return cls(change, tuple(rows))


def _rows(issue: Issue) -> list[tuple[str, Comment | IssueEvent | Review, list[ReviewComment]]]:
    """Comments and reviews in order of time, each review with its comments."""
    rows: list[tuple[str, Comment | IssueEvent | Review, list[ReviewComment]]] = []
    rows += [("comment", comment, []) for comment in issue.comments.values()]
    rows += [("event", event, []) for event in issue.events]
    if issue.pull is not None:
        comments = list(issue.pull.comments.values())
        rows += [
            ("review", review, [each for each in comments if each.review is review])
            for review in issue.pull.reviews.values()
            if review.state != "PENDING"
        ]
    return sorted(rows, key=lambda row: (row[1].created_at, row[1].id))


def _split(path: str, branches: Mapping[str, str], default: str) -> tuple[str, str]:
    """Branch and path of a URL; branch names may contain slashes."""
    if not path:
        return default if default in branches else next(iter(branches)), ""
    for branch in sorted(branches, key=len, reverse=True):
        if path == branch or path.startswith(f"{branch}/"):
            return branch, path[len(branch) + 1 :]
    revision, _, rest = path.partition("/")
    return revision, rest


def _reactions(reactions: list[Reaction]) -> list[tuple[str, int, str]]:
    """Emoji, its name (for machines without such a font), count and users."""
    found: dict[str, list[str]] = {}
    for reaction in reactions:
        found.setdefault(reaction.content, []).append(reaction.account.login)
    return [(f"{_EMOJI[content]} {content}", len(who), ", ".join(who)) for content, who in found.items()]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _hue(account: Account) -> int:
    """The colour of an account's avatar, the same on every page."""
    return int(hashlib.sha256(account.login.encode()).hexdigest()[:4], 16) % 360


def _initial(account: Account) -> str:
    return account.login[:1].upper()
