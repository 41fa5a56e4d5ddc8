"""The sentences about what changed on GitHub while Amp was at work. All others are in `bot.text.messages`."""

from __future__ import annotations

from collections.abc import Sequence

from bot.changes.changeset import Change
from bot.model import Ending, Kept, RunState
from bot.text.markdown import code, quote, sanitize
from bot.text.messages import files_changed

_RETRY = "`/amp retry`"


def _published(said: str, answer: str) -> Ending:
    return Ending(RunState.PUBLISHED, f"{said}\n\n{sanitize(answer)}".rstrip())


# --- nothing is published -------------------------------------------------------------------------


def pull_closed() -> Ending:
    return Ending(
        RunState.STOPPED,
        "This pull request was closed while Amp was at work, so nothing was published. What Amp changed is kept with "
        f"the run. If you want it after all, reopen the pull request and comment {_RETRY}.",
        Kept.TO_PUBLISH,
    )


def issue_unwanted() -> Ending:
    return Ending(
        RunState.STOPPED,
        "This issue was closed as not planned or as a duplicate while Amp was at work, so nothing was published. What "
        f"Amp changed is kept with the run. If you want it after all, reopen the issue and comment {_RETRY}.",
        Kept.TO_PUBLISH,
    )


def issue_gone() -> Ending:
    return Ending(
        RunState.STOPPED,
        "This issue was deleted or transferred while Amp was at work, so nothing was published. What Amp changed is "
        "kept with the run. If you want it after all, ask again where the issue is now.",
        Kept.TO_SEE,
    )


def branch_rewritten(branch: str) -> Ending:
    return Ending(
        RunState.REFUSED,
        f"{code(branch)} was rewritten while Amp was at work, in files that Amp changed too. To publish Amp's change "
        "would bring back what was taken off, so nothing was published. It is kept with the run. Comment "
        f"{_RETRY} to have it done on the new head.",
        Kept.TO_SEE,
    )


# --- a pull request of its own --------------------------------------------------------------------


def merged_meanwhile(
    number: int, base: str, answer: str, changes: Sequence[Change], *, merges: bool | None, pushed: str | None = None
) -> Ending:
    """`merges`: whether it merged with `base` cleanly; None: GitHub did not try. `pushed`: a branch that the commit is
    on, though that is no use any more."""
    state = {
        True: f"It is up to date with {code(base)}.",
        False: f"It conflicts with {code(base)}: resolve that there, or ask again to have it done anew.",
        None: f"It is not up to date with {code(base)}: update it there before you merge it.",
    }[merges]
    dead = (
        f" The commit is also on {code(pushed)}, where it came too late to be merged: that branch is not needed for it."
        if pushed
        else ""
    )
    return _published(
        f"This pull request has been merged, so the work is in #{number} ({files_changed(changes)}). {state}{dead}",
        answer,
    )


def default_branch_spared(branch: str, number: int, answer: str, changes: Sequence[Change]) -> Ending:
    return _published(
        f"{code(branch)} is the default branch, and ampbot does not push to it. The work is in #{number} "
        f"({files_changed(changes)}); merge that to have it in this pull request.",
        answer,
    )


def push_refused(branch: str, why: str, number: int, answer: str, changes: Sequence[Change]) -> Ending:
    return _published(
        f"GitHub does not let ampbot push to {code(branch)}:\n\n{quote(why, 600)}\n\nThe work is in #{number} "
        f"({files_changed(changes)}); merge that to have it in this pull request.",
        answer,
    )


# --- a branch of its own --------------------------------------------------------------------------


def base_gone(base: str, own: str, compare_url: str, answer: str, changes: Sequence[Change]) -> Ending:
    return _published(
        f"{code(base)}, the branch to merge into, was deleted while Amp was at work, so there is no pull request. The "
        f"work is on {code(own)} ({files_changed(changes)}): [look at it]({compare_url}), and open a pull request from "
        "it, or ask again.",
        answer,
    )


# --- on the pull request's branch, and then something happened ------------------------------------


def added_and_merged(commit: str, branch: str, answer: str, changes: Sequence[Change]) -> Ending:
    return _published(
        f"Added {commit} to {code(branch)} ({files_changed(changes)}). The pull request has been merged since, with "
        "this commit.",
        answer,
    )


def added_and_closed(commit: str, branch: str, answer: str, changes: Sequence[Change]) -> Ending:
    said = (
        f"This pull request was closed while {commit} was being added to {code(branch)} ({files_changed(changes)}). "
        "The commit is there, and nothing else was done. If you want it after all, reopen the pull request."
    )
    return Ending(RunState.STOPPED, f"{said}\n\n{sanitize(answer)}".rstrip())


def added_and_dropped(commit: str, branch: str, answer: str, changes: Sequence[Change]) -> Ending:
    return _published(
        f"Added {commit} to {code(branch)} ({files_changed(changes)}), but the branch was moved right afterwards and "
        "no longer contains it. It was not pushed again: cherry-pick it, or ask again.",
        answer,
    )
