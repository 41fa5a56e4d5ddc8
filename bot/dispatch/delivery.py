"""Handles one delivery: parses it, checks the permission, plans the effects, stores the plan and performs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch import event_keys
from bot.dispatch.give_up import give_up_effect, give_up_plan
from bot.dispatch.invocations import invocations_in
from bot.dispatch.resolve import lock_days, resolve
from bot.engine.attempts import MAX_ATTEMPTS, ExhaustedError, insist
from bot.engine.workflows import Engine
from bot.events import effects, payloads, policy
from bot.events.effects import Action, Effect, FinalizeStopped, React, RemoveLabel, Reply, StartRun
from bot.events.handler import HandlerContext, Invocation, reply
from bot.github.errors import TRANSIENT, ForbiddenError, GitHubError, NotFoundError
from bot.model import Event, ForeignEdit, Ignored, Problem, Repo, RunState
from bot.run import report
from bot.run.comment import post_of_run, post_once
from bot.run.stop import show_stopped
from bot.store import attempts, deliveries, holds, redelivery_attempts, runs
from bot.store.database import now
from bot.store.deliveries import GIVEN_UP
from bot.text import markers, messages

log = structlog.get_logger()

# The limit for one text. Each invocation may start a run, and runs cost money.
MAX_INVOCATIONS = 5
# Whoever reads a delivery has closed it or started its workflow after so many seconds.
READING_SECONDS = 5.0
# Rows of runs are kept for this long. An older request could be run twice, so it is refused.
OLDEST_DAYS = 90


@dataclass(frozen=True, slots=True)
class _Decision:
    """What to do about a delivery, its outcome for the log, and whether its actor may not ask."""

    actions: tuple[Action, ...]
    outcome: str
    denied: bool = False


async def dispatch(context: Context, engine: Engine, guid: str) -> None:
    """The delivery's workflow."""
    count = await engine.step("plan", lambda: _plan_or_give_up(context, guid))
    await asyncio.gather(
        *(engine.step(f"perform {index}", _performing(context, guid, index)) for index in range(count))
    )
    await engine.step("close", lambda: context.database.write(deliveries.close, guid))


async def _plan_or_give_up(context: Context, guid: str) -> int:
    key = (await context.database.read(deliveries.get, guid)).workflow
    try:
        return await insist(context, key, lambda attempt: plan(attempt, guid))
    except ExhaustedError:
        return await give_up_plan(context, guid)


