"""What a comment says where GitHub changed while Amp was at work: what happened, what was kept, what to do next."""

from __future__ import annotations

import pytest

from bot.changes.changeset import Change
from bot.model import Ending, RunState
from bot.text import moved_messages as messages

CHANGES = (Change("f", "100644", None, "0" * 40, b"", "added"),)
COMMIT = "c0" * 20
URL = "https://github.com/octo/hello/compare/a...amp/7-x"

CASES: dict[str, tuple[Ending, RunState, str]] = {
    "closed": (
        messages.pull_closed(),
        RunState.STOPPED,
        (
            "This pull request was closed while Amp was at work, so nothing was published. What Amp changed is "
            "kept with the run. If you want it after all, reopen the pull request and comment `/amp retry`."
        ),
    ),
    "unwanted": (
        messages.issue_unwanted(),
        RunState.STOPPED,
        (
            "This issue was closed as not planned or as a duplicate while Amp was at work, so nothing was "
            "published. What Amp changed is kept with the run. If you want it after all, reopen the issue and "
            "comment `/amp retry`."
        ),
    ),
    "gone": (
        messages.issue_gone(),
        RunState.STOPPED,
        (
            "This issue was deleted or transferred while Amp was at work, so nothing was published. What Amp "
            "changed is kept with the run. If you want it after all, ask again where the issue is now."
        ),
    ),
    "rewritten": (
        messages.branch_rewritten("feature"),
        RunState.REFUSED,
        (
            "`feature` was rewritten while Amp was at work, in files that Amp changed too. To publish Amp's change "
            "would bring back what was taken off, so nothing was published. It is kept with the run. Comment "
            "`/amp retry` to have it done on the new head."
        ),
    ),
    "merged": (
        messages.merged_meanwhile(8, "main", "Done.", CHANGES, merges=True),
        RunState.PUBLISHED,
        (
            "This pull request has been merged, so the work is in #8 (1 file changed). It is up "
            "to date with `main`.\n\nDone."
        ),
    ),
    "merged, with a conflict": (
        messages.merged_meanwhile(8, "main", "", CHANGES, merges=False),
        RunState.PUBLISHED,
        (
            "This pull request has been merged, so the work is in #8 (1 file changed). It "
            "conflicts with `main`: resolve that there, or ask again to have it done anew."
        ),
    ),
    "merged before the push": (
        messages.merged_meanwhile(8, "main", "", CHANGES, merges=None, pushed="feature"),
        RunState.PUBLISHED,
        (
            "This pull request has been merged, so the work is in #8 (1 file changed). It is "
            "not up to date with `main`: update it there before you merge it. The commit is also on `feature`, "
            "where it came too late to be merged: that branch is not needed for it."
        ),
    ),
    "default branch": (
        messages.default_branch_spared("main", 8, "Done.", CHANGES),
        RunState.PUBLISHED,
        (
            "`main` is the default branch, and ampbot does not push to it. The work is in #8 (1 file changed); "
            "merge that to have it in this pull request.\n\nDone."
        ),
    ),
    "refused": (
        messages.push_refused("feature", "No @bob.", 8, "", CHANGES),
        RunState.PUBLISHED,
        (
            "GitHub does not let ampbot push to `feature`:\n\n> No @\u2060bob.\n\nThe work is in #8 (1 file "
            "changed); merge that to have it in this pull request."
        ),
    ),
    "base gone": (
        messages.base_gone("next", "amp/7-x", URL, "", CHANGES),
        RunState.PUBLISHED,
        (
            "`next`, the branch to merge into, was deleted while Amp was at work, so there is no pull request. "
            f"The work is on `amp/7-x` (1 file changed): [look at it]({URL}), and open a pull request from it, or "
            "ask again."
        ),
    ),
    "added and merged": (
        messages.added_and_merged(COMMIT, "feature", "Done.", CHANGES),
        RunState.PUBLISHED,
        (
            f"Added {COMMIT} to `feature` (1 file changed). The pull request has been merged since, with this "
            "commit.\n\nDone."
        ),
    ),
    "added and closed": (
        messages.added_and_closed(COMMIT, "feature", "", CHANGES),
        RunState.STOPPED,
        (
            f"This pull request was closed while {COMMIT} was being added to `feature` (1 file changed). The "
            "commit is there, and nothing else was done. If you want it after all, reopen the pull request."
        ),
    ),
    "added and dropped": (
        messages.added_and_dropped(COMMIT, "feature", "", CHANGES),
        RunState.PUBLISHED,
        (
            f"Added {COMMIT} to `feature` (1 file changed), but the branch was moved right afterwards and no "
            "longer contains it. It was not pushed again: cherry-pick it, or ask again."
        ),
    ),
}


@pytest.mark.parametrize(("ending", "state", "says"), CASES.values(), ids=CASES)
def test_what_moved_is_said(ending: Ending, state: RunState, says: str) -> None:
    assert (ending.state, ending.message) == (state, says)
