"""`/amp stop`: every run of this conversation ends at once; `/amp stop keep` publishes what exists as a draft."""

from bot.events.effects import React, StopRuns, Wish
from bot.events.handler import Ask, Facts, Handler
from bot.model import Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "stop"


def plan(facts: Facts) -> tuple[Wish, ...]:
    event, command = facts.ask.event, facts.ask.command
    assert command is not None  # noqa: S101 - wants() holds it
    keep = command.text == "keep"
    stop = StopRuns(facts.place, facts.cause, facts.trigger, event.actor, event.at, keep)
    return stop, React(facts.place, facts.trigger, "eyes")


HANDLER = Handler(
    name="stop",
    usage="/amp stop",
    summary=(
        "Stops the run that is active here and every queued one. Nothing from them is published. `/amp stop keep` "
        "publishes what Amp has changed so far as a draft pull request (on a pull request: on a separate branch)."
    ),
    examples=("/amp stop", "/amp stop keep"),
    wants=wants,
    plan=plan,
)
