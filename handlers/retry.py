"""`/amp retry` repeats the issue's latest ended run, from the current state of the branch. Where that run's change set
could not be published, it is published, and Amp works again only if it no longer applies."""

from bot.events.commands import RETRY
from bot.events.effects import Action, React, RetryRun
from bot.events.handler import Handler, HandlerContext
from bot.model import RunKind


def plan(context: HandlerContext) -> tuple[Action, ...]:
    retry = RetryRun(context.request(RunKind.WORK, ""), context.event_key)
    return retry, React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="retry",
    usage="/amp retry",
    summary=(
        "Repeats the latest finished request here, with a fresh checkout and everything that was said since then. "
        "If its change was kept because it could not be published, publishes that, without Amp if it still applies."
    ),
    examples=("/amp retry",),
    plan=plan,
    verb=RETRY,
)
