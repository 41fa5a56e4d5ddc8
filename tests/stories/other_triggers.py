"""A handler for the issue events that none of ours answers, so that each declared trigger can be told of."""

from __future__ import annotations

from bot.events.effects import Effect, React, StartRun
from bot.events.handler import Handler, HandlerContext, On
from bot.events.triggers import ISSUE_EVENTS
from bot.model import RunKind
from handlers import HANDLERS

_ANSWERED = {on.trigger for handler in HANDLERS for on in handler.on}


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
