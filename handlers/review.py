"""`/amp review`, the label `amp:review`, or a review request: Amp reviews the pull request. Nothing is pushed."""

from bot.events.commands import REVIEW
from bot.events.effects import Effect, React, RemoveLabel, StartRun
from bot.events.handler import Handler, HandlerContext, On, reply
from bot.events.triggers import LABELED, REVIEW_REQUESTED
from bot.model import LabelEvent, RunKind
from bot.text import command_messages

LABEL = "amp:review"


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    event, command = context.invocation.event, context.invocation.command
    focus = command.text if command else ""
    label: tuple[Effect, ...] = (RemoveLabel(event.issue, event.label),) if isinstance(event, LabelEvent) else ()
    if not event.issue.is_pull:
        return reply(event, context.event_key, command_messages.not_a_pull(asked=bool(focus))), *label
    return StartRun(context.request(RunKind.REVIEW, focus)), React(context.issue, context.trigger, "eyes"), *label


HANDLER = Handler(
    name="review",
    usage="/amp review",
    summary=(
        "Amp reads the pull request and posts one review with comments on the diff. Nothing is pushed. What follows "
        "the word is what to look at. The label `amp:review` and a review request do the same."
    ),
    examples=("/amp review", "/amp review the error handling"),
    plan=plan,
    verb=REVIEW,
    on=(On(LABELED, LABEL), On(REVIEW_REQUESTED)),
)
