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
    summary="Put on an issue, it asks Amp to resolve the issue as described. It is taken off again, for next time.",
    examples=(),
    wants=wants,
    plan=plan,
)
