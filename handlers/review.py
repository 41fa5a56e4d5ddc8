"""`/amp review`, the label `amp:review`, or a review request: Amp reviews the pull request. Nothing is pushed."""

from bot.events.commands import Verb
from bot.events.effects import Effect, React, RemoveLabel, StartRun
from bot.events.handler import Handler, HandlerContext, On, reply
from bot.events.triggers import LABELED, REVIEW_REQUESTED
from bot.model import LabelEvent, RunKind
from bot.text import messages

LABEL = "amp:review"


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    event = context.invocation.event
    label: tuple[Effect, ...] = (RemoveLabel(event.issue, event.label),) if isinstance(event, LabelEvent) else ()
    if not event.issue.is_pull:
        return reply(event, context.event_key, messages.not_a_pull()), *label
    return StartRun(context.request(RunKind.REVIEW, "")), React(context.issue, context.trigger, "eyes"), *label


HANDLER = Handler(
    name="review",
    usage="/amp review",
    summary=(
        "Amp reads the pull request and posts one review with comments on the diff. Nothing is pushed. The label "
        "`amp:review` and a review request do the same."
    ),
    examples=("/amp review",),
    plan=plan,
    verb=Verb("review"),
    on=(On(LABELED, LABEL), On(REVIEW_REQUESTED)),
)
