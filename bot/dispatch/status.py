"""The state of an issue's runs, from the database only."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from bot.agent.stream import Stream
from bot.context import Context
from bot.model import IssueRef
from bot.run.cost import run_cost
from bot.store import holds, runs, stops
from bot.store.database import now
from bot.store.runs import Run
from bot.text import cap_messages, stop_messages
from bot.text.stop_messages import Last, Running

# Amp names its thread in its first lines: do not read a long transcript.
MAX_THREAD_LINES = 5


def of(connection: Connection, context: Context, issue: IssueRef) -> str:
    """The Markdown answer to `/amp status`."""
    waiting = stops.unended(connection, issue.repo.id, issue.number)
    active = next((run for run in waiting if run.active), None)
    last = stops.latest_ended(connection, issue.repo.id, issue.number)
    said = stop_messages.status(
        _running(connection, context, active) if active is not None else None,
        [run.request for run in waiting if run is not active],
        _last(context, last) if last is not None else None,
        now(),
    )
    return f"{cap_messages.on_hold()}\n\n{said}" if holds.current(connection).hold(issue.repo.id) else said


def _running(connection: Connection, context: Context, run: Run) -> Running:
    stream = Stream()
    for line in runs.transcript_lines(connection, run.id, limit=MAX_THREAD_LINES):
        stream.feed(line.encode() + b"\n")
    return Running(run.request, run.state, run.started_at or run.created_at, context.settings.thread_url(stream.thread))


def _last(context: Context, run: Run) -> Last:
    assert run.ending is not None  # noqa: S101 - latest_ended() has seen to it
    return Last(run.request, run.ending.state, run.pull, run_cost(context, run, run.ended_at or now()))
