"""`/amp help`: what can be asked for here."""

from collections.abc import Sequence

from bot.events.effects import Effect
from bot.events.handler import Handler, HandlerContext, Invocation, reply
from bot.model import CommentEvent


def matches(invocation: Invocation) -> bool:
    return (
        isinstance(invocation.event, CommentEvent)
        and invocation.command is not None
        and invocation.command.verb == "help"
    )


def handler(others: Sequence[Handler]) -> Handler:
    """The handler that shows the help of the others, and its own."""

    def plan(context: HandlerContext) -> tuple[Effect, ...]:
        rows = [f"- **{_shown(each.usage)}**: {each.summary}" for each in (*others, itself)]
        text = "\n".join(["What you can ask of ampbot here, if you have write access:", "", *rows])
        return (reply(context.invocation.event, context.event_key, text),)

    itself = Handler(
        name="help", usage="/amp help", summary="Shows this list.", examples=("/amp help",), matches=matches, plan=plan
    )
    return itself


def _shown(usage: str) -> str:
    return f"`{usage}`" if usage.startswith("/") else usage
