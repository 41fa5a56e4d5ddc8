"""One delivery, from stored bytes to effects: understand, ask who may, decide, write the plan down, perform it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime

import structlog
from sqlalchemy.engine import Connection

from bot.context import World
from bot.dispatch.resolve import settle
from bot.engine.find_or_create import once
from bot.engine.retry import PASSING, outlast
from bot.engine.workflows import Engine
from bot.events import commands, effects, payloads, policy
from bot.events.effects import Effect, React, Reply, ShowStopped, StartRun, Unlabel, Wish
from bot.events.handler import Ask, Facts, reply
from bot.github.app import Identity
from bot.github.errors import GitHubError
from bot.github.issue_events import Gesture
from bot.github.repository import Repository
from bot.model import Event, Ignored, Labelled, Problem, ReviewRequested, RunState, Said
from bot.run import report
from bot.run.stop import show_stopped
from bot.store import deliveries, runs
from bot.store import idempotency as effects_made
from bot.store.database import now
from bot.store.deliveries import FOUND
from bot.text import messages
from handlers import HANDLERS

log = structlog.get_logger()

# One text may ask for so much at once; each is a run, and runs cost money.
MOST_ASKS = 5
# Ids of runs are kept for so long: what is older could be run twice.
OLDEST_DAYS = 90
# What the sweep calls an event that it found; the rest is the event's id.
FOUND_EVENT = f"{FOUND}event-"


async def dispatch(world: World, engine: Engine, guid: str) -> None:
    """The delivery's workflow."""
    count = await engine.step("plan", lambda: outlast(world.sleep, lambda: plan(world, guid), for_ever=True))
    await asyncio.gather(*(engine.step(f"perform {index}", _performing(world, guid, index)) for index in range(count)))
    await engine.step("close", lambda: world.database.write(lambda connection: deliveries.close(connection, guid)))


async def dismiss(world: World, guids: Iterable[str]) -> frozenset[str]:
    """Close those of these deliveries that ask nothing, all at once and without a workflow; says which they were.

    Most of what GitHub delivers is of this kind: our own comments and edits among it.
    """
    outcomes: dict[str, str] = {}
    if not world.github.is_known:
        return frozenset()  # nobody here may wait for GitHub; a workflow may
    for guid in guids:
        stored = await world.database.read(lambda connection, guid=guid: deliveries.get(connection, guid))  # type: ignore[misc]  # bound now
        if stored.plan is not None:
            continue
        try:
            asks = await _asked(world, stored)
        except Exception as error:  # noqa: BLE001 - its own workflow meets it again, and says so
            log.warning("not dismissed", guid=guid, error=type(error).__name__)
            continue
        if isinstance(asks, str):
            outcomes[guid] = asks
            log.info("delivery", guid=guid, github_event=stored.event, outcome=asks)

    def close(connection: Connection) -> None:
        for guid, outcome in outcomes.items():
            deliveries.decide(connection, guid, effects.dump(()), outcome)
            deliveries.take(connection, guid)
            deliveries.close(connection, guid)

    if outcomes:
        await world.database.write(close)
    return frozenset(outcomes)


def _performing(world: World, guid: str, index: int) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        stored = await world.database.read(lambda connection: deliveries.get(connection, guid))
        effect = effects.load(stored.plan or "[]")[index]
        await outlast(world.sleep, lambda: perform(world, effect), for_ever=True)

    return step


async def plan(world: World, guid: str) -> int:
    """Decide what to do about a delivery, write it down, and say how many effects that is."""
    stored = await world.database.read(lambda connection: deliveries.get(connection, guid))
    if stored.plan is None:
        try:
            decided, outcome = await _decide(world, stored)
        except PASSING:
            raise
        except GitHubError as error:
            # Uninstalled, suspended, transferred: there is nobody here to answer.
            decided, outcome = (), f"refused by GitHub: {error.status} {error.message}"
        count = await world.database.write(lambda connection: _write_down(connection, world, guid, decided, outcome))
        world.work.set()
        log.info("delivery", guid=guid, github_event=stored.event, outcome=outcome)
        return count
    return len(effects.load(stored.plan))


