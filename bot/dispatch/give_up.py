"""The end of a delivery whose attempts are used up: its author is told, and the inbox goes on.

What kills the process may do so here too. So each way to tell it is attempted once: a comment, else a reaction, else
only the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch import event_keys
from bot.dispatch.invocations import our_names
from bot.engine.attempts import MAX_ATTEMPTS, ExhaustedError, insist
from bot.events import effects, payloads, policy, triggers
from bot.events.effects import Effect, Reply, StartRun
from bot.events.handler import Invocation, trigger_of
from bot.github.errors import GitHubError
from bot.model import CommentEvent, Event, ForeignEdit, Ignored, Problem
from bot.run import report
from bot.store import deliveries, runs
from bot.store.deliveries import GIVEN_UP, StoredDelivery
from bot.text import gave_up_messages

log = structlog.get_logger()

# What can be seen of a failure where there is no comment.
REACTION = "confused"


async def give_up_plan(context: Context, guid: str) -> int:
    """The delivery cannot be planned: store a plan that only says so. Returns the number of effects."""
    stored = await context.database.read(deliveries.get, guid)
    log.error("delivery given up", guid=guid, github_event=stored.event, attempts=MAX_ATTEMPTS)
    replies: list[Reply] = []

    async def answer(attempt: Context) -> None:
        event = await _asking(attempt, stored)
        if event is None:
            return
        if not isinstance(event, ForeignEdit):
            key = f"given-up:{stored.workflow}"
            replies.append(Reply(event.issue, key, gave_up_messages.request(guid, MAX_ATTEMPTS), event.at))
        # Else the sweep would find the event and bring it again. That of other events takes more: see `claim`.
        if (key_of_text := triggers.key(event)) is not None:
            _, owner = await event_keys.claim(attempt, event, key_of_text, guid)
            if owner != guid and event_keys.is_recovered(owner):
                replies.clear()

    async def claim(attempt: Context) -> None:
        event = await _asking(attempt, stored)
        if event is not None and triggers.key(event) is None:
            repository = await attempt.github.conversation(event.issue.repo)
            await event_keys.event_key(attempt, event, repository, guid)

    await _once(context, f"{stored.workflow}:answer", answer)
    await _once(context, f"{stored.workflow}:claim", claim)

    def store(connection: Connection) -> int:
        deliveries.store_plan(connection, guid, effects.dump(tuple(replies)), GIVEN_UP)
        deliveries.give_up(connection, guid)
        return len(effects.load(deliveries.get(connection, guid).plan or "[]"))

    return await context.database.write(store)


async def give_up_effect(context: Context, guid: str, effect: Effect) -> None:
    """The effect cannot be performed: show that, and go on with the others."""
    log.error("effect given up", guid=guid, effect=effect.type, attempts=MAX_ATTEMPTS)
    await context.database.write(deliveries.give_up, guid)
    if isinstance(effect, StartRun):
        run = effect.request.id

        async def without_comment(attempt: Context) -> None:
            # The run goes on, and posts its comment at its end.
            row = await attempt.database.read(runs.get, run)
            if row.comment is None:
                await attempt.database.write(runs.set_comment, run, 0)
            await report.catch_up(attempt, run)

        await _once(context, f"{run}:comment", without_comment)
    else:
        await show_given_up(context, guid)


async def show_given_up(context: Context, guid: str) -> None:
    """React to the text that asked, if there is one and the attempt succeeds."""
    stored = await context.database.read(deliveries.get, guid)

    async def react(attempt: Context) -> None:
        event = await _asking(attempt, stored)
        if event is not None and not isinstance(event, ForeignEdit):
            repository = await attempt.github.conversation(event.issue.repo)
            trigger = trigger_of(event)
            await repository.react(trigger.kind, event.issue.number, trigger.comment, REACTION)

    await _once(context, f"{stored.workflow}:reaction", react)


async def _once(context: Context, key: str, work: Callable[[Context], Awaitable[None]]) -> None:
    try:
        await insist(context, key, work, limit=1)
    except (ExhaustedError, GitHubError) as error:
        log.warning("not shown", key=key, error=type(error).__name__)


async def _asking(context: Context, stored: StoredDelivery) -> Event | None:
    """The event, if a person may have asked for something by it. Its commands are not read: that may be what fails."""
    event = payloads.parse(stored.event, stored.body)
    if isinstance(event, Ignored | Problem):
        return None
    me = await context.github.identity()
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return None
    if isinstance(event, CommentEvent | ForeignEdit):
        said = event.text.casefold()
        return event if "/amp" in said or f"@{me.slug.casefold()}" in said else None
    invocation = Invocation(event, None, our_names(context, me))
    return event if any(on.matches(invocation) for handler in context.handlers for on in handler.on) else None
