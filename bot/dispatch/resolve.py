"""Turns requested actions into effects, in the transaction that stores the plan.

Runs are queued here, in the order of the text that requests them, and runs to be stopped get their ending.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import assert_never

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from bot.caps import DayReached
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
from bot.store import day, idempotency, kept, kv, runs, stops
from bot.store.runs import Run
from bot.store.stops import StopResult
from bot.text import cap_messages, stop_messages

log = structlog.get_logger()


def resolve(connection: Connection, context: Context, action: Action) -> tuple[Effect, ...]:
    """The effects of one action."""
    match action:
        case StopRuns():
            return _stop(connection, action)
        case RetryRun():
            return _retry(connection, context, action)
        case ShowStatus(issue=issue, event_key=event_key, at=at):
            text = status.of(connection, context, issue)
            return (Reply(issue, f"status:{event_key}:{at}", text, at),)
        case StartRun(request=request):
            return _start(connection, context, request)
        case React() | Reply() | RemoveLabel() | FinalizeStopped():
            return (action,)
        case _:
            assert_never(action)


# --- stop -------------------------------------------------------------------------------------------


def _stop(connection: Connection, action: StopRuns) -> tuple[Effect, ...]:
    issue, login = action.issue, action.actor.login
    # Two deliveries may hold the same command. The second would answer that there is nothing to stop.
    key = f"stopped:{action.event_key}:{action.at}:{action.keep}"
    if not isinstance(idempotency.reserve(connection, key), idempotency.New):
        return ()
    idempotency.complete(connection, key, "")
    runs.lock_queue(connection, issue.repo.id, issue.number)
    _save_stop(connection, action)
    by_result: dict[StopResult, list[str]] = {result: [] for result in StopResult}
    for run in stops.unended(connection, issue.repo.id, issue.number):
        if _before(run.request, action.at, action.trigger):
            ending = partial(stop_messages.stopped, login)
            by_result[stops.stop(connection, run.id, login, keep=action.keep, ending=ending)].append(run.id)
    dropped, kept, late = (
        tuple(by_result[result]) for result in (StopResult.DROPPED, StopResult.KEPT, StopResult.TOO_LATE)
    )
    planned: list[Effect] = []
    if dropped or kept:
        planned.append(FinalizeStopped(issue, action.trigger, dropped, kept))
    if late:
        planned.append(_answer(action, stop_messages.too_late_to_stop(len(late))))
    return tuple(planned) or (_answer(action, stop_messages.nothing_to_stop()),)


def _answer(action: StopRuns, text: str) -> Reply:
    return Reply(action.issue, f"stop:{action.event_key}:{action.at}", text, action.at)


def _before(request: RunRequest, at: str, trigger: CommentRef) -> bool:
    """Was the run requested before the stop command? A run requested in the same text replaces the stopped ones."""
    requested, stopped = datetime.fromisoformat(request.at), datetime.fromisoformat(at)
    if requested != stopped:
        return requested < stopped
    if request.trigger.kind is trigger.kind:
        return request.trigger.comment < trigger.comment
    return True


def _stop_key(repository: int, number: int) -> str:
    return f"stop:{repository}:{number}"


def _save_stop(connection: Connection, action: StopRuns) -> None:
    """Store the latest stop command: an older request may be delivered later, and must be stopped too."""
    name = _stop_key(action.issue.repo.id, action.issue.number)
    known = kv.get(connection, name)
    if known is None or datetime.fromisoformat(json.loads(known)[0]) <= datetime.fromisoformat(action.at):
        value = [action.at, action.trigger.kind, action.trigger.comment, action.actor.login]
        kv.put(connection, name, json.dumps(value))


def lock_days(connection: Connection, actions: Sequence[Action]) -> None:
    """Lock what the days' caps are counted over, if one of these starts a run. Call it before any is resolved."""
    starting = next((action for action in actions if isinstance(action, StartRun | RetryRun)), None)
    if starting is not None:  # all are of one person, in one issue
        day.lock(connection, starting.request)


def _start(connection: Connection, context: Context, request: RunRequest) -> tuple[Effect, ...]:
    """Queue the run, unless a day's cap leaves no room for it."""
    if _find_run(connection, request.id) is None:
        reached = day.judge(connection, request, context.settings.caps)
        if reached is not None:
            return _refuse(connection, request, reached)
    _queue(connection, request)
    return (StartRun(request),)


def _refuse(connection: Connection, request: RunRequest, reached: DayReached) -> tuple[Effect, ...]:
    """One sentence a day for each person and issue; further ones get a reaction, so that they fill no thread."""
    log.info("capped", run=request.id, actor=request.actor.id, cap=reached.day)
    reaction = React(request.issue, request.trigger, "confused")
    if not day.may_answer(connection, request):
        return (reaction,)
    text = cap_messages.day_reached(request.actor, reached)
    return reaction, Reply(request.issue, f"cap:{request.id}", text, request.at)


def _queue(connection: Connection, request: RunRequest) -> None:
    runs.add(connection, request)
    known = kv.get(connection, _stop_key(request.issue.repo.id, request.issue.number))
    if known is not None:
        at, kind, comment, login = json.loads(known)
        if _before(request, at, CommentRef(CommentKind(kind), comment)):
            stops.stop(connection, request.id, login, keep=False, ending=partial(stop_messages.stopped, login))


# --- retry ------------------------------------------------------------------------------------------


def _retry(connection: Connection, context: Context, action: RetryRun) -> tuple[Effect, ...]:
    issue = action.request.issue
    known = _find_run(connection, action.request.id)
    if known is not None:
        return (StartRun(known.request),)
    last = stops.latest_ended(connection, issue.repo.id, issue.number)
    if last is None:
        running = bool(stops.unended(connection, issue.repo.id, issue.number))
        return (Reply(issue, f"retry:{action.event_key}", stop_messages.nothing_to_retry(running), action.request.at),)
    old = last.request
    request = replace(
        action.request, kind=old.kind, text=old.text, path=old.path, line=old.line, kept_from=kept.source(last)
    )
    return _start(connection, context, request)


def _find_run(connection: Connection, run: str) -> Run | None:
    try:
        return runs.get(connection, run)
    except sa.exc.NoResultFound:
        return None