async def close_ignored(context: Context, keys: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Close those of these deliveries that ask for nothing, at once and without a workflow.

    Most deliveries ask for nothing; those of our own comments and edits are among them. `keys`: GUID -> workflow key.
    Reading one counts as an attempt. It is read here once: if that kills the process, a workflow limits the attempts.

    Returns the GUIDs of those closed, and of those that another worker is reading now.
    """
    outcomes: dict[str, str] = {}
    if not keys or not context.github.identity_known:
        return frozenset(), frozenset()  # `identity` would wait for GitHub; only a workflow may do that
    first = await context.database.write(attempts.begin_first, keys.values())
    mine = {guid: key for guid, key in keys.items() if key in first}
    others = await _read_by_others(context, {guid: key for guid, key in keys.items() if key not in first})
    for guid in mine:
        stored = await context.database.read(deliveries.get, guid)
        if stored.plan is not None:
            continue
        try:
            invocations = await _invocations(context, stored)
        except Exception as error:  # noqa: BLE001 - the workflow will raise and log it
            log.warning("not dismissed", guid=guid, error=type(error).__name__)
            continue
        if isinstance(invocations, str):
            outcomes[guid] = invocations
            log.info("delivery", guid=guid, github_event=stored.event, outcome=invocations)

    def close(connection: Connection) -> None:
        for guid, outcome in outcomes.items():
            deliveries.store_plan(connection, guid, effects.dump(()), outcome)
            deliveries.mark_dispatched(connection, guid)
            deliveries.close(connection, guid)

    if outcomes:
        await context.database.write(close)
    # This process has survived the others: their workflows do not count the attempt again.
    context.attempts.survived.update(key for guid, key in mine.items() if guid not in outcomes)
    return frozenset(outcomes), others


async def _read_by_others(context: Context, keys: Mapping[str, str]) -> frozenset[str]:
    if context.database.is_sqlite or not keys:
        return frozenset()  # whoever read them is dead
    since = now() - READING_SECONDS
    recent = await context.database.read(attempts.begun_since, keys.values(), since)
    return frozenset(guid for guid, key in keys.items() if key in recent - context.attempts.survived)


def _performing(context: Context, guid: str, index: int) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        stored = await context.database.read(deliveries.get, guid)
        effect = effects.load(stored.plan or "[]")[index]
        try:
            await insist(
                context,
                f"{stored.workflow}:{index}",
                lambda attempt: perform(attempt, effect),
                limit=1 if stored.outcome == GIVEN_UP else MAX_ATTEMPTS,
            )
        except ExhaustedError:
            await give_up_effect(context, guid, effect)

    return step


async def plan(context: Context, guid: str) -> int:
    """Decide what to do about a delivery and store the plan. Returns the number of effects. Raises: TRANSIENT."""
    stored = await context.database.read(deliveries.get, guid)
    if stored.plan is None:
        try:
            decided, outcome = await _decide(context, stored)
        except TRANSIENT:
            raise
        except GitHubError as error:
            # The App was uninstalled or suspended, or the repository was transferred: we cannot reply there.
            decided, outcome = (), f"refused by GitHub: {error.status} {error.message}"
        count = await context.database.write(_store_plan, context, guid, decided, outcome)
        context.work.set()
        log.info("delivery", guid=guid, github_event=stored.event, outcome=outcome)
        return count
    return len(effects.load(stored.plan))


def _store_plan(connection: Connection, context: Context, guid: str, actions: tuple[Action, ...], outcome: str) -> int:
    """Resolve the actions and store the plan, unless there is one. Returns the number of effects."""
    plan = deliveries.get(connection, guid).plan
    if plan is None:
        lock_days(connection, actions)
        plan = effects.dump(tuple(effect for action in actions for effect in resolve(connection, context, action)))
        deliveries.store_plan(connection, guid, plan, outcome)
    return len(effects.load(plan))


async def _invocations(
    context: Context, stored: deliveries.StoredDelivery
) -> tuple[Event, tuple[Invocation | Problem, ...]] | str:
    """The event and its invocations; if there are none, the delivery's outcome."""
    event = payloads.parse(stored.event, stored.body)
    if isinstance(event, Ignored):
        return f"ignored: {event.reason}"
    if isinstance(event, Problem):
        return f"unreadable: {event.message}"
    me = await context.github.identity()
    invocations = tuple(invocations_in(context, event, me))
    if len(invocations) > MAX_INVOCATIONS:
        invocations = (*invocations[:MAX_INVOCATIONS], Problem(messages.too_many_asks(MAX_INVOCATIONS)))
    if not invocations:
        return "ignored: asks nothing"
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return "ignored: written by a machine"
    return event, invocations


async def _decide(context: Context, stored: deliveries.StoredDelivery) -> tuple[tuple[Action, ...], str]:
    parsed = await _invocations(context, stored)
    if isinstance(parsed, str):
        return (), parsed
    event, invocations = parsed
    try:
        decision = await _decide_for(context, stored.guid, event, invocations)
    except (NotFoundError, ForbiddenError):
        if (renamed := await _renamed(context, event.issue.repo)) is None:
            raise
    else:
        if not decision.denied or (renamed := await _renamed(context, event.issue.repo)) is None:
            return decision.actions, decision.outcome
    # Another repository may have the name that the delivery tells.
    event = replace(event, issue=replace(event.issue, repo=renamed))
    invocations = tuple(
        replace(found, event=event) if isinstance(found, Invocation) else found for found in invocations
    )
    decision = await _decide_for(context, stored.guid, event, invocations)
    return decision.actions, decision.outcome


async def _decide_for(
    context: Context, guid: str, event: Event, invocations: tuple[Invocation | Problem, ...]
) -> _Decision:
    repository = await context.github.conversation(event.issue.repo)
    event_key, owner = await event_keys.event_key(context, event, repository, guid)
    if (
        owner != guid
        and (event_keys.is_recovered(guid) or event_keys.is_recovered(owner))
        and not await context.database.read(_begins_anew, guid, owner)
    ):
        # GitHub and the sweep both brought this event; the other delivery handles it. Two deliveries from GitHub are
        # both handled: an edit may add commands, and an equal command gets the same run id.
        return _Decision((), f"ignored: taken as {owner}")
    permission = await repository.permission(event.actor.login, event.actor.id)
    verdict = policy.decide(event.actor, event.issue, permission)
    if isinstance(verdict, policy.Deny):
        key = f"denied:{event.issue.repo.id}:{event.issue.number}"
        # Who may not ask and edits the text of another has asked us nothing.
        message = None if isinstance(event, ForeignEdit) else verdict.message
        replies = () if message is None else (Reply(event.issue, key, message, event.at),)
        return _Decision(replies, f"denied: {verdict.reason}", denied=True)
    if datetime.fromisoformat(event.at).timestamp() < now() - OLDEST_DAYS * 86400:
        return _Decision((reply(event, event_key, messages.too_old(OLDEST_DAYS)),), "refused: too old")
    planned = [action for invocation in invocations for action in _planned(context, event, invocation, event_key)]
    return _Decision(tuple(planned), f"{len(planned)} effects")


def _begins_anew(connection: Connection, guid: str, owner: str) -> bool:
    """Somebody redelivers the event by hand, whose owner was given up. The sweep's own redeliveries are no such."""
    return deliveries.is_given_up(connection, owner) and redelivery_attempts.get(connection, guid) is None


async def _renamed(context: Context, repo: Repo) -> Repo | None:
    """The repository under the name that it has now; None if that is the one in the delivery, or there is none."""
    name = await context.github.current_name(repo)
    if name is None or name.lower() == repo.full_name.lower():
        return None
    owner, _, own = name.partition("/")
    return replace(repo, owner=owner, name=own)


def _planned(context: Context, event: Event, invocation: Invocation | Problem, event_key: str) -> tuple[Action, ...]:
    if isinstance(invocation, Invocation):
        for handler in context.handlers:
            if handler.matches(invocation):
                return handler.plan(HandlerContext(invocation, event_key))
    message = (
        invocation.message
        if isinstance(invocation, Problem)
        else messages.not_offered(invocation.command.verb if invocation.command else "")
    )
    return (reply(event, event_key, message),)


async def perform(context: Context, effect: Effect) -> None:
    """Perform one effect. Safe to repeat, also after a partial attempt. Raises: TRANSIENT.

    A refusal by GitHub (a locked issue, an archived repository) is only logged. A run whose comment was refused
    goes on, and its ending is posted as a new comment (bot/run/report.py).
    """
    try:
        await _perform(context, effect)
    except TRANSIENT:
        raise
    except GitHubError as error:
        log.warning("effect refused", effect=effect.type, status=error.status, github=error.message)
        if isinstance(effect, StartRun):
            await context.database.write(runs.set_comment, effect.request.id, 0)
            await report.catch_up(context, effect.request.id)


async def _perform(context: Context, effect: Effect) -> None:
    repository = await context.github.conversation(
        effect.request.issue.repo if isinstance(effect, StartRun) else effect.issue.repo
    )
    match effect:
        case React(issue=issue, trigger=trigger, content=content):
            await repository.react(trigger.kind, issue.number, trigger.comment, content)
        case RemoveLabel(issue=issue, label=label):
            await repository.remove_label(issue.number, label)
        case Reply(issue=issue, key=key, text=text, at=at):
            mark = markers.key_marker(key)
            await post_once(context, repository, issue.number, key, mark, f"{mark}\n{text}", at)
        case FinalizeStopped():
            await show_stopped(context, repository, effect)
        case StartRun(request=request):
            position = await context.database.write(runs.add, request)
            context.work.set()
            held = (await context.database.read(holds.current)).hold(request.issue.repo.id)
            body = messages.progress(request, RunState.QUEUED, position=position, held=held)
            comment = await post_of_run(context, repository, request, body)
            await context.database.write(runs.set_comment, request.id, comment)
            await report.catch_up(context, request.id)
        case _:
            assert_never(effect)
