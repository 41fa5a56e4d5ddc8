"""`/amp help`: what can be asked for here."""

from collections.abc import Sequence

from bot.events.effects import Effect
from bot.events.handler import Ask, Facts, Handler, reply
from bot.model import Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "help"


def handler(others: Sequence[Handler]) -> Handler:
    """The handler that shows the help of the others, and its own."""

    def plan(facts: Facts) -> tuple[Effect, ...]:
        rows = [f"- **{_shown(each.usage)}**: {each.summary}" for each in (*others, itself)]
        text = "\n".join(["What you can ask of ampbot here, if you have write access:", "", *rows])
        return (reply(facts.ask.event, facts.cause, text),)

    itself = Handler(
        name="help", usage="/amp help", summary="Shows this list.", examples=("/amp help",), wants=wants, plan=plan
    )
    return itself


def _shown(usage: str) -> str:
    return f"`{usage}`" if usage.startswith("/") else usage
