"""`/amp <request>` or `/amp work <request>`: Amp works on it; its changes become a pull request or a commit."""

from bot.events.commands import REQUEST
from bot.events.effects import Effect, React, StartRun
from bot.events.handler import Handler, HandlerContext
from bot.model import RunKind


def plan(context: HandlerContext) -> tuple[Effect, ...]:
    assert context.invocation.command is not None  # noqa: S101 - Handler.matches ensures it
    request = context.request(RunKind.WORK, context.invocation.command.text)
    return StartRun(request), React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="run",
    usage="/amp <request>",
    summary=(
        "Amp works on the request in a fresh checkout. On an issue the result is a pull request; on a pull request "
        "of this repository, a commit on its branch. If nothing needs to change, you get an answer. `/amp work "
        "<request>` is the same, and takes a request that begins like another command."
    ),
    examples=(
        "/amp fix the flaky login test",
        "/amp why does `page_count` return one too many?",
        "/amp work stop the timer",
    ),
    plan=plan,
    verb=REQUEST,
)
