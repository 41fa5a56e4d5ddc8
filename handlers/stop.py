"""`/amp stop` stops every run of the issue; `/amp stop keep` publishes the changes so far as a draft."""

from bot.events.commands import STOP
from bot.events.effects import Action, React, StopRuns
from bot.events.handler import Handler, HandlerContext


def plan(context: HandlerContext) -> tuple[Action, ...]:
    event, command = context.invocation.event, context.invocation.command
    assert command is not None  # noqa: S101 - Handler.matches ensures it
    keep = command.text == "keep"
    stop = StopRuns(context.issue, context.event_key, context.trigger, event.actor, event.at, keep)
    return stop, React(context.issue, context.trigger, "eyes")


HANDLER = Handler(
    name="stop",
    usage="/amp stop",
    summary=(
        "Stops the run that is active here and every queued one, whatever follows the word. Nothing from them is "
        "published. `/amp stop keep` publishes what Amp has changed so far as a draft pull request (on a pull "
        "request: on a separate branch). `/amp cancel` and `/amp abort` stop too."
    ),
    examples=("/amp stop", "/amp stop keep"),
    plan=plan,
    verb=STOP,
)
