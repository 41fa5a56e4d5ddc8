"""`/amp help`: what can be asked for here."""

from collections.abc import Sequence

from bot.events.commands import Verb
from bot.events.effects import Effect
from bot.events.handler import Handler, HandlerContext, reply


def handler(others: Sequence[Handler]) -> Handler:
    """The handler that shows the help of the others, and its own."""

    def plan(context: HandlerContext) -> tuple[Effect, ...]:
        rows = [f"- **{_shown(each.usage)}**: {each.summary}" for each in (*others, itself)]
        text = "\n".join(["What you can ask of ampbot here, if you have write access:", "", *rows])
        return (reply(context.invocation.event, context.event_key, text),)

    itself = Handler(
        name="help",
        usage="/amp help",
        summary="Shows this list.",
        examples=("/amp help",),
        plan=plan,
        verb=Verb("help"),
    )
    return itself


def _shown(usage: str) -> str:
    return f"`{usage}`" if usage.startswith("/") else usage
