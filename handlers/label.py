"""The label `amp` on an issue: Amp resolves the issue as it is described. The label is taken off again."""

from bot.events.effects import Effect, React, StartRun, Unlabel
from bot.events.handler import Ask, Facts, Handler
from bot.model import Labelled, RunKind

LABEL = "amp"


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Labelled) and ask.event.label.lower() == LABEL and not ask.event.place.is_pull


def plan(facts: Facts) -> tuple[Effect, ...]:
    request = facts.request(RunKind.WORK, "")
    return StartRun(request), React(facts.place, facts.trigger, "eyes"), Unlabel(facts.place, LABEL)


HANDLER = Handler(
    name="label",
    usage="the label `amp`",
    summary="On an issue: Amp resolves it as described. ampbot removes the label at once, ready for the next use.",
    examples=(),
    wants=wants,
    plan=plan,
)
