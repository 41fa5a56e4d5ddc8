"""The stories of the walk. Each asks the bot for something, in its own repository."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.rig.github.records import Repository
from bot.rig.rig import Rig

Rows = list[dict[str, Any]]
Query = Callable[..., Rows]

USER = "mona"
FILES = {"README.md": "# Pages\n", "app.py": "def answer():\n    return 41\n"}
# All numbers have five digits: the prompt's length in tokens is part of the comparison.
_numbers = itertools.count(10_000)

# When a user acts: as soon as the query finds a row. `:id` is the repository.
AT_ONCE = "SELECT 1"
CHANGED = (
    "SELECT 1 FROM runs JOIN transcript ON transcript.run = runs.id "
    "WHERE repository = :id AND state = 'working' AND line LIKE '%tool_result%'"
)
STARTED = "SELECT 1 FROM runs WHERE repository = :id AND state NOT IN ('queued', 'preparing')"
ENDED = "SELECT 1 FROM runs WHERE repository = :id AND ended_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Action:
    """A comment of the user's, made when `when` finds a row. Without a text: the label `amp`."""

    text: str = ""
    when: str = AT_ONCE


@dataclass(frozen=True, slots=True)
class Story:
    """What a user does, on an issue or on a pull request. `script`: the agent's, for actions without words."""

    actions: tuple[Action, ...]
    on_pull: bool = False
    script: str = ""


# An agent that was started twice would append two such lines.
_BEGIN = "- append README.md: begun\n- say: Looking.\n- wait 0.3\n"
_CHANGE = f'{_BEGIN}- replace app.py: "41" -> "42"\n'
_ASK = "/amp make the answer right\n\n"
_FAILING = Action(f"{_ASK}{_CHANGE}- fail: The model gave up\n")
_REMARK = {"path": "docs/guide.md", "line": 1, "side": "RIGHT", "body": "Whose guide?"}
_REVIEW = f"```review\n{json.dumps({'summary': 'One question.', 'comments': [_REMARK]})}\n```"

STORIES: Mapping[str, Story] = {
    "issue": Story((Action(f"{_ASK}{_CHANGE}- title: Answer 42\n- answer: It is 42.\n"),)),
    "pull": Story((Action(f"{_ASK}{_CHANGE}- answer: It is 42.\n"),), on_pull=True),
    "answer": Story((Action("/amp what is the answer?\n\n- say: Looking.\n- wait 0.3\n- answer: It is 41.\n"),)),
    "failing": Story((_FAILING,)),
    "review": Story(
        (Action("/amp review"),), on_pull=True, script=f"- wait 0.3\n- answer:\n\n~~~~~\n{_REVIEW}\n~~~~~\n"
    ),
    "label": Story((Action(),), script=f"{_CHANGE}- title: Answer 42\n- answer: It is 42.\n"),
    "retry": Story((_FAILING, Action("/amp retry", ENDED))),
    "stop": Story((Action(f"{_ASK}{_BEGIN}- wait 3000\n"), Action("/amp stop", CHANGED))),
    # The second waits for the first.
    "queue": Story(
        (
            Action(f"{_ASK}{_BEGIN}- wait 5\n- answer: It is 41.\n"),
            Action("/amp what is the answer?\n\n- answer: It is 41.\n", STARTED),
        )
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """`act` as soon as the query `when` finds a row."""

    when: str
    act: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A prepared story: its steps are still to be done."""

    repo: Repository
    installation: int
    tear_down: Callable[[], None]  # uninstalls the App, so that later sweeps skip this repository
    steps: list[Step]


def set_up(rig: Rig, story: str) -> Scenario:
    """A new repository with an issue or a pull request to comment on."""
    github, told = rig.github, STORIES[story]
    files = {**FILES, "AMP-SCRIPT.md": told.script} if told.script else FILES
    repo = github.create_repository(f"crash{next(_numbers)}/pages", files=files)
    if github.state.account(USER) is None:
        github.create_user(USER)
    github.set_permission(repo, USER, "write")
    installed = github.install(rig.app, [repo])
    if told.on_pull:
        github.push_commit(repo, "feature", {"docs/guide.md": "Guide\n"}, USER)
        number = github.open_pull(repo, USER, "feature", "A feature", "What it does.").issue.number
    else:
        number = github.open_issue(repo, USER, "The answer is wrong", "It should be 42.").number

    def act(action: Action) -> None:
        if action.text:
            github.comment(repo, number, USER, action.text)
        else:
            github.label(repo, number, USER, "amp")

    steps = [Step(action.when, partial(act, action)) for action in told.actions]
    return Scenario(repo, installed.id, lambda: github.uninstall(installed), steps)
