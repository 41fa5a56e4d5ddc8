"""Decides where the work of a run goes, from what is so on GitHub just before it is published. Pure.

Whatever changed while Amp was at work has its own ending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.github.look import IssueNow, Look, PullNow, PullState
from bot.model import PinnedBase


class Why(StrEnum):
    """What is not as it was when the run began, or why the work does not go where it would go otherwise."""

    STOPPED = "stopped"  # `/amp stop keep`: the work may be unfinished
    MERGED = "merged"  # the pull request was merged
    CLOSED = "closed"  # the pull request was closed, and not merged
    UNWANTED = "unwanted"  # the issue was closed as not planned or as a duplicate
    GONE = "gone"  # the issue was deleted or transferred
    MOVED = "moved"  # the pull request's branch moved, forward or back, or was deleted
    BASE_GONE = "base gone"  # the branch that a pull request would be for was deleted
    DEFAULT = "default branch"  # the pull request's branch is the repository's default branch
    REFUSED = "refused"  # GitHub does not let us push to the pull request's branch
    NO_ACCESS = "no access"  # the requester lost write access


@dataclass(frozen=True, slots=True)
class Facts:
    pinned: PinnedBase
    look: Look
    may_ask: bool  # the requester's permission, now
    stopped: bool = False  # with `/amp stop keep`
    branch_made: bool = False  # the run's own branch exists: this or an earlier attempt made it
    pushed: bool = False  # the run's commit was pushed to the pull request's branch
    in_branch: bool = False  # the pull request's branch contains it
    in_pull: bool = False  # the pull request contains it
    push_refused: bool = False  # GitHub refused to push it to the pull request's branch


@dataclass(frozen=True, slots=True)
class PushToHead:
    """Add the commit to the pull request's branch, if that is at `expected`."""

    branch: str
    expected: str


@dataclass(frozen=True, slots=True)
class OpenPull:
    """Create the run's own branch and open a pull request from it. `why` None: that is what was asked for."""

    base: str
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class KeepBranch:
    """Create the run's own branch, without a pull request."""

    why: Why


@dataclass(frozen=True, slots=True)
class Landed:
    """The commit was pushed to the pull request's branch. `still`: the branch or pull request contains it."""

    branch: str
    state: PullState
    still: bool = True


@dataclass(frozen=True, slots=True)
class Withhold:
    """Publish nothing. The work is kept with the run."""

    why: Why


Step = PushToHead | OpenPull | KeepBranch | Landed | Withhold


def apart(paths: Iterable[str], others: Iterable[str]) -> bool:
    """Whether no path is among the others, above one of them or below one."""
    mine, theirs = frozenset(paths), frozenset(others)
    return mine.isdisjoint(_with_folders(theirs)) and theirs.isdisjoint(_with_folders(mine))


def _with_folders(paths: Iterable[str]) -> frozenset[str]:
    parts = (path.split("/") for path in paths)
    return frozenset("/".join(each[:length]) for each in parts for length in range(1, len(each) + 1))


def decide(facts: Facts) -> Step:
    """The next thing to do, or how it ended: Landed and Withhold."""
    step = _step(facts)
    return step if facts.may_ask or isinstance(step, Landed) else Withhold(Why.NO_ACCESS)


def _step(facts: Facts) -> Step:
    subject = facts.look.subject
    if isinstance(subject, PullNow) and facts.pinned.head_branch is not None:
        return _for_pull(facts, subject)
    if not facts.branch_made:
        if subject is None:
            return Withhold(Why.GONE)
        if isinstance(subject, IssueNow) and subject.unwanted:
            return Withhold(Why.UNWANTED)
    if facts.look.base_exists:
        return OpenPull(facts.pinned.base_branch)
    # It was the default branch: that cannot be deleted, but it can be renamed, or another can take its place.
    default = facts.look.default_branch
    return OpenPull(default) if default is not None else KeepBranch(Why.BASE_GONE)


def _for_pull(facts: Facts, pull: PullNow) -> Step:
    pinned = facts.pinned
    if pull.state is PullState.MERGED:
        return _after_merge(facts, pull)
    if facts.pushed or facts.in_branch:
        # Right after a push GitHub may still show the commit before it.
        return Landed(pull.head_branch, pull.state, still=facts.in_branch or pull.head == pinned.base_sha)
    if facts.stopped:
        return KeepBranch(Why.STOPPED)
    if not pull.base_exists:  # GitHub closes the pull request then, so look at this first
        return KeepBranch(Why.BASE_GONE)
    if pull.head is None:  # as above
        return KeepBranch(Why.MOVED)
    if pull.state is PullState.CLOSED:
        return Withhold(Why.CLOSED)
    if pull.head_branch == facts.look.default_branch:
        return OpenPull(pull.head_branch, Why.DEFAULT)
    if pull.head != pinned.base_sha:
        return KeepBranch(Why.MOVED)
    if facts.push_refused:
        return OpenPull(pull.head_branch, Why.REFUSED)
    return PushToHead(pull.head_branch, pinned.base_sha)


def _after_merge(facts: Facts, pull: PullNow) -> Step:
    if facts.in_pull:
        return Landed(pull.head_branch, pull.state)
    if facts.stopped:
        return KeepBranch(Why.STOPPED)
    return OpenPull(pull.base_branch, Why.MERGED) if pull.base_exists else KeepBranch(Why.BASE_GONE)
