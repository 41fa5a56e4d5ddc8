"""Runs on several machines: held while they work, let go on, and looked at when they have ended."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.machines.conftest import Machines
from tests.stories.story import Story

ASK = "/amp do it\n\n- say: Begun.\n- wait {seconds}\n- append README.md: more\n- answer: Done.\n"
# The agent goes on when it is told to: on a slow machine forty are at work at once only if none can end before.
HELD = ASK.replace("- wait {seconds}", "- run: until [ -e ~/go ]; do sleep 0.5; done")


def at_work(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    """Wait until all of them are at once."""
    ids = {story.repo.id for story, _ in stories}

    def hold() -> bool:
        rows = machines.rig.query("SELECT repository FROM runs WHERE state = 'working'")
        return ids <= {row["repository"] for row in rows}

    machines.rig.wait("all to be at work", hold, 120)


def go_on(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    """Tell the agents of these."""
    ids = {str(story.repo.id) for story, _ in stories}
    for sandbox in machines.rig.e2b.sandboxes.values():
        if sandbox.options.metadata["repository"] in ids:
            (sandbox.home / "go").touch()


def ends(stories: Iterable[tuple[Story, int]]) -> list[tuple[list[str], int, int, list[str]]]:
    """Of each: states of its runs, pull requests, the bot's comments, and the branches."""
    return [
        (story.states(), len(story.pulls()), len(story.from_bot(number)), sorted(story.branches()))
        for story, number in stories
    ]


def assert_each_done_once(machines: Machines, stories: list[tuple[Story, int]]) -> None:
    for states, pulls, comments, branches in ends(stories):
        assert (states, pulls, comments, len(branches)) == (["published"], 1, 1, 2)
    for story, number in stories:
        assert "### ✅ Done" in story.only_answer(number)
        assert story.kept() == (["changes"], True)
        (run,) = story.runs()
        rows = machines.rig.query("SELECT sequence, line FROM transcript WHERE run = :run ORDER BY 1", run=run["id"])
        assert [row["sequence"] for row in rows] == list(range(len(rows)))
        kinds = [json.loads(row["line"])["type"] for row in rows]
        assert (kinds.count("system"), kinds.count("result")) == (1, 1), "one agent, from its beginning to its end"
    assert len(machines.rig.e2b.records) == len(stories), "one sandbox for each run"
