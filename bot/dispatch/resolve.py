"""What wishes come to, as our rows stand: decided in the transaction that writes the plan down, so once.

Runs get into line here, in the order of the text that asks for them, and those that are to stop get their end.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import assert_never

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.context import Context
from bot.dispatch import status
from bot.events.effects import (
    Action,
    Effect,
    FinalizeStopped,
    React,
    RemoveLabel,
    Reply,
    RetryRun,
    ShowStatus,
    StartRun,
    StopRuns,
)
from bot.model import CommentKind, CommentRef, RunRequest
from bot.store import idempotency, kv, runs, stops
from bot.store.runs import Run
from bot.store.stops import StopResult
from bot.text import stop_messages


def resolve(connection: Connection, context: Context, action: Action) -> tuple[Effect, ...]:
    """The effects of one wish."""
    match action:
        case StopRuns():
            return _stop(connection, action)
        case RetryRun():
            return _retry(connection, action)
        case ShowStatus(issue=issue, event_key=event_key, at=at):
            text = status.of(connection, context, issue)
            return (Reply(issue, f"status:{event_key}:{at}", text, at),)
        case StartRun(request=request):
            _start(connection, request)
            return (action,)
        case React() | Reply() | RemoveLabel() | FinalizeStopped():
            return (action,)
        case _:
            assert_never(action)


# --- stop -------------------------------------------------------------------------------------------


def _stop(connection: Connection, action: StopRuns) -> tuple[Effect, ...]:
    issue, login = action.issue, action.actor.login
    # The same gesture may come in two deliveries; to the second there would be nothing left to stop.
    gesture = f"stopped:{action.event_key}:{action.at}:{action.keep}"
    if not isinstance(idempotency.reserve(connection, gesture), idempotency.New):
        return ()
    idempotency.complete(connection, gesture, "")
    runs.lock_queue(connection, issue.repo.id, issue.number)
    _remember(connection, action)
    met: dict[StopResult, list[str]] = {each: [] for each in StopResult}
    for run in stops.unended(connection, issue.repo.id, issue.number):
        if _before(run.request, action.at, action.trigger):
            ending = partial(stop_messages.stopped, login)
            met[stops.stop(connection, run.id, login, keep=action.keep, ending=ending)].append(run.id)
    dropped, kept, late = (tuple(met[each]) for each in (StopResult.DROPPED, StopResult.KEPT, StopResult.LATE))
    planned: list[Effect] = []
    if dropped or kept:
        planned.append(FinalizeStopped(issue, action.trigger, dropped, kept))
    if late:
        planned.append(_answer(action, stop_messages.too_late_to_stop(len(late))))
    return tuple(planned) or (_answer(action, stop_messages.nothing_to_stop()),)


def _answer(action: StopRuns, text: str) -> Reply:
    return Reply(action.issue, f"stop:{action.event_key}:{action.at}", text, action.at)


def _before(request: RunRequest, at: str, trigger: CommentRef) -> bool:
    """Was the run asked for before the word to stop? What the same text asks for is meant to come instead."""
    asked, said = datetime.fromisoformat(request.at), datetime.fromisoformat(at)
    if asked != said:
        return asked < said
    if request.trigger.kind is trigger.kind:
        return request.trigger.comment < trigger.comment
    return True


def _mark(repository: int, number: int) -> str:
    return f"stop:{repository}:{number}"


def _remember(connection: Connection, action: StopRuns) -> None:
    """Deliveries come in any order: what was asked for before this, and arrives after it, is to stop all the same."""
    name = _mark(action.issue.repo.id, action.issue.number)
    known = kv.get(connection, name)
    if known is None or datetime.fromisoformat(json.loads(known)[0]) <= datetime.fromisoformat(action.at):
        said = [action.at, action.trigger.kind, action.trigger.comment, action.actor.login]
        kv.put(connection, name, json.dumps(said))


def _start(connection: Connection, request: RunRequest) -> None:
    runs.add(connection, request)
    known = kv.get(connection, _mark(request.issue.repo.id, request.issue.number))
    if known is not None:
        at, kind, comment, login = json.loads(known)
        if _before(request, at, CommentRef(CommentKind(kind), comment)):
            stops.stop(connection, request.id, login, keep=False, ending=partial(stop_messages.stopped, login))


# --- retry ------------------------------------------------------------------------------------------


def _retry(connection: Connection, action: RetryRun) -> tuple[Effect, ...]:
    issue = action.request.issue
    known = _known(connection, action.request.id)
    if known is not None:
        return (StartRun(known.request),)
    last = stops.latest_ended(connection, issue.repo.id, issue.number)
    if last is None:
        running = bool(stops.unended(connection, issue.repo.id, issue.number))
        return (Reply(issue, f"retry:{action.event_key}", stop_messages.nothing_to_retry(running), action.request.at),)
    old = last.request
    request = replace(action.request, kind=old.kind, text=old.text, path=old.path, line=old.line)
    _start(connection, request)
    return (StartRun(request),)


def _known(connection: Connection, run: str) -> Run | None:
    try:
        return runs.get(connection, run)
    except sa.exc.NoResultFound:
        return None
