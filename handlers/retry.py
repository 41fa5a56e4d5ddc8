"""`/amp retry`: what was asked for last and has ended, once more, from the branch as it is now."""

from bot.events.effects import React, RetryRun, Wish
from bot.events.handler import Ask, Facts, Handler
from bot.model import RunKind, Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "retry"


def plan(facts: Facts) -> tuple[Wish, ...]:
    retry = RetryRun(facts.request(RunKind.WORK, ""), facts.cause)
    return retry, React(facts.place, facts.trigger, "eyes")


HANDLER = Handler(
    name="retry",
    usage="/amp retry",
    summary="Repeats the latest finished request here, with a fresh checkout and everything that was said since then.",
    examples=("/amp retry",),
    wants=wants,
    plan=plan,
)
