"""What an event asks for."""

from __future__ import annotations

from collections.abc import Iterator

from bot.context import Context
from bot.events import commands
from bot.events.handler import Invocation, verbs
from bot.github.identity import Identity
from bot.model import CommentEvent, Event, ForeignEdit, Problem
from bot.text import messages


def our_names(context: Context, me: Identity) -> frozenset[str]:
    """Our own logins, and the users and team slugs of the setting `reviewers`, in lower case."""
    return frozenset({me.slug.lower(), me.login.lower(), *(name.lower() for name in context.settings.reviewers)})


def invocations_in(context: Context, event: Event, me: Identity) -> Iterator[Invocation | Problem]:
    """What an event asks for. A Problem is a command that could not be understood."""
    names = our_names(context, me)
    if isinstance(event, CommentEvent | ForeignEdit):
        for command in commands.new_commands(event.text, event.before, (me.slug,), verbs(context.handlers)):
            if isinstance(event, ForeignEdit):
                yield Problem(messages.not_the_author())
                return
            yield command if isinstance(command, Problem) else Invocation(event, command, names)
        return
    invocation = Invocation(event, None, names)
    if any(handler.matches(invocation) for handler in context.handlers):
        yield invocation
