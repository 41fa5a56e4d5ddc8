"""The state of a conversation, read from our rows alone."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from bot.agent.stream import Stream
from bot.context import World
from bot.model import Place
from bot.store import runs, stops
from bot.store.database import now
from bot.store.runs import Run
from bot.text import stop_messages
from bot.text.messages import Price
from bot.text.stop_messages import Last, Running

# Amp names its thread in its first lines; a transcript may be long, and nobody shall wait for its reading.
NAMED_BY = 5


def of(connection: Connection, world: World, place: Place) -> str:
    """What `/amp status` answers."""
    waiting = stops.unended(connection, place.repo.id, place.number)
    active = next((run for run in waiting if run.active), None)
    last = stops.latest_ended(connection, place.repo.id, place.number)
    return stop_messages.status(
        _running(connection, world, active) if active is not None else None,
        [run.request for run in waiting if run is not active],
        _last(world, last) if last is not None else None,
        now(),
    )


def _running(connection: Connection, world: World, run: Run) -> Running:
    stream = Stream()
    for line in runs.lines(connection, run.id, most=NAMED_BY):
        stream.feed(line.encode() + b"\n")
    return Running(run.request, run.state, run.started_at or run.created_at, _url(world, stream.thread))


def _last(world: World, run: Run) -> Last:
    assert run.ending is not None  # noqa: S101 - latest_ended() has seen to it
    thread = run.outcome.thread if run.outcome is not None else None
    price = Price((run.ended_at or now()) - run.created_at, run.outcome, _url(world, thread))
    return Last(run.request, run.ending.state, run.pull, price)


def _url(world: World, thread: str | None) -> str | None:
    return f"{world.settings.amp_url}/threads/{thread}" if thread else None
