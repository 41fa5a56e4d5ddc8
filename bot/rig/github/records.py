"""The records of the stand-in: accounts, Apps, repositories, issues, pull requests and their parts.

They are changed only under the state's lock (`state.py`), by the functions in `effects/`.
Times are seconds since the epoch.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.rig.github.git import Bare

# What a collaborator's role is called in the older `permission` field.
# https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
PERMISSION_OF_ROLE = {
    "admin": "admin",
    "maintain": "write",
    "write": "write",
    "triage": "read",
    "read": "read",
    "none": "none",
}
ROLES = ("none", "read", "triage", "write", "maintain", "admin")  # weakest first
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def node_id(prefix: str, number: int) -> str:
    """GitHub's global node id, by which GraphQL finds any object."""
    return f"{prefix}_{base64.urlsafe_b64encode(str(number).encode()).decode().rstrip('=')}"


@dataclass(eq=False, slots=True)
class Account:
    id: int
    login: str
    kind: str  # User, Organization or Bot
    created_at: float
    deleted: bool = False
    app: App | None = None  # of a Bot

    @property
    def node_id(self) -> str:
        return node_id({"Organization": "O", "Bot": "BOT"}.get(self.kind, "U"), self.id)


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that acts, and the App if it uses an installation token."""

    account: Account
    app: App | None = None


@dataclass(eq=False, slots=True)
class Team:
    id: int
    organization: Account
    slug: str
    name: str

    @property
    def node_id(self) -> str:
        return node_id("T", self.id)


@dataclass(eq=False, slots=True)
class Hook:
    id: int
    url: str
    secret: str
    active: bool = True
    content_type: str = "json"
    insecure_ssl: str = "0"


@dataclass(eq=False, slots=True)
class App:
    id: int
    slug: str
    client_id: str
    owner: Account
    bot: Account
    public_key: bytes  # PEM
    private_key: str  # PEM; "" if only the caller has it
    hook: Hook
    permissions: Mapping[str, str]
    events: tuple[str, ...]
    created_at: float

    @property
    def node_id(self) -> str:
        return node_id("A", self.id)


@dataclass(eq=False, slots=True)
class Installation:
    id: int
    app: App
    account: Account
    repositories: set[int]
    permissions: Mapping[str, str]
    events: tuple[str, ...]
    created_at: float
    updated_at: float
    suspended_at: float | None = None
    suspended_by: Account | None = None
    removed: bool = False

    @property
    def node_id(self) -> str:
        return node_id("MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u", self.id)


@dataclass(eq=False, slots=True)
class Token:
    """An installation's token; if `installation` is None, the token of the user `account`."""

    value: str
    expires_at: float
    installation: Installation | None = None
    account: Account | None = None
    repositories: frozenset[int] | None = None  # None: all of the installation's
    permissions: Mapping[str, str] = field(default_factory=dict)
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a ruleset or branch protection refuses to everyone on refs that match `pattern` (fnmatch)."""

    pattern: str
    create: bool = False
    update: bool = False
    delete: bool = False
    force: bool = False
    why: str = "Changes must be made through a pull request."


@dataclass(eq=False, slots=True)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("LA", self.id)


@dataclass(eq=False, slots=True)
class Reaction:
    id: int
    account: Account
    content: str
    created_at: float

    @property
    def node_id(self) -> str:
        return node_id("REA", self.id)


@dataclass(eq=False, slots=True)
class IssueEvent:
    id: int
    event: str  # labeled, unlabeled, assigned, closed, review_requested …
    actor: Actor
    created_at: float
    label: Label | None = None
    assignee: Account | None = None
    reviewer: Account | None = None
    team: Team | None = None
    commit: str | None = None
    renamed_from: str | None = None
    renamed_to: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("EV", self.id)


@dataclass(eq=False, slots=True)
class Comment:
    id: int
    issue: Issue
    author: Actor
    body: str
    created_at: float
    updated_at: float
    edited_at: float | None = None
    editors: list[Account] = field(default_factory=list)  # of each edit, the oldest first
    minimized: str | None = None  # the classifier
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def node_id(self) -> str:
        return node_id("IC", self.id)


@dataclass(eq=False, slots=True)
class Issue:
    """An issue, or the issue half of a pull request."""

    id: int
    repository: Repository
    number: int
    author: Actor
    title: str
    body: str | None
    created_at: float
    updated_at: float
    state: str = "open"
    state_reason: str | None = None
    closed_at: float | None = None
    closed_by: Account | None = None
    edited_at: float | None = None
    editors: list[Account] = field(default_factory=list)
    locked: bool = False
    labels: list[Label] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    comments: dict[int, Comment] = field(default_factory=dict)
    reactions: list[Reaction] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    pull: Pull | None = None

    @property
    def node_id(self) -> str:
        return node_id("PR" if self.pull else "I", self.id)


@dataclass(eq=False, slots=True)
class Pull:
    id: int
    issue: Issue
    head_repository: Repository | None  # None once the fork is gone
    head_ref: str  # branch name
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    maintainer_can_modify: bool = False
    merged_at: float | None = None
    merged_by: Account | None = None
    merge_sha: str | None = None
    reviewers: list[Account] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    reviews: dict[int, Review] = field(default_factory=dict)
    comments: dict[int, ReviewComment] = field(default_factory=dict)
    resolved: dict[int, Account] = field(default_factory=dict)  # first comment's id -> who resolved the thread

    @property
    def repository(self) -> Repository:
        return self.issue.repository

    @property
    def number(self) -> int:
        return self.issue.number

    @property
    def node_id(self) -> str:
        return self.issue.node_id

    @property
    def crosses(self) -> bool:
        return self.head_repository is not self.repository


@dataclass(eq=False, slots=True)
class Review:
    id: int
    pull: Pull
    author: Actor
    body: str
    state: str  # PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED or DISMISSED
    commit: str
    created_at: float
    submitted_at: float | None
    edited_at: float | None = None
    editors: list[Account] = field(default_factory=list)
    minimized: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("PRR", self.id)


@dataclass(eq=False, slots=True)
class ReviewComment:
    id: int
    pull: Pull
    review: Review
    author: Actor
    body: str
    path: str
    commit: str
    hunk: str
    created_at: float
    updated_at: float
    line: int | None  # None: the whole file
    side: str = "RIGHT"
    start_line: int | None = None
    start_side: str | None = None
    position: int | None = None
    outdated: bool = False
    reply_to: int | None = None
    edited_at: float | None = None
    editors: list[Account] = field(default_factory=list)
    minimized: str | None = None
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def node_id(self) -> str:
        return node_id("PRRC", self.id)


@dataclass(eq=False, slots=True)
class CheckRun:
    id: int
    repository: Repository
    app: App
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    started_at: float
    completed_at: float | None
    external_id: str
    details_url: str
    title: str | None
    summary: str | None
    text: str | None
    annotations: int = 0
    actions: tuple[Mapping[str, str], ...] = ()

    @property
    def node_id(self) -> str:
        return node_id("CR", self.id)


@dataclass(eq=False, slots=True)
class Repository:
    id: int
    owner: Account
    name: str
    private: bool
    default_branch: str
    bare: Bare
    created_at: float
    pushed_at: float
    archived: bool = False
    allows_drafts: bool = True  # private repositories on some plans cannot
    parent: Repository | None = None
    roles: dict[int, str] = field(default_factory=dict)  # account id -> role
    labels: dict[str, Label] = field(default_factory=dict)  # by lower-case name
    issues: dict[int, Issue] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    moved: dict[int, Issue | None] = field(default_factory=dict)  # former numbers; None: the issue was deleted
    rules: list[Rule] = field(default_factory=list)
    verified: set[str] = field(default_factory=set)  # commits that GitHub signed
    first_tips: tuple[str, ...] = ()  # what its refs pointed to at its creation

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def node_id(self) -> str:
        return node_id("R", self.id)

    @property
    def pulls(self) -> list[Pull]:
        return [issue.pull for issue in self.issues.values() if issue.pull is not None]

    def role(self, account: Account) -> str:
        """The account's role: admin for the owner, at least read for everyone on a public repository."""
        if account is self.owner:
            return "admin"
        role = self.roles.get(account.id, "none")
        return "read" if role == "none" and not self.private else role
