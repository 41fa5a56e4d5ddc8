"""`/amp status` shows which runs of the issue are active and queued, and how the last one ended."""

from bot.events.commands import STATUS
from bot.events.effects import Action, React, ShowStatus
from bot.events.handler import Handler, HandlerContext


def plan(context: HandlerContext) -> tuple[Action, ...]:
    status = ShowStatus(context.issue, context.event_key, context.invocation.event.at)
    return status, React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="status",
    usage="/amp status",
    summary="Shows what is running here and since when, what is queued, and the last run's result, time and tokens.",
    examples=("/amp status",),
    plan=plan,
    verb=STATUS,
)
