"""`/amp help` lists what people can ask for."""

from collections.abc import Sequence

from bot.events.commands import HELP
from bot.events.effects import Effect
from bot.events.handler import Handler, HandlerContext, reply


def handler(others: Sequence[Handler]) -> Handler:
    """The handler that lists `others` and itself."""

    def plan(context: HandlerContext) -> tuple[Effect, ...]:
        rows = [f"- **{_format_usage(listed.usage)}**: {listed.summary}" for listed in (*others, itself)]
        text = "\n".join(["What you can ask of ampbot here, if you have write access:", "", *rows])
        return (reply(context.invocation.event, context.event_key, text),)

    itself = Handler(
        name="help",
        usage="/amp help",
        summary="Shows this list.",
        examples=("/amp help",),
        plan=plan,
        verb=HELP,
    )
    return itself


def _format_usage(usage: str) -> str:
    return f"`{usage}`" if usage.startswith("/") else usage
