"""Runs: their rows, the queue of each issue, their artifacts and transcripts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from bot.agent.outcome import Outcome
from bot.model import Ending, PinnedBase, RunRequest, RunState
from bot.store import attempts, holds
from bot.store.database import insert_once, now
from bot.store.tables import artifacts, run_events, runs, threads, transcript

_REQUEST = TypeAdapter(RunRequest)
_PINNED = TypeAdapter(PinnedBase)
_OUTCOME = TypeAdapter(Outcome)
_ENDING = TypeAdapter(Ending)


@dataclass(frozen=True, slots=True)
class Run:
    """A row. Times are epoch seconds; `comment` and `pull` are GitHub's."""

    id: str
    state: RunState
    active: bool
    request: RunRequest
    created_at: float
    started_at: float | None
    agent_at: float | None
    ended_at: float | None
    comment: int | None
    pinned: PinnedBase | None
    sandbox: str | None
    outcome: Outcome | None
    commit: str | None
    branch: str | None
    pull: int | None
    ending: Ending | None
    stop: str | None


def add(connection: Connection, request: RunRequest) -> int:
    """Store a run and return its position in its issue's queue: 0 if it may start now.

    Idempotent: adding a run again only returns its position.
    """
    issue = request.issue
    at = now()
    lock_queue(connection, issue.repo.id, issue.number)
    insert_once(
        connection,
        runs,
        id=request.id,
        installation=issue.repo.installation,
        repository=issue.repo.id,
        number=issue.number,
        actor=request.actor.id,
        state=RunState.QUEUED,
        active=False,
        request=_REQUEST.dump_json(request, by_alias=True).decode(),
        created_at=at,
        progress_at=at,
    )
    activate_next(connection, issue.repo.id, issue.number)
    return _position(connection, request)


def _position(connection: Connection, request: RunRequest) -> int:
    query = sa.select(runs.c.id).where(
        runs.c.repository == request.issue.repo.id,
        runs.c.number == request.issue.number,
        runs.c.ended_at.is_(None),
    )
    ids = list(connection.scalars(query.order_by(runs.c.active.desc(), runs.c.created_at, runs.c.id)))
    return ids.index(request.id) if request.id in ids else 0


def lock_queue(connection: Connection, repository: int, number: int) -> None:
    """Lock the queue of an issue until the transaction ends. Call it before any of its rows is locked."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        key = sa.func.hashtextextended(f"{repository}/{number}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def activate_next(connection: Connection, repository: int, number: int) -> None:
    """Activate the oldest queued run of an issue, unless one is active."""
    lock_queue(connection, repository, number)
    here = sa.and_(runs.c.repository == repository, runs.c.number == number, runs.c.ended_at.is_(None))
    if connection.execute(sa.select(runs.c.id).where(here, runs.c.active)).first() is not None:
        return
    waiting = sa.select(runs.c.id).where(here).order_by(runs.c.created_at, runs.c.id).limit(1)
    chosen = connection.scalar(waiting)
    if chosen is not None:
        connection.execute(runs.update().where(runs.c.id == chosen).values(active=True))


@dataclass(frozen=True, slots=True)
class ReadyRun:
    """An active run that may not be in DBOS's queue yet."""

    id: str
    installation: int
    holds: int  # how often it was put back into its queue

    @property
    def key(self) -> str:
        """The key of its next workflow."""
        return holds.workflow_key(self.id, self.holds)


def ready_to_enqueue(
    connection: Connection, limit: int = 100, *, without: Collection[str] = ()
) -> tuple[ReadyRun, ...]:
    """Active runs that may not be in DBOS's queue yet, except those in `without` and those on hold."""
    held = holds.current(connection)
    if held.everything or held.file is not None:
        return ()
    query = sa.select(runs.c.id, runs.c.installation, runs.c.holds).where(
        runs.c.active,
        runs.c.queued_in_engine_at.is_(None),
        runs.c.ended_at.is_(None),
        runs.c.id.not_in(without),
        runs.c.repository.not_in(held.repositories),
    )
    rows = connection.execute(query.order_by(runs.c.created_at).limit(limit))
    return tuple(ReadyRun(row.id, row.installation, row.holds) for row in rows)


def mark_enqueued(connection: Connection, run: str, times_held: int = 0) -> None:
    """`times_held`: as it was enqueued. Where it was put back meanwhile, it is to be enqueued again."""
    here = sa.and_(runs.c.id == run, runs.c.holds == times_held)
    connection.execute(runs.update().where(here).values(queued_in_engine_at=now()))


