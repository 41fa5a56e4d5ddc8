"""What a run took, for the last line of its comment, pull request or review."""

from __future__ import annotations

from bot.context import Context
from bot.store.runs import Run
from bot.text.messages import RunCost


def run_cost(context: Context, run: Run, at: float) -> RunCost:
    """The time from the request until `at` (epoch seconds), the tokens, and the address of the Amp thread."""
    thread = run.outcome.thread if run.outcome is not None else None
    return RunCost(at - run.created_at, run.outcome, context.settings.thread_url(thread))
