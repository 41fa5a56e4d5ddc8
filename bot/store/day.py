"""Counts the runs of a day. The count is judged in the transaction that stores the run, so that no burst passes it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.caps import DAY_SECONDS, Caps, Day, DayReached
from bot.model import RunRequest
from bot.store.database import insert_once, now
from bot.store.tables import effects, runs

# Refusals of one person in one repository that are answered in words, in a day. Then a reaction must do.
ANSWERS_A_DAY = 5


def lock(connection: Connection, request: RunRequest) -> None:
    """Let nobody else judge runs of this person or installation until the transaction ends.

    Call it before the queue of an issue is locked (bot/store/runs.py): always in one order, nobody waits in a circle.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        for name in (f"day of person {request.actor.id}", f"day of installation {request.issue.repo.installation}"):
            key = sa.func.hashtextextended(name, 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def judge(connection: Connection, request: RunRequest, caps: Caps) -> DayReached | None:
    """The cap that leaves no room for this run, the one that does so longest; None if it may be stored.

    A run counts from its request on for 24 hours. One that ended without starting Amp does not count.
    """
    repo = request.issue.repo
    counted = {
        Day.PERSON: runs.c.actor == request.actor.id,
        Day.REPOSITORY: runs.c.repository == repo.id,
        Day.INSTALLATION: runs.c.installation == repo.installation,
    }
    reached = [
        DayReached(day, day.of(caps), oldest + DAY_SECONDS)
        for day, whose in counted.items()
        if (oldest := _oldest(connection, whose, day.of(caps))) is not None
    ]
    return max(reached, key=lambda each: each.free_at, default=None)


def _oldest(connection: Connection, whose: sa.ColumnElement[bool], cap: int) -> float | None:
    """When the run was requested that has to leave the day before there is room; None if there is."""
    costs = sa.or_(runs.c.ending.is_(None), runs.c.agent_at.is_not(None))
    query = sa.select(runs.c.created_at).where(whose, costs, runs.c.created_at > now() - DAY_SECONDS)
    found: float | None = connection.scalar(query.order_by(runs.c.created_at.desc()).offset(cap - 1).limit(1))
    return found


def may_answer(connection: Connection, request: RunRequest) -> bool:
    """Whether a refusal of this request is answered in words: once a day for each person and issue, and rarely more."""
    issue, day = request.issue, int(now() // DAY_SECONDS)
    prefix = f"capped:{day}:{issue.repo.id}:{request.actor.id}:"
    if connection.scalar(sa.select(effects.c.key).where(effects.c.key == f"{prefix}{issue.number}")) is not None:
        return False
    answered = sa.select(sa.func.count()).where(effects.c.key.startswith(prefix))
    if (connection.scalar(answered) or 0) >= ANSWERS_A_DAY:
        return False
    at = now()
    return insert_once(connection, effects, key=f"{prefix}{issue.number}", tried_at=at, done_at=at, result="")
