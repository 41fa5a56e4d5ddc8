"""`/amp review`, the label `amp:review`, or a review requested of ampbot: Amp reads, nothing is pushed."""

from bot.events.effects import Effect, React, StartRun, Unlabel
from bot.events.handler import Ask, Facts, Handler, reply
from bot.model import Labelled, ReviewRequested, RunKind, Said
from bot.text import messages

LABEL = "amp:review"


def wants(ask: Ask) -> bool:
    match ask.event:
        case Said():
            return ask.command is not None and ask.command.verb == "review"
        case Labelled(label=label):
            return label.lower() == LABEL
        case ReviewRequested(user=user, team=team):
            return (user or "").lower() in ask.names or (team or "").lower() in ask.names
        case _:
            return False


def plan(facts: Facts) -> tuple[Effect, ...]:
    event = facts.ask.event
    label: tuple[Effect, ...] = (Unlabel(event.place, event.label),) if isinstance(event, Labelled) else ()
    if not event.place.is_pull:
        return reply(event, facts.cause, messages.not_a_pull()), *label
    return StartRun(facts.request(RunKind.REVIEW, "")), React(facts.place, facts.trigger, "eyes"), *label


HANDLER = Handler(
    name="review",
    usage="/amp review",
    summary=(
        "Amp reads the pull request and posts one review with comments on the diff. Nothing is pushed. The label "
        "`amp:review` and a review request do the same."
    ),
    examples=("/amp review",),
    wants=wants,
    plan=plan,
)
