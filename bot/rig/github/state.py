"""The state of the stand-in, under one lock."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from bot.rig.github.git import Signature
from bot.rig.github.lag import Lag
from bot.rig.github.limits import Limits, Meter
from bot.rig.github.records import (
    Account,
    Actor,
    App,
    Comment,
    Installation,
    Issue,
    Pull,
    Repository,
    ReviewComment,
    Team,
    Token,
)
from bot.rig.github.refusal import Refusal
from bot.rig.github.webhooks import Outbox

T = TypeVar("T")

# Larger than 32 bits, like GitHub's comment ids.
_FIRST_ID = 3_000_000_000
_FIRST_ACCOUNT = 41_000_000


@dataclass(slots=True)
class Settings:
    """Settings of the stand-in, changed by tests."""

    list_lag_seconds: float = 0.0  # lists omit records younger than this; they are still found by id
    lag_every: int = 0  # one in how many new commits, branches and tokens lags (see lag.py); 0: none
    token_seconds: float = 3600.0
    diff_files: int = 300  # a diff of more files is refused
    # Tree requests with more inlined text than this get a 502, as reported of GitHub.
    tree_inline_bytes: int = 2_500_000
    tree_inline_entries: int = 300
    body_bytes: int = 40 * 1024 * 1024
    file_bytes: int = 100 * 1024 * 1024
    # GitHub refuses a review request for the bot of an App.
    bots_may_review: bool = False
    # GitHub takes workflow files that a branch has already from an App that may not change them. It documents this for
    # OAuth apps alone: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    workflows_of_branches: bool = False
    limits: Limits = field(default_factory=Limits)


class State:
    """The state and its lookups. Hold `lock` to read or change it."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.clock = clock
        self.url = ""  # of the server, once it has started
        self.lock = threading.RLock()
        self.settings = Settings()
        self.meter = Meter(lambda: self.settings.limits, clock)
        self.outbox = Outbox(self)
        self.lag = Lag(lambda: self.settings.lag_every)
        self.accounts: dict[str, Account] = {}  # by lower-case login
        self.teams: list[Team] = []
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.repositories: dict[int, Repository] = {}
        self.names: dict[str, int] = {}  # lower-case full name, current or former -> repository id
        self.tokens: dict[str, Token] = {}
        self._ids = itertools.count(_FIRST_ID)
        self._account_ids = itertools.count(_FIRST_ACCOUNT, 7)

    def now(self) -> float:
        return self.clock()

    def next_id(self) -> int:
        return next(self._ids)

    def next_account_id(self) -> int:
        """A new id for an account, repository or installation; those still fit into 32 bits."""
        return next(self._account_ids)

    def account(self, login: str) -> Account | None:
        account = self.accounts.get(login.lower())
        return None if account is None or account.deleted else account

    def user(self, login: str) -> Account:
        account = self.account(login)
        if account is None:
            raise KeyError(f"there is no account {login!r}; create it first")
        return account

    def repository(self, full_name: str) -> Repository | None:
        """A repository by its current or a former name."""
        number = self.names.get(full_name.lower())
        return None if number is None else self.repositories.get(number)

    def signature(self, account: Account) -> Signature:
        """The account as commit author now, with its no-reply address."""
        email = f"{account.id}+{account.login}@users.noreply.{urlsplit(self.url).hostname}"
        return Signature(account.login, email, int(self.now()))

    def team(self, organization: Account, slug: str) -> Team | None:
        found = (team for team in self.teams if team.organization is organization and team.slug == slug)
        return next(found, None)

    def installation_of(self, app: App, repository: Repository) -> Installation | None:
        """The App's active installation on the repository."""
        for installation in self.installations.values():
            if installation.app is app and not installation.removed and repository.id in installation.repositories:
                return installation
        return None

    def visible(self, things: Iterable[T], created_at: Callable[[T], float]) -> list[T]:
        """The records that a list shows: GitHub's lists lag behind writes."""
        newest = self.now() - self.settings.list_lag_seconds
        if self.settings.list_lag_seconds <= 0:
            return list(things)
        return [thing for thing in things if created_at(thing) <= newest]


def issue_of(repository: Repository, number: int) -> Issue:
    """Raises Refusal: 410 if it was deleted, 404 if it was transferred or there never was one."""
    issue = repository.issues.get(number)
    if issue is None:
        deleted = number in repository.moved and repository.moved[number] is None
        raise Refusal(410, "This issue was deleted") if deleted else Refusal.not_found()
    return issue


def pull_of(repository: Repository, number: int) -> Pull:
    pull = issue_of(repository, number).pull
    if pull is None:
        raise Refusal.not_found()
    return pull


def comment_of(repository: Repository, number: int) -> Comment:
    for issue in repository.issues.values():
        if number in issue.comments:
            return issue.comments[number]
    raise Refusal.not_found()


def review_comment_of(repository: Repository, number: int) -> ReviewComment:
    for pull in repository.pulls:
        if number in pull.comments:
            return pull.comments[number]
    raise Refusal.not_found()


def may_write(actor: Actor, repository: Repository) -> bool:
    """Whether a user may push. An App's permissions are checked by the router."""
    return actor.app is not None or repository.role(actor.account) in ("write", "maintain", "admin")
