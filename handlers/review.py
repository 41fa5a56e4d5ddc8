"""`/amp review`, the label `amp:review`, or a review requested of ampbot: Amp reads, nothing is pushed."""

from bot.events.effects import Effect, React, RemoveLabel, StartRun
from bot.events.handler import Handler, HandlerContext, Invocation, reply
from bot.model import CommentEvent, LabelEvent, ReviewRequestEvent, RunKind
from bot.text import messages

LABEL = "amp:review"


def matches(invocation: Invocation) -> bool:
    match invocation.event:
        case CommentEvent():
            return invocation.command is not None and invocation.command.verb == "review"
        case LabelEvent(label=label):
            return label.lower() == LABEL
        case ReviewRequestEvent(user=user, team=team):
            return (user or "").lower() in invocation.names or (team or "").lower() in invocation.names
        case _:
            return False


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
    matches=matches,
    plan=plan,
)
