"""`/amp status`: what runs and waits in this conversation, and how the last run ended."""

from bot.events.effects import React, ShowStatus, Wish
from bot.events.handler import Ask, Facts, Handler
from bot.model import Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "status"


def plan(facts: Facts) -> tuple[Wish, ...]:
    status = ShowStatus(facts.place, facts.cause, facts.ask.event.at)
    return status, React(facts.place, facts.trigger, "eyes")


HANDLER = Handler(
    name="status",
    usage="/amp status",
    summary="Shows what is running here and since when, what is queued, and the last run's result, time and tokens.",
    examples=("/amp status",),
    wants=wants,
    plan=plan,
)
