"""What we read of GitHub's answers about one repository: the models of the answers, and our own types."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.client import Answer
from bot.github.identity import Identity
from bot.text.markers import is_marked


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    body: str
    url: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One change to a tree: the new text, the sha of the new blob or submodule, or neither to delete the file."""

    path: str
    mode: str
    text: str | None = None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree. `id`: of its blob; of a submodule: its commit."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two branches are apart: their common ancestor, and how many commits each has beyond it."""

    merge_base: str
    ahead: int  # of the head
    behind: int  # of the base


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


class IdAnswer(Answer):
    id: int


class UserAnswer(Answer):
    login: str
    id: int = 0
    type: str = ""


class PermissionAnswer(Answer):
    permission: str
    user: UserAnswer | None = None


class _Via(Answer):
    id: int


class CommentAnswer(Answer):
    """A comment or a review."""

    id: int
    body: str | None = None
    user: UserAnswer | None = None
    html_url: str = ""
    performed_via_github_app: _Via | None = None

    def is_ours(self, me: Identity, marker: str) -> bool:
        """Whether our own App wrote it, with `marker` at its very start. People and other Apps copy markers."""
        by, via = self.user, self.performed_via_github_app
        ours = by is not None and me.wrote(by.login, by.type, via.id if via else None)
        return ours and is_marked(self.body or "", marker)

    def value(self) -> Comment:
        return Comment(self.id, self.body or "", self.html_url)


class ShaAnswer(Answer):
    sha: str


class TreeItemAnswer(Answer):
    path: str
    mode: str
    type: str
    sha: str


class TreeAnswer(Answer):
    tree: list[TreeItemAnswer]
    truncated: bool = False


class VerificationAnswer(Answer):
    verified: bool = False


class CommitAnswer(Answer):
    sha: str
    tree: ShaAnswer
    parents: list[ShaAnswer]
    verification: VerificationAnswer = VerificationAnswer()

    def value(self) -> Commit:
        return Commit(self.sha, self.tree.sha, tuple(p.sha for p in self.parents), self.verification.verified)


class RefAnswer(Answer):
    object: ShaAnswer


class _File(Answer):
    filename: str
    previous_filename: str | None = None


class CompareAnswer(Answer):
    merge_base_commit: ShaAnswer
    ahead_by: int = 0
    behind_by: int = 0
    files: tuple[_File, ...] = ()


class PullAnswer(Answer):
    number: int
    html_url: str
    head: ShaAnswer
    draft: bool = False

    def value(self) -> Pull:
        return Pull(self.number, self.html_url, self.head.sha, self.draft)
