"""The label `amp` on an issue: Amp resolves the issue as described, and ampbot removes the label."""

from bot.events.effects import Effect, React, RemoveLabel, StartRun
from bot.events.handler import Handler, HandlerContext, On
from bot.events.triggers import LABELED
from bot.model import RunKind

LABEL = "amp"


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    request = context.request(RunKind.WORK, "")
    return StartRun(request), React(context.issue, context.trigger, "eyes"), RemoveLabel(context.issue, LABEL)


HANDLER = Handler(
    name="label",
    usage="the label `amp`",
    summary="On an issue: Amp resolves it as described. ampbot removes the label at once, ready for the next use.",
    examples=(),
    plan=plan,
    on=(On(LABELED, LABEL, pulls=False),),
)
