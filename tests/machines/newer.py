"""The bot as a later release may be: its runs have another shape, and the older one is kept until it is drained."""

from __future__ import annotations

from bot.cli.main import app
from bot.dispatch import inbox

if __name__ == "__main__":
    inbox.RUNS = (inbox.WorkflowVersion("run_v2", "runs_v2"), *inbox.RUNS)
    app(prog_name="ampbot")
