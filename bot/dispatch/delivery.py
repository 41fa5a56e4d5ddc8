"""Handles one delivery: parses it, checks the permission, plans the effects, stores the plan and performs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import structlog
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch.resolve import resolve
from bot.engine.retry import retry_github
from bot.engine.workflows import Engine
from bot.events import commands, effects, payloads, policy, triggers
from bot.events.effects import Action, Effect, FinalizeStopped, React, RemoveLabel, Reply, StartRun
from bot.events.handler import HandlerContext, Invocation, reply, verbs
from bot.github.errors import TRANSIENT, ForbiddenError, GitHubError, NotFoundError
from bot.github.identity import Identity
from bot.github.repository import Repository
from bot.model import CommentEvent, Event, ForeignEdit, Ignored, Problem, Repo, RunState
from bot.run import report
from bot.run.comment import post_of_run, post_once
from bot.run.stop import show_stopped
from bot.store import deliveries, idempotency, runs
from bot.store.database import now
from bot.store.deliveries import RECOVERED_PREFIX
from bot.text import markers, messages

log = structlog.get_logger()

# The limit for one text. Each invocation may start a run, and runs cost money.
MAX_INVOCATIONS = 5
# Rows of runs are kept for this long. An older request could be run twice, so it is refused.
OLDEST_DAYS = 90
# The GUID of an issue event that the sweep found: this prefix, then GitHub's id of the event.
FOUND_EVENT = f"{RECOVERED_PREFIX}{triggers.ISSUE_EVENT}-"


@dataclass(frozen=True, slots=True)
class _Decision:
    """What to do about a delivery, its outcome for the log, and whether its actor may not ask."""

    actions: tuple[Action, ...]
    outcome: str
    denied: bool = False


async def dispatch(context: Context, engine: Engine, guid: str) -> None:
    """The delivery's workflow."""
    count = await engine.step("plan", lambda: retry_github(context.sleep, lambda: plan(context, guid), forever=True))
    await asyncio.gather(
        *(engine.step(f"perform {index}", _performing(context, guid, index)) for index in range(count))
    )
    await engine.step("close", lambda: context.database.write(deliveries.close, guid))


async def close_ignored(context: Context, guids: Iterable[str]) -> frozenset[str]:
    """Close those of these deliveries that ask for nothing, at once and without a workflow. Returns their GUIDs.

    Most deliveries ask for nothing; those of our own comments and edits are among them.
    """
    outcomes: dict[str, str] = {}
    if not context.github.identity_known:
        return frozenset()  # `identity` would wait for GitHub; only a workflow may do that
    for guid in guids:
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
    return frozenset(outcomes)


def _performing(context: Context, guid: str, index: int) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        stored = await context.database.read(deliveries.get, guid)
        effect = effects.load(stored.plan or "[]")[index]
        await retry_github(context.sleep, lambda: perform(context, effect), forever=True)

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
    event_key, owner = await _event_key(context, event, repository, guid)
    if owner != guid and (_is_recovered(guid) or _is_recovered(owner)):
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


async def _renamed(context: Context, repo: Repo) -> Repo | None:
    """The repository under the name that it has now; None if that is the one in the delivery, or there is none."""
    name = await context.github.current_name(repo)
    if name is None or name.lower() == repo.full_name.lower():
        return None
    owner, _, own = name.partition("/")
    return replace(repo, owner=owner, name=own)


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


async def _event_key(context: Context, event: Event, repository: Repository, guid: str) -> tuple[str, str]:
    """The event key, and the GUID of the delivery that owns it.

    The key is the same if the event is redelivered, or found by the sweep.
    """
    key, trigger = triggers.key(event), triggers.of(event)
    if key is None and guid.startswith(FOUND_EVENT):
        key = triggers.issue_event_key(int(guid.removeprefix(FOUND_EVENT)))
    if key is None and trigger is not None:
        candidates = await repository.issue_events(trigger, event)
        match = await _match_event(context, event, candidates, guid)
        if match is None:  # GitHub's lists lag behind its deliveries
            await context.sleep(context.settings.list_lag_seconds)
            candidates = await repository.issue_events(trigger, event)
            match = await _match_event(context, event, candidates, guid)
        if match is not None:
            return match
    return await _claim_event(context, event, key or triggers.delivery_key(guid), guid)


async def _match_event(context: Context, event: Event, candidates: Iterable[int], guid: str) -> tuple[str, str] | None:
    """Match this delivery to one of these issue events: its key, and the GUID of the delivery that owns it.

    Events in the same second look alike, so each delivery claims a different one. If all of them are claimed, returns
    the first one that the sweep claimed; None if there is none.
    """
    recovered = None
    for number in candidates:
        event_key, owner = await _claim_event(context, event, triggers.issue_event_key(number), guid)
        if owner == guid:
            return event_key, owner
        if recovered is None and _is_recovered(owner):
            recovered = event_key, owner
    return recovered


def _is_recovered(guid: str) -> bool:
    return guid.startswith(RECOVERED_PREFIX)


async def _claim_event(context: Context, event: Event, event_key: str, guid: str) -> tuple[str, str]:
    """The event key, and the GUID of the delivery that owns it: this one, unless another has claimed it."""
    return event_key, await context.database.write(idempotency.acquire, triggers.owner_key(event, event_key), guid)


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
            body = messages.progress(request, RunState.QUEUED, position=position)
            comment = await post_of_run(context, repository, request, body)
            await context.database.write(runs.set_comment, request.id, comment)
            await report.catch_up(context, request.id)
        case _:
            assert_never(effect)
