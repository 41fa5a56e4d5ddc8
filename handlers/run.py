"""`/amp <request>`: Amp works on it, and what it changes becomes a pull request (or a commit on the one it is in)."""

from bot.events.effects import Effect, React, StartRun
from bot.events.handler import Ask, Facts, Handler
from bot.model import RunKind, Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "run"


def plan(facts: Facts) -> tuple[Effect, ...]:
    assert facts.ask.command is not None  # noqa: S101 - wants() holds it
    request = facts.request(RunKind.WORK, facts.ask.command.text)
    return StartRun(request), React(facts.place, facts.trigger, "eyes")


HANDLER = Handler(
    name="run",
    usage="/amp <request>",
    summary=(
        "Amp works on the request in a fresh checkout. On an issue the result is a pull request; on a pull request "
        "of this repository, a commit on its branch. If nothing needs to change, you get an answer."
    ),
    examples=("/amp fix the flaky login test", "/amp why does `page_count` return one too many?"),
    wants=wants,
    plan=plan,
)
