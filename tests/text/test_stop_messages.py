"""The sentences about stopping, retrying and status: each end is one, says who, and calls nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.changes.changeset import Change
from bot.model import Ending, RunState
from bot.text import stop_messages
from bot.text.messages import HEADINGS, RunCost
from bot.text.stop_messages import Last, Running
from tests.factory import run_request

ONE = (Change("a.py", "100644", None, "b10b" * 10, b"x", "added"),)
ENDS = [
    stop_messages.stopped("mona", RunState.QUEUED),
    stop_messages.stopped("mona", RunState.PREPARING),
    stop_messages.stopped("mona", RunState.WORKING),
    stop_messages.stopped("mona", RunState.COLLECTING),
    stop_messages.stopped_draft("mona", 12, ONE, "Half of it, @omar.", draft=True),
    stop_messages.stopped_draft("mona", 12, ONE, "Half of it, @omar.", draft=False),
    stop_messages.stopped_beside("mona", "amp/7-x", "https://github.com/o/r/compare/a...b", ONE, "Half of it, @omar."),
    stop_messages.stopped_unchanged("mona", "Half of it, @omar."),
    stop_messages.stopped_uncollected("mona"),
]


@pytest.mark.parametrize("ending", ENDS)
def test_a_stopped_run_says_who_stopped_it_and_calls_nobody(ending: Ending) -> None:
    assert ending.state is RunState.STOPPED
    assert ending.message.startswith("Stopped by mona")
    assert "@omar" not in ending.message


def test_nothing_is_said_twice() -> None:
    said = [ending.message for ending in ENDS]
    assert len(set(said)) == len(said) - 1, "collecting is to a reader a part of the work"


def test_every_end_has_its_head() -> None:
    assert set(HEADINGS) == {state for state in RunState if state.ended}


def test_a_run_that_waits_for_a_place_is_told_from_one_at_work() -> None:
    running = Running(run_request(), RunState.QUEUED, 0.0, None)
    head = "**Waiting for a free place** since 1970-01-01 00:00:00 UTC (1 min 5 s) · run `0123abcd`"
    assert stop_messages.status(running, (), None, 65.0) == f"{head}\n\n> **alice:** fix it"
    assert stop_messages.status(replace(running, state=RunState.STOPPED), (), None, 0.0).startswith("**Ending** since")


def test_the_last_run_is_told_with_its_price() -> None:
    last = Last(run_request(), RunState.FAILED, None, RunCost(3.0, None, None))
    assert stop_messages.status(None, (), last, 0.0) == (
        "Nothing is running here, and nothing waits in line.\n\n**Last: ⚠️ It did not work out**\n\n"
        "> **alice:** fix it\n\n<sub>3 s · run `0123abcd`</sub>"
    )