def _write_down(connection: Connection, world: World, guid: str, wishes: tuple[Wish, ...], outcome: str) -> int:
    """Settle the wishes and store what they come to, once; says how many effects that is."""
    plan = deliveries.get(connection, guid).plan
    if plan is None:
        plan = effects.dump(tuple(effect for wish in wishes for effect in settle(connection, world, wish)))
        deliveries.decide(connection, guid, plan, outcome)
    return len(effects.load(plan))


async def _asked(world: World, stored: deliveries.Stored) -> tuple[Event, tuple[Ask | Problem, ...]] | str:
    """What a delivery asks of us; a sentence where that is nothing."""
    event = payloads.parse(stored.event, stored.body)
    if isinstance(event, Ignored):
        return f"ignored: {event.reason}"
    if isinstance(event, Problem):
        return f"unreadable: {event.say}"
    me = await world.github.identity()
    asks = tuple(asks_of(event, me, names_of(world, me)))
    if len(asks) > MOST_ASKS:
        asks = (*asks[:MOST_ASKS], Problem(messages.too_many_asks(MOST_ASKS)))
    if not asks:
        return "ignored: asks nothing"
    if policy.is_machine(event.actor, policy.via_app(event), me.id):
        return "ignored: written by a machine"
    return event, asks


async def _decide(world: World, stored: deliveries.Stored) -> tuple[tuple[Wish, ...], str]:
    asked = await _asked(world, stored)
    if isinstance(asked, str):
        return (), asked
    event, asks = asked
    repository = await world.github.conversation(event.place.repo)
    cause, holder = await _cause(world, event, repository, stored.guid)
    if holder != stored.guid and (_is_found(stored.guid) or _is_found(holder)):
        # The sweep found what was delivered too. Two deliveries of GitHub's are two gestures, or one run's.
        return (), f"ignored: taken as {holder}"
    permission = await repository.permission(event.actor.login, event.actor.id)
    verdict = policy.decide(event.actor, event.place, permission)
    if isinstance(verdict, policy.Deny):
        key = f"denied:{event.place.repo.id}:{event.place.number}"
        said = () if verdict.say is None else (Reply(event.place, key, verdict.say, event.at),)
        return said, f"denied: {verdict.reason}"
    if datetime.fromisoformat(event.at).timestamp() < now() - OLDEST_DAYS * 86400:
        return (reply(event, cause, messages.too_old(OLDEST_DAYS)),), "refused: too old"
    planned = [effect for ask in asks for effect in _planned(event, ask, cause)]
    return tuple(planned), f"{len(planned)} effects"


def names_of(world: World, me: Identity) -> frozenset[str]:
    """The logins and team slugs that mean us, in small letters."""
    return frozenset({me.slug.lower(), me.login.lower(), *(name.lower() for name in world.settings.reviewers)})


def asks_of(event: Event, me: Identity, names: frozenset[str]) -> Iterator[Ask | Problem]:
    """The things asked for in an event; a Problem is text that meant us but could not be understood."""
    if isinstance(event, Said):
        for command in commands.new_commands(event.text, event.before, names=(me.slug,)):
            yield command if isinstance(command, Problem) else Ask(event, command, names)
        return
    ask = Ask(event, None, names)
    if any(handler.wants(ask) for handler in HANDLERS):
        yield ask


def _planned(event: Event, ask: Ask | Problem, cause: str) -> tuple[Wish, ...]:
    if isinstance(ask, Ask):
        for handler in HANDLERS:
            if handler.wants(ask):
                return handler.plan(Facts(ask, cause))
    say = ask.say if isinstance(ask, Problem) else messages.not_offered(ask.command.verb if ask.command else "")
    return (reply(event, cause, say),)


