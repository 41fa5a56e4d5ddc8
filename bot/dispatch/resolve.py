"""What wishes come to, as our rows stand: decided in the transaction that writes the plan down, so once.

Runs get into line here, in the order of the text that asks for them, and those that are to stop get their end.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.context import World
from bot.dispatch import status
from bot.events.effects import Effect, Reply, RetryRun, ShowStatus, ShowStopped, StartRun, StopRuns, Wish
from bot.model import CommentKind, RunRequest, Trigger
from bot.store import idempotency, kv, runs, stops
from bot.store.runs import Run
from bot.store.stops import Met
from bot.text import stop_messages


def settle(connection: Connection, world: World, wish: Wish) -> tuple[Effect, ...]:
    """The effects of one wish."""
    match wish:
        case StopRuns():
            return _stop(connection, wish)
        case RetryRun():
            return _retry(connection, wish)
        case ShowStatus(place=place, cause=cause, at=at):
            text = status.of(connection, world, place)
            return (Reply(place, f"status:{cause}:{at}", text, at),)
        case StartRun(request=request):
            _start(connection, request)
            return (wish,)
        case _:
            return (wish,)


# --- stop -------------------------------------------------------------------------------------------


def _stop(connection: Connection, wish: StopRuns) -> tuple[Effect, ...]:
    place, login = wish.place, wish.actor.login
    # The same gesture may come in two deliveries; to the second there would be nothing left to stop.
    gesture = f"stopped:{wish.cause}:{wish.at}:{wish.keep}"
    if not isinstance(idempotency.claim(connection, gesture), idempotency.Fresh):
        return ()
    idempotency.settle(connection, gesture, "")
    runs.hold_line(connection, place.repo.id, place.number)
    _remember(connection, wish)
    met: dict[Met, list[str]] = {each: [] for each in Met}
    for run in stops.unended(connection, place.repo.id, place.number):
        if _before(run.request, wish.at, wish.trigger):
            ending = partial(stop_messages.stopped, login)
            met[stops.stop(connection, run.id, login, keep=wish.keep, ending=ending)].append(run.id)
    dropped, kept, late = (tuple(met[each]) for each in (Met.DROPPED, Met.KEPT, Met.LATE))
    planned: list[Effect] = []
    if dropped or kept:
        planned.append(ShowStopped(place, wish.trigger, dropped, kept))
    if late:
        planned.append(_answer(wish, stop_messages.too_late_to_stop(len(late))))
    return tuple(planned) or (_answer(wish, stop_messages.nothing_to_stop()),)


def _answer(wish: StopRuns, text: str) -> Reply:
    return Reply(wish.place, f"stop:{wish.cause}:{wish.at}", text, wish.at)


def _before(request: RunRequest, at: str, trigger: Trigger) -> bool:
    """Was the run asked for before the word to stop? What the same text asks for is meant to come instead."""
    asked, said = datetime.fromisoformat(request.at), datetime.fromisoformat(at)
    if asked != said:
        return asked < said
    if request.trigger.kind is trigger.kind:
        return request.trigger.comment < trigger.comment
    return True


def _mark(repository: int, number: int) -> str:
    return f"stop:{repository}:{number}"


def _remember(connection: Connection, wish: StopRuns) -> None:
    """Deliveries come in any order: what was asked for before this, and arrives after it, is to stop all the same."""
    name = _mark(wish.place.repo.id, wish.place.number)
    known = kv.get(connection, name)
    if known is None or datetime.fromisoformat(json.loads(known)[0]) <= datetime.fromisoformat(wish.at):
        said = [wish.at, wish.trigger.kind, wish.trigger.comment, wish.actor.login]
        kv.put(connection, name, json.dumps(said))


def _start(connection: Connection, request: RunRequest) -> None:
    runs.add(connection, request)
    known = kv.get(connection, _mark(request.place.repo.id, request.place.number))
    if known is not None:
        at, kind, comment, login = json.loads(known)
        if _before(request, at, Trigger(CommentKind(kind), comment)):
            stops.stop(connection, request.id, login, keep=False, ending=partial(stop_messages.stopped, login))


# --- retry ------------------------------------------------------------------------------------------


def _retry(connection: Connection, wish: RetryRun) -> tuple[Effect, ...]:
    place = wish.request.place
    known = _known(connection, wish.request.id)
    if known is not None:
        return (StartRun(known.request),)
    last = stops.latest_ended(connection, place.repo.id, place.number)
    if last is None:
        running = bool(stops.unended(connection, place.repo.id, place.number))
        return (Reply(place, f"retry:{wish.cause}", stop_messages.nothing_to_retry(running), wish.request.at),)
    old = last.request
    request = replace(wish.request, kind=old.kind, text=old.text, path=old.path, line=old.line)
    _start(connection, request)
    return (StartRun(request),)


def _known(connection: Connection, run: str) -> Run | None:
    try:
        return runs.get(connection, run)
    except sa.exc.NoResultFound:
        return None
