"""The label `amp` on an issue: Amp resolves the issue as it is described. The label is taken off again."""

from bot.events.effects import Effect, React, RemoveLabel, StartRun
from bot.events.handler import Handler, HandlerContext, Invocation
from bot.model import LabelEvent, RunKind

LABEL = "amp"


def matches(invocation: Invocation) -> bool:
    return (
        isinstance(invocation.event, LabelEvent)
        and invocation.event.label.lower() == LABEL
        and not invocation.event.issue.is_pull
    )


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    request = context.request(RunKind.WORK, "")
    return StartRun(request), React(context.issue, context.trigger, "eyes"), RemoveLabel(context.issue, LABEL)


HANDLER = Handler(
    name="label",
    usage="the label `amp`",
    summary="On an issue: Amp resolves it as described. ampbot removes the label at once, ready for the next use.",
    examples=(),
    matches=matches,
    plan=plan,
)
