"""The stories of the walk. Each asks the bot for one thing, in its own repository."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from bot.rig.github.records import Repository
from bot.rig.rig import Rig

USER = "mona"
FILES = {"README.md": "# Pages\n", "app.py": "def answer():\n    return 41\n"}
# All numbers have five digits: the prompt's length in tokens is part of the comparison.
_numbers = itertools.count(10_000)

# An agent that was started twice would append two such lines.
_CHANGE = '- append README.md: begun\n- say: Looking.\n- wait 0.3\n- replace app.py: "41" -> "42"\n'

# A request for a review holds no words for the agent: it finds its instructions in the checkout.
_REVIEW = """- say: Looking.
- wait 0.3
- answer:

~~~~~
I have read it.

```review
{"summary": "One question.", "comments": [
  {"path": "docs/guide.md", "line": 1, "side": "RIGHT", "body": "Why?"}, {"path": "app.py", "line": 1, "body": "Old."}
]}
```
~~~~~
"""

STORIES = {
    "issue": f"/amp make the answer right\n\n{_CHANGE}- title: Answer 42\n- answer: It is 42.\n",
    "pull": f"/amp make the answer right\n\n{_CHANGE}- answer: It is 42.\n",
    "review": "/amp review",
    "answer": "/amp what is the answer?\n\n- say: Looking.\n- wait 0.3\n- answer: It is 41.\n",
    "failing": f"/amp make the answer right\n\n{_CHANGE}- fail: The model gave up\n",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A prepared story. `ask` makes the comment that starts it."""

    repo: Repository
    installation: int
    tear_down: Callable[[], None]  # uninstalls the App, so that later sweeps skip this repository
    ask: Callable[[], None]


def set_up(rig: Rig, story: str) -> Scenario:
    """A new repository with an issue or a pull request to comment on."""
    github = rig.github
    files = {**FILES, "AMP-SCRIPT.md": _REVIEW} if story == "review" else FILES
    repo = github.create_repository(f"crash{next(_numbers)}/pages", files=files)
    if github.state.account(USER) is None:
        github.create_user(USER)
    github.set_permission(repo, USER, "write")
    installed = github.install(rig.app, [repo])
    if story in ("pull", "review"):
        github.push_commit(repo, "feature", {"docs/guide.md": "Guide\n"}, USER)
        number = github.open_pull(repo, USER, "feature", "A feature", "What it does.").issue.number
    else:
        number = github.open_issue(repo, USER, "The answer is wrong", "It should be 42.").number
    text = STORIES[story]

    def ask() -> None:
        github.comment(repo, number, USER, text)

    return Scenario(repo, installed.id, lambda: github.uninstall(installed), ask)
