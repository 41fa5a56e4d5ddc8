"""The commit killer: a process ends just before or after the chosen commit, on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.rig.crash.commits import Commits
from bot.rig.crash.postgres import create_database
from bot.rig.http.faults import Side
from bot.store.database import engine_arguments

# Three rows, each in a transaction, with a SELECT and an empty UPDATE between them, which are not commits. Then, on
# PostgreSQL only, a row without a transaction.
PROGRAM = """
import asyncio, sys
import sqlalchemy as sa
from bot.store.database import Database
def row(number):
    def work(connection):
        connection.execute(sa.text("UPDATE t SET n = 0 WHERE n = -1"))
        if number is not None:
            connection.execute(sa.text("INSERT INTO t VALUES (:n)"), {"n": number})
    return work
async def main():
    database = Database(sys.argv[1])
    for number in (1, None, 2, None, 3):
        await database.write(row(number))
    database.close()
asyncio.run(main())
if sys.argv[1].startswith("postgresql"):
    url = sa.make_url(sys.argv[1]).set(drivername="postgresql+psycopg")
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("WITH made AS (INSERT INTO t VALUES (4) RETURNING n) SELECT count(*) FROM made"))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path / 'database'}"
    else:
        made = create_database(request.getfixturevalue("postgres_url"))
    with _engine(made).begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    return made


def _engine(url: str) -> sa.Engine:
    address = url.replace("postgresql://", "postgresql+psycopg://")
    return sa.create_engine(address, poolclass=sa.NullPool, **engine_arguments(url))


def rows(url: str) -> list[int]:
    with _engine(url).connect() as connection:
        return list(connection.scalars(sa.text("SELECT n FROM t ORDER BY n")))


def run(url: str, commits: Commits) -> int:
    environment = {"PATH": os.environ["PATH"], **commits.environment}
    return subprocess.run([sys.executable, "-c", PROGRAM, url], env=environment, check=False).returncode


INSERT = "insert t"


@pytest.mark.parametrize(
    ("number", "side", "left"),
    [(1, Side.AFTER, [1]), (2, Side.BEFORE, [1])],
)
def test_a_process_ends_at_the_commit_it_was_told(
    url: str, tmp_path: Path, number: int, side: Side, left: list[int]
) -> None:
    commits = Commits(tmp_path / "commits")
    commits.arm("update t + insert t" if url.startswith("sqlite") else INSERT, number, side)
    assert run(url, commits) == -signal.SIGKILL
    assert rows(url) == left


def test_a_statement_outside_of_a_transaction_is_a_commit_too(postgres_url: str, tmp_path: Path) -> None:
    url = create_database(postgres_url)
    with _engine(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    commits = Commits(tmp_path / "commits")
    commits.arm(INSERT, 4, Side.BEFORE)
    assert (run(url, commits), rows(url)) == (-signal.SIGKILL, [1, 2, 3])
    commits.arm(INSERT, 4, Side.AFTER)
    assert (run(url, commits), rows(url)) == (-signal.SIGKILL, [1, 1, 2, 2, 3, 3, 4])


def test_without_a_target_commits_are_only_counted(url: str, tmp_path: Path) -> None:
    commits = Commits(tmp_path / "commits")
    commits.arm()
    assert run(url, commits) == 0
    seen = commits.seen()
    assert [number for _, number in seen] == list(range(1, len(rows(url)) + 1)), "a look is no commit"
    commits.disarm()
    assert run(url, commits) == 0
    assert commits.seen() == seen
