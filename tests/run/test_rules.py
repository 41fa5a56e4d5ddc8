"""What a run may do is said by its kind: one that says nothing reads, answers, and publishes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest

from bot.context import Context
from bot.model import RunKind, RunRules, RunState
from bot.run.collect import collect
from bot.run.publish import publish
from bot.store import runs, stops
from bot.store.kept import CHANGES
from bot.store.runs import Run
from bot.text import messages, stop_messages
from tests.factory import outcome, pinned, run_request

MAY: Mapping[RunKind, RunRules] = {
    RunKind.WORK: RunRules(publishes=True),
    RunKind.REVIEW: RunRules(reviews=True, needs_pull=True),
}


def test_each_kind_has_its_rules() -> None:
    assert {kind: kind.rules for kind in RunKind} == MAY


@pytest.fixture
async def third(context: Context, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of a kind that says nothing, whose agent has ended; a change set lies there all the same."""
    monkeypatch.setattr(RunKind, "rules", property(lambda _kind: RunRules()))
    await context.database.write(runs.add, run_request("a"))
    for state in (RunState.PREPARING, RunState.WORKING):
        await context.database.write(runs.set_state, "a", state)
    await context.database.write(runs.save_artifact, "a", CHANGES, b"a change set")
    run = await context.database.read(runs.get, "a")
    return replace(run, pinned=pinned(), outcome=outcome(answer="All is well."), sandbox="sbx-1")


async def test_a_kind_that_says_nothing_answers_and_publishes_nothing(context: Context, third: Run) -> None:
    """The context has no GitHub and no E2B: who asked one of them would fail."""
    assert await collect(context, third) is None
    assert await publish(context, third) == messages.answered("All is well.")


async def test_of_a_kind_that_says_nothing_there_is_nothing_to_keep(context: Context, third: Run) -> None:
    ending = partial(stop_messages.stopped, "mona")
    met = await context.database.write(stops.stop, third.id, "mona", keep=True, ending=ending)
    assert met is stops.StopResult.DROPPED