def get(connection: Connection, run: str) -> Run:
    """Raises: sqlalchemy.exc.NoResultFound."""
    row = connection.execute(sa.select(runs).where(runs.c.id == run)).one()
    return Run(
        id=row.id,
        state=RunState(row.state),
        active=row.active,
        request=_REQUEST.validate_json(row.request),
        created_at=row.created_at,
        started_at=row.started_at,
        agent_at=row.agent_at,
        ended_at=row.ended_at,
        comment=row.comment,
        pinned=_PINNED.validate_json(row.pinned) if row.pinned else None,
        sandbox=row.sandbox,
        outcome=_OUTCOME.validate_json(row.outcome) if row.outcome else None,
        commit=row.commit,
        branch=row.branch,
        pull=row.pull,
        ending=_ENDING.validate_json(row.ending) if row.ending else None,
        stop=row.stop,
    )


def _set(connection: Connection, run: str, **values: Any) -> None:
    connection.execute(runs.update().where(runs.c.id == run).values(progress_at=now(), **values))


def set_comment(connection: Connection, run: str, comment: int) -> None:
    """Store the progress comment's id; 0 if GitHub refused the comment."""
    _set(connection, run, comment=comment)


def set_state(connection: Connection, run: str, state: RunState) -> bool:
    """Enter `state`; PREPARING sets `started_at`. Returns False, and changes nothing, if the run's ending is decided.

    From PUBLISHING on, the run cannot be stopped.
    """
    values: dict[str, Any] = {"state": state}
    if state is RunState.PREPARING:
        values["started_at"] = sa.func.coalesce(runs.c.started_at, now())
    if state is RunState.WORKING:
        values["agent_at"] = sa.func.coalesce(runs.c.agent_at, now())
    undecided = sa.and_(runs.c.id == run, runs.c.ending.is_(None))
    if connection.execute(runs.update().where(undecided).values(progress_at=now(), **values)).rowcount == 0:
        return False
    append_event(connection, run, state)
    return True


def heartbeat(connection: Connection, ids: frozenset[str]) -> None:
    """Heartbeat of runs that are executing."""
    if ids:
        connection.execute(runs.update().where(runs.c.id.in_(ids)).values(progress_at=now()))


def stale(connection: Connection, seconds: float) -> tuple[tuple[str, float], ...]:
    """(run, last heartbeat) of unfinished runs that were handed to DBOS and have no heartbeat for `seconds`."""
    query = sa.select(runs.c.id, runs.c.progress_at).where(
        runs.c.ended_at.is_(None), runs.c.queued_in_engine_at.is_not(None), runs.c.progress_at < now() - seconds
    )
    return tuple((row.id, row.progress_at) for row in connection.execute(query))


def count_takeover(connection: Connection, ids: list[str]) -> None:
    """Count a takeover of each run."""
    here = runs.c.id.in_(ids)
    connection.execute(runs.update().where(here).values(takeovers=runs.c.takeovers + 1, progress_at=now()))


def record_base(connection: Connection, run: str, pinned: PinnedBase) -> None:
    _set(connection, run, pinned=_PINNED.dump_json(pinned, by_alias=True).decode())


def set_sandbox(connection: Connection, run: str, sandbox: str) -> bool:
    """Store the run's sandbox. Returns False if the run's ending is decided: then the caller must kill the sandbox."""
    _set(connection, run, sandbox=sandbox)
    return connection.scalar(sa.select(runs.c.ending).where(runs.c.id == run)) is None


def set_outcome(connection: Connection, run: Run, outcome: Outcome) -> None:
    """Store the result of the agent's stream. Its Amp thread becomes the issue's."""
    set_kept_outcome(connection, run.id, outcome)
    if outcome.thread is None:
        return
    issue = run.request.issue
    here = sa.and_(threads.c.repository == issue.repo.id, threads.c.number == issue.number)
    connection.execute(threads.delete().where(here))
    connection.execute(
        threads.insert().values(
            repository=issue.repo.id, number=issue.number, thread=outcome.thread, run=run.id, updated_at=now()
        )
    )


def set_kept_outcome(connection: Connection, run: str, outcome: Outcome) -> None:
    """Store the result of another run's agent."""
    _set(connection, run, outcome=_OUTCOME.dump_json(outcome, by_alias=True).decode())


def set_commit(connection: Connection, run: str, commit: str, branch: str) -> None:
    _set(connection, run, commit=commit, branch=branch)


def set_pull(connection: Connection, run: str, pull: int) -> None:
    _set(connection, run, pull=pull)


def end(connection: Connection, run: str, ending: Ending) -> None:
    """Decide the run's ending, unless it is decided."""
    where = sa.and_(runs.c.id == run, runs.c.ending.is_(None))
    decided = connection.execute(
        runs.update()
        .where(where)
        .values(state=ending.state, ending=_ENDING.dump_json(ending, by_alias=True).decode(), progress_at=now())
    ).rowcount
    if decided:
        append_event(connection, run, ending.state, ending.message)


