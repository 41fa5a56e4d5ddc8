"""`/amp help`: what can be asked for here."""

from bot.effects import Effect
from bot.handler import Ask, Facts, Handler, reply
from bot.model import Said


def wants(ask: Ask) -> bool:
    return isinstance(ask.event, Said) and ask.command is not None and ask.command.verb == "help"


def plan(facts: Facts) -> tuple[Effect, ...]:
    from handlers import HANDLERS  # the list includes this file

    rows = [f"- **{_shown(handler.usage)}**: {handler.summary}" for handler in HANDLERS]
    text = "\n".join(["What you can ask of ampbot here, if you have write access:", "", *rows])
    return (reply(facts.ask.event, facts.cause, text),)


def _shown(usage: str) -> str:
    return f"`{usage}`" if usage.startswith("/") else usage


HANDLER = Handler(
    name="help", usage="/amp help", summary="Shows this list.", examples=("/amp help",), wants=wants, plan=plan
)
