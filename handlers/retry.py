"""`/amp retry`: what was asked for last and has ended, once more, from the branch as it is now."""

from bot.events.effects import Action, React, RetryRun
from bot.events.handler import Handler, HandlerContext, Invocation
from bot.model import CommentEvent, RunKind


def matches(invocation: Invocation) -> bool:
    return (
        isinstance(invocation.event, CommentEvent)
        and invocation.command is not None
        and invocation.command.verb == "retry"
    )


def plan(context: HandlerContext) -> tuple[Action, ...]:
    retry = RetryRun(context.request(RunKind.WORK, ""), context.event_key)
    return retry, React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="retry",
    usage="/amp retry",
    summary="Repeats the latest finished request here, with a fresh checkout and everything that was said since then.",
    examples=("/amp retry",),
    matches=matches,
    plan=plan,
)
