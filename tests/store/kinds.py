"""The kinds of JSON in our tables, and what a few stored values are read as.

Only here do the tests of stored shapes name classes and fields: renaming one changes this file, and nothing stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from bot.agent.outcome import Failure, Outcome
from bot.agent.stream import Usage
from bot.events import effects
from bot.events.effects import FinalizeStopped, React, RemoveLabel, Reply, StartRun
from bot.model import (
    Actor,
    ActorKind,
    CommentKind,
    CommentRef,
    Delivery,
    Ending,
    IssueRef,
    PinnedBase,
    Repo,
    RunKind,
    RunRequest,
    RunState,
)
from bot.store import deliveries, runs
from bot.store.runs import Run

GUID = "5b2f0d7e-3c1a-4d57-9a86-0e6a5d1c9f42"


@dataclass(frozen=True, slots=True)
class Kind:
    """`write` stores a value the way the program does, `read` is how it gets it back.

    Both are given the id of a stored run. The values themselves are in the column `table.column`, under the row `key`.
    """

    adapter: TypeAdapter[Any]
    write: Callable[[Connection, str, Any], object]
    read: Callable[[Connection, str], Any]
    key: str = "id"


def _of_run(adapter: TypeAdapter[Any], write: Callable[[Connection, str, Any], object], field: str) -> Kind:
    return Kind(adapter, write, lambda connection, run: getattr(runs.get(connection, run), field))


def _concluded(connection: Connection, run: str, value: Outcome) -> None:
    row: Run = runs.get(connection, run)
    runs.set_outcome(connection, row, value)


def _planned(connection: Connection, _run: str, value: tuple[effects.Effect, ...]) -> None:
    deliveries.store_plan(connection, GUID, effects.dump(value), "")


def _plan(connection: Connection, _run: str) -> tuple[effects.Effect, ...]:
    return effects.load(deliveries.get(connection, GUID).plan or "")


KINDS: Mapping[str, Kind] = {
    "runs.request": _of_run(runs._REQUEST, lambda connection, _, value: runs.add(connection, value), "request"),
    "runs.pinned": _of_run(runs._PINNED, runs.record_base, "pinned"),
    "runs.outcome": _of_run(runs._OUTCOME, _concluded, "outcome"),
    "runs.ending": _of_run(runs._ENDING, runs.end, "ending"),
    "deliveries.plan": Kind(effects._PLAN, _planned, _plan, key="guid"),
}


def prepare(connection: Connection) -> None:
    """A delivery for plans to be stored with."""
    deliveries.add(connection, Delivery(GUID, "issue_comment", digest="", body=b"{}"))


def stored(connection: Connection, kind: str, key: str) -> str:
    """The text in the column. Table and column are stored names, so this is SQL."""
    table, column = kind.split(".")
    query = f"SELECT {column} FROM {table} WHERE {KINDS[kind].key} = :key"
    text: str = connection.scalar(sa.text(query), {"key": key})
    return text


def store(connection: Connection, kind: str, key: str, text: str) -> None:
    """Put this very text into the column of a row that exists."""
    table, column = kind.split(".")
    done = connection.execute(
        sa.text(f"UPDATE {table} SET {column} = :text WHERE {KINDS[kind].key} = :key"), {"text": text, "key": key}
    )
    assert done.rowcount == 1


# --- whole values -----------------------------------------------------------------------------------


def _place(repo: int, owner: str, installation: int, *, pull: bool = False) -> IssueRef:
    return IssueRef(
        repo=Repo(
            repo, owner, "pages", private=False, default_branch="main", archived=False, installation=installation
        ),
        number=1,
        is_pull=pull,
        title="A feature" if pull else "The answer is wrong",
        body="What it does." if pull else "It should be 42.",
        author="mona",
        url=f"https://github.example/{owner}/pages/{'pull' if pull else 'issues'}/1",
    )


_MONA = Actor(41000042, "mona", ActorKind.USER)
_EIGHTH, _STOPPED = _place(41000189, "octo8", 41000203), _place(41000420, "octo18", 41000434)
_BODY, _STOP = CommentRef(CommentKind.BODY, 0), CommentRef(CommentKind.ISSUE, 3000000214)

# (kind, name of the stored value) -> what it is read as.
LOADED: Mapping[tuple[str, str], Any] = {
    ("runs.request", "comment on a line of the diff"): RunRequest(
        id="a9e0b9b6-c146-5a22-8979-39255110ea8c",
        kind=RunKind.WORK,
        issue=_place(41000231, "octo10", 41000245, pull=True),
        actor=_MONA,
        trigger=CommentRef(CommentKind.LINE, 3000000107),
        text="why?\n\n- answer: Because.",
        at="2026-11-27T17:19:33Z",
        path="app.py",
        line=2,
    ),
    ("runs.request", "review request to a team"): RunRequest(
        id="42593d0e-d058-5212-aa0b-3d7d3d7d53df",
        kind=RunKind.REVIEW,
        issue=_place(41000336, "octo15", 41000350, pull=True),
        actor=_MONA,
        trigger=_BODY,
        text="",
        at="2026-11-27T17:19:37Z",
    ),
    ("runs.pinned", "work on a pull request"): PinnedBase(
        repo_name="octo9/pages",
        base_sha="5b5665ec75212f6a8593fb60742c640d44cb10db",
        base_tree="d4fc23c09ff5435713d4136b37fd2d79f3095e5e",
        base_branch="main",
        head_branch="feature",
        merge_base="e68a773e1fd618810afc0f93768720e7217c83bf",
    ),
    ("runs.outcome", "work on an issue"): Outcome(
        ok=True,
        answer="It is 42.\n\n```pull-request\nAnswer 42\n\nIt is 42.\n```",
        error="",
        failure=None,
        thread="T-01a21e04-e7f8-7279-a5ca-ecf0ab469324",
        usage=Usage(input_tokens=8, output_tokens=57, cache_read=18317, cache_creation=382),
        turns=2,
        duration_ms=0,
    ),
    ("runs.outcome", "key refused"): Outcome(
        ok=False,
        answer="",
        error="Invalid API key",
        failure=Failure.KEY,
        thread="T-01a21e04-f447-7281-a8ee-0b94f53caf87",
        usage=Usage(),
        turns=0,
        duration_ms=0,
    ),
    ("runs.ending", "work on an issue"): Ending(RunState.PUBLISHED, "Opened #2 (1 file changed).\n\nIt is 42."),
    ("deliveries.plan", "label"): (
        StartRun(
            RunRequest(
                id="7461efde-8b3b-5fb1-9893-da1a403d76a0",
                kind=RunKind.WORK,
                issue=_EIGHTH,
                actor=_MONA,
                trigger=_BODY,
                text="",
                at="2026-11-27T17:19:31Z",
            )
        ),
        React(_EIGHTH, _BODY, "eyes"),
        RemoveLabel(_EIGHTH, "amp"),
    ),
    ("deliveries.plan", "stop keep"): (
        FinalizeStopped(
            _STOPPED,
            _STOP,
            dropped=("2fa1d68c-6329-57a9-bfd4-cbfd7d5453f8",),
            kept=("c2081c88-0eac-5ff4-ad38-42c8bbb6678d",),
        ),
        React(_STOPPED, _STOP, "eyes"),
    ),
    ("deliveries.plan", "denied"): (
        Reply(
            _place(41000084, "octo3", 41000098),
            key="denied:41000084:1",
            text="Sorry eve, only people with write access to this repository can ask ampbot to work here. "
            "Somebody who has it can ask in your place.",
            at="2026-11-27T17:19:28Z",
        ),
    ),
}
