"""The sentences for GitHub's refusals: each names what GitHub said and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from bot.model import Ending, Kept, RunState
from bot.text.markdown import code, quote

_AGAIN: Final = "then comment `/amp retry`."
_UNKNOWN: Final = "Once that is settled, comment `/amp retry`."

# A regular expression for GitHub's words, and the cure. The first that is found applies.
_CURES: Final = (
    ("archived", f"Unarchive the repository, {_AGAIN}"),
    ("suspended", f"Whoever installed the App can lift the suspension; {_AGAIN}"),
    (
        "IP allow list",
        (
            "An owner of the organization can add the address of ampbot, and those of its sandboxes, to the allow "
            f"list; {_AGAIN}"
        ),
    ),
    ("SAML|single sign", f"An owner of the organization can authorize the App for single sign-on; {_AGAIN}"),
    (
        "contain secrets|secret scanning|push protection",
        (
            "Ask again for the change without the secret, or let somebody who may allow it follow the link above; "
            f"{_AGAIN}"
        ),
    ),
    (
        "rule violations|protected branch|branch protection|required status|cannot force-push",
        f"Allow the App in this rule of the repository, or ask on an issue instead; {_AGAIN}",
    ),
    (
        "not accessible by integration",
        (
            "The App lacks a permission. The operator should run `ampbot check`; whoever installed the App can accept "
            f"new permissions in its settings; {_AGAIN}"
        ),
    ),
    (r"\blocked\b", f"Unlock the conversation, {_AGAIN}"),
    ("DMCA|access blocked|disabled", "GitHub has blocked access to this repository; only GitHub can lift that."),
)


def cure(message: str) -> str:
    """What to do about a refusal in GitHub's words."""
    return next((text for words, text in _CURES if re.search(words, message, re.IGNORECASE)), _UNKNOWN)


def github_refused(message: str, *, preparing: bool, kept: bool) -> Ending:
    """GitHub refused a request for good. `preparing`: Amp has not started yet. `kept`: there is a change set."""
    what = "GitHub refused ampbot's request" if preparing else "GitHub refused to publish the work"
    left = "Amp's transcript is kept with the run."
    if preparing or kept:
        left = "Nothing was changed." if preparing else "The change set is kept with the run."
    return Ending(RunState.FAILED, f"{what}:\n\n{quote(message, 600)}\n\n{left} {cure(message)}")


def workflows_merged(base: str, message: str) -> Ending:
    """GitHub refused a merge of the branch `base` that changes no workflow but brings those of the branch."""
    return Ending(
        RunState.REFUSED,
        f"The merge of {code(base)} brings changed files below `.github/workflows/`, and GitHub does not take those "
        f"from ampbot, not even in a merge:\n\n{quote(message, 600)}\n\nNothing was pushed. The change set is kept "
        f"with the run. Merge {code(base)} by hand, for example with the button *Update branch*, then ask again for "
        "the rest.",
        Kept.TO_SEE,
    )


def fetch_failed(git: str) -> Ending:
    """`git`: its error output."""
    said = "\n".join(line for line in git.splitlines() if line.strip())[-600:]
    words = f", and git says:\n\n{quote(said)}\n\n" if said else ". "
    return Ending(
        RunState.FAILED, f"The repository could not be fetched into the sandbox{words}Nothing was changed. {cure(git)}"
    )


def branch_in_the_way(branch: str, prefix: str) -> Ending:
    return Ending(
        RunState.REFUSED,
        f"This repository has a branch {code(branch)}, so git allows no branch that begins with {code(prefix)}, as "
        "ampbot's do. Nothing was started. Rename or delete that branch, or let the operator set another "
        f"`AMPBOT_BRANCH_PREFIX`; {_AGAIN}",
    )


def no_common_history(base: str) -> Ending:
    return Ending(
        RunState.REFUSED,
        f"This pull request has no commit in common with {code(base)}, so there is nothing to compare it with. Nothing "
        f"was started. Base its branch on {code(base)}, {_AGAIN}",
    )


def app_removed() -> Ending:
    """There will be no comment: ampbot cannot write here any more. Operators see it in `ampbot runs`."""
    return Ending(
        RunState.FAILED,
        "The App no longer has access to this repository, or the repository was deleted or transferred. Nothing was "
        "published; what was done is kept with the run. Install the App there, then ask again.",
    )


def conversation_gone() -> Ending:
    return Ending(
        RunState.FAILED,
        "This issue or pull request no longer exists in this repository: it was deleted or transferred. Nothing was "
        "published; what was done is kept with the run. Ask again where it is now.",
    )


def not_found(message: str, *, preparing: bool) -> Ending:
    """GitHub does not find something, though the repository and the conversation exist."""
    kept = "Nothing was changed." if preparing else "Nothing was published; what was done is kept with the run."
    return Ending(
        RunState.FAILED,
        f"GitHub no longer finds a part of this repository that ampbot needs, such as a branch or commit:\n\n"
        f"{quote(message or 'Not Found', 300)}\n\n{kept} Comment `/amp retry` to start from its present state.",
    )