async def _cause(world: World, event: Event, repository: Repository, guid: str) -> tuple[str, str]:
    """The name of the gesture that asked, and who holds it.

    The name is the same for a redelivery and for whoever finds the gesture later.
    """
    match event:
        case Said(kind=kind, comment=comment):
            return await _held(world, event, f"{kind.value}:{comment}", guid)
        case _ if guid.startswith(FOUND_EVENT):
            return await _held(world, event, f"event:{guid.removeprefix(FOUND_EVENT)}", guid)
        case Labelled(label=label):
            gesture = Gesture("labeled", event.actor.id, event.at, label)
        case ReviewRequested(user=user, team=team):
            gesture = Gesture("review_requested", event.actor.id, event.at, user or team or "")
        case _:
            return await _held(world, event, f"delivery:{guid}", guid)
    found = await repository.gestures(event.place.number, gesture)
    taken = await _one_of(world, event, found, guid)
    if taken is None:  # GitHub's lists lag behind what it delivers
        await world.sleep(world.settings.list_lag_seconds)
        found = await repository.gestures(event.place.number, gesture)
        taken = await _one_of(world, event, found, guid)
    return taken or await _held(world, event, f"delivery:{guid}", guid)


async def _one_of(world: World, event: Event, found: Iterable[int], guid: str) -> tuple[str, str] | None:
    """Which of these gestures is this delivery's. Of several within a second that cannot be told: each takes one."""
    swept = None
    for each in found:
        cause, holder = await _held(world, event, f"event:{each}", guid)
        if holder == guid:
            return cause, holder
        if swept is None and _is_found(holder):
            swept = cause, holder
    return swept


def _is_found(guid: str) -> bool:
    return guid.startswith(FOUND)


async def _held(world: World, event: Event, cause: str, guid: str) -> tuple[str, str]:
    """The cause, and who holds it: this delivery, if nobody did."""
    name = f"gesture:{event.place.repo.id}:{cause}"
    return cause, await world.database.write(lambda connection: effects_made.hold(connection, name, guid))


async def perform(world: World, effect: Effect) -> None:
    """Do one effect. It may have been done before, wholly or in part: every way through here is find-then-create.

    What GitHub refuses for good (a locked conversation, an archived repository) is logged and left: the run itself
    says the same in its own end.
    """
    try:
        await _perform(world, effect)
    except PASSING:
        raise
    except GitHubError as error:
        log.warning("effect refused", effect=effect.type, status=error.status, github=error.message)
        if isinstance(effect, StartRun):
            await world.database.write(lambda connection: runs.commented(connection, effect.request.id, 0))


async def _perform(world: World, effect: Effect) -> None:
    repository = await world.github.conversation(
        effect.request.place.repo if isinstance(effect, StartRun) else effect.place.repo
    )
    match effect:
        case React(place=place, trigger=trigger, content=content):
            await repository.react(trigger.kind, place.number, trigger.comment, content)
        case Unlabel(place=place, label=label):
            await repository.unlabel(place.number, label)
        case Reply(place=place, key=key, text=text, at=at):
            mark = messages.key_marker(key)
            await _comment(world, repository, place.number, key, mark, f"{mark}\n{text}", at)
        case ShowStopped():
            await show_stopped(world, repository, effect)
        case StartRun(request=request):
            position = await world.database.write(lambda connection: runs.add(connection, request))
            world.work.set()
            body = messages.progress(request, RunState.QUEUED, position=position)
            key, mark = f"comment:{request.id}", messages.marker(request.id)
            comment = await _comment(world, repository, request.place.number, key, mark, body, request.at)
            await world.database.write(lambda connection: runs.commented(connection, request.id, comment))
            await report.catch_up(world, request.id)


async def _comment(
    world: World, repository: Repository, number: int, key: str, mark: str, body: str, since: str
) -> int:
    me = await world.github.identity()

    async def find() -> str | None:
        found = await repository.find_comment(number, mark, me.login, since)
        return str(found.id) if found else None

    async def create() -> str:
        return str((await repository.comment(number, world.redact(body))).id)

    return int(await once(world, key, find=find, create=create))
