"""`ampbot serve` with one handler more, for the issue events that none of ours answers: python -m."""

from __future__ import annotations

import handlers
from bot.cli.main import app
from bot.events.effects import Effect, React, StartRun
from bot.events.handler import Handler, HandlerContext, On
from bot.events.triggers import ISSUE_EVENTS
from bot.model import RunKind

_ANSWERED = {on.trigger for handler in handlers.HANDLERS for on in handler.on}


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    return StartRun(context.request(RunKind.WORK, "")), React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="others",
    usage="whatever else is declared",
    summary="Amp resolves the issue as it is described.",
    examples=(),
    plan=plan,
    on=tuple(On(trigger) for trigger in ISSUE_EVENTS if trigger not in _ANSWERED),
)
ALL = (*handlers.HANDLERS, HANDLER)

if __name__ == "__main__":
    handlers.HANDLERS = ALL
    app(["serve"])