def set_reported(connection: Connection, run: str, *, refused: bool) -> None:
    """Record whether GitHub refused to show the run's ending."""
    _set(connection, run, unshown_at=now() if refused else None)


def unreported(connection: Connection, *, tried_before: float, ended_after: float) -> tuple[str, ...]:
    """Runs whose ending GitHub refused to show, last before `tried_before`. Both times are epoch seconds."""
    query = sa.select(runs.c.id).where(runs.c.unshown_at < tried_before, runs.c.ended_at > ended_after)
    return tuple(connection.scalars(query.order_by(runs.c.ended_at)))


def finish(connection: Connection, run: Run) -> None:
    """The run's ending is visible: end the run and activate the next one of its issue."""
    lock_queue(connection, run.request.issue.repo.id, run.request.issue.number)
    _set(connection, run.id, active=False, ended_at=sa.func.coalesce(runs.c.ended_at, now()))
    attempts.clear(connection, run.id)
    activate_next(connection, run.request.issue.repo.id, run.request.issue.number)


def append_event(connection: Connection, run: str, event: str, detail: str = "") -> None:
    """Add an event, unless it equals the run's latest event."""
    latest = sa.select(run_events.c.sequence, run_events.c.event).where(run_events.c.run == run)
    row = connection.execute(latest.order_by(run_events.c.sequence.desc()).limit(1)).first()
    if row is None or row.event != event:
        sequence = 0 if row is None else row.sequence + 1
        insert_once(connection, run_events, run=run, sequence=sequence, at=now(), event=event, detail=detail)


# --- artifacts and transcripts ---------------------------------------------------------------------


def save_artifact(connection: Connection, run: str, name: str, content: bytes | Sequence[bytes]) -> None:
    """Store an artifact, replacing one of the same name. A large one comes in pieces, and has a row for each."""
    is_part = artifacts.c.name.startswith(f"{name}/", autoescape=True)
    connection.execute(artifacts.delete().where(artifacts.c.run == run, (artifacts.c.name == name) | is_part))
    for index, piece in enumerate([content] if isinstance(content, bytes) else content):
        row = {"run": run, "name": _part(name, index), "content": piece, "created_at": now()}
        connection.execute(artifacts.insert().values(row))


def artifact_pieces(connection: Connection, run: str, name: str) -> Iterator[bytes]:
    """The pieces of an artifact, one in memory at a time; none if there is no such artifact."""
    for index in count():
        is_next = (artifacts.c.run == run) & (artifacts.c.name == _part(name, index))
        piece: bytes | None = connection.scalar(sa.select(artifacts.c.content).where(is_next))
        if piece is None:
            return
        yield piece


def load_artifact(connection: Connection, run: str, name: str) -> bytes | None:
    """The whole artifact; None if there is none."""
    pieces = tuple(artifact_pieces(connection, run, name))
    return b"".join(pieces) if pieces else None


def has_artifact(connection: Connection, run: str, name: str) -> bool:
    query = sa.select(artifacts.c.run).where(artifacts.c.run == run, artifacts.c.name == name)
    return connection.scalar(query) is not None


def _part(name: str, index: int) -> str:
    return f"{name}/{index}" if index else name  # the first as where there is no other


def transcript_position(connection: Connection, run: str) -> tuple[int, int]:
    """(next sequence, byte offset in the agent's output) after the stored lines."""
    query = sa.select(transcript.c.sequence, transcript.c.until).where(transcript.c.run == run)
    row = connection.execute(query.order_by(transcript.c.sequence.desc()).limit(1)).first()
    return (0, 0) if row is None else (row.sequence + 1, row.until)


def append_transcript(connection: Connection, run: str, first: int, lines: tuple[tuple[int, str], ...]) -> None:
    """Append (byte offset after the line, line) pairs. `first` is the sequence of the first one."""
    if lines:
        at = now()
        rows = [
            # PostgreSQL's text holds no NUL.
            {"run": run, "sequence": first + index, "until": until, "at": at, "line": line.replace("\0", "\ufffd")}
            for index, (until, line) in enumerate(lines)
        ]
        connection.execute(transcript.insert(), rows)
        _set(connection, run)


def transcript_lines(connection: Connection, run: str, since: int = 0, *, limit: int | None = None) -> tuple[str, ...]:
    """Transcript lines from sequence `since` on, at most `limit`."""
    query = sa.select(transcript.c.line).where(transcript.c.run == run, transcript.c.sequence >= since)
    return tuple(connection.scalars(query.order_by(transcript.c.sequence).limit(limit)))
