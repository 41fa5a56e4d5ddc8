"""`ampbot runs`: what an operator sees of runs, also of hostile ones, while the bot has the database open."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.changes.changeset import ChangeSet, read
from bot.cli import patch
from bot.cli.main import app
from bot.model import Ending, Problem, RunState
from bot.store import runs
from bot.store.database import Database
from bot.store.tables import metadata
from bot.store.upgrade import migrate
from tests.changes.archives import archive
from tests.events.deliveries import PLACE
from tests.factory import outcome, pinned, run_request
from tests.sandbox.checkout import Tree, git, tree_id, write

FIRST, SECOND, THIRD = (f"{start}-0000-5000-8000-000000000000" for start in ("aaaa1111", "aaaa2222", "bbbb3333"))
BEFORE: Tree = {b"old": ("100644", b"one\ntwo\n"), b"gone": ("100644", b"gone\n"), b"tool": ("100644", b"#!\n")}
AFTER: Tree = {
    b"old": ("100644", b"one\n2\n"),
    b"new \x1b[2J": ("100644", b"fresh\x1b]0;owned\x07\nsecond \xe2\x80\xaeline\n"),
    b"tool": ("100755", b"#!\n"),
    b"pixel": ("100644", b"\x00\x01"),
    b"link": ("120000", b"old"),
}
LINES = (
    '{"type": "system", "subtype": "init", "session_id": "T-01234567-89ab-cdef-0123-456789abcdef", "tools": []}',
    '{"type": "assistant", "message": {"content": [{"type": "text", "text": "Hm.\\u001b[31m\\nThen \\u0007run."}]}}',
    '{"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "S", "input": {"cmd": " \\u009b2"}}]}}',
    '{"type": "user", "message": {"content": [{"type": "tool_result", "content": "README.md\\u001b[2J"}]}}',
    "not JSON at all \x1b[2J\x9b31m \u202etxt",
    '{"type": "result", "is_error": false, "result": "Done.", "num_turns": 2, "duration_ms": 61000}',
)
ARCHIVE = archive(BEFORE, AFTER)
HOSTILE = ("\x1b", "\x07", "\x9b", "\u202e", "\r", "\x00")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        migrated: str = request.getfixturevalue("postgres_migrated")
        return migrated
    return f"sqlite:///{tmp_path}/ampbot.sqlite3"


@pytest.fixture
def bots(url: str, pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The running bot's own connection, left open."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.pem").write_text(pem)
    for name, value in {
        "AMPBOT_GITHUB_APP_ID": "7",
        "AMPBOT_GITHUB_PRIVATE_KEY_FILE": "app.pem",
        "AMPBOT_WEBHOOK_SECRET": "webhook-secret",
        "E2B_API_KEY": "e2b-secret",
        "AMP_API_KEY": "amp-secret",
        "AMPBOT_DATABASE_URL": url,
    }.items():
        monkeypatch.setenv(name, value)
    database = Database(url)
    migrate(database)
    with database.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name != "marks":
                connection.execute(table.delete())
    yield database
    database.close()


@pytest.fixture
def told(bots: Database) -> Database:
    """One run that published, one that waits behind it, one of another conversation that nobody began."""
    with bots.engine.begin() as connection:
        for run, number in ((FIRST, 7), (SECOND, 7), (THIRD, 8)):
            runs.add(connection, run_request(run, number, text="fix\x1b[2J it"))
        runs.set_state(connection, FIRST, RunState.PREPARING)
        runs.record_base(connection, FIRST, pinned(base_tree=tree_id(BEFORE)))
        runs.save_artifact(connection, FIRST, "changes", ARCHIVE)
        ends = list(range(1, len(LINES) + 1))
        runs.append_transcript(connection, FIRST, 0, tuple(zip(ends, LINES, strict=True)))
        told = outcome(answer="Done.", turns=2, duration_ms=61_000)
        runs.set_outcome(connection, runs.get(connection, FIRST), told)
        runs.set_pull(connection, FIRST, 12)
        runs.end(connection, FIRST, Ending(RunState.PUBLISHED, "Opened #12.\x1b]0;owned\x07"))
    return bots


def ampbot(*arguments: str, fails: bool = False) -> str:
    """What it prints; where it fails, what it says on standard error, and nothing else."""
    result: Result = CliRunner().invoke(app, ["runs", *arguments])
    assert result.exit_code == (1 if fails else 0), result.output
    if fails:
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
    printed = result.stderr if fails else result.stdout
    assert [mark for mark in HOSTILE if mark in printed] == []
    return printed


def test_none_yet(bots: Database) -> None:
    assert ampbot("list") == "No runs yet.\n"


def test_the_latest_are_listed(told: Database) -> None:
    heading, *rows = ampbot("list").splitlines()
    assert heading.split() == ["RUN", "WHERE", "STATE", "AGE", "TOOK", "PR", "REQUEST"]
    where = f"{PLACE.repo.full_name}#7"
    assert {tuple(row.split()[:3]) for row in rows} == {
        ("aaaa1111", where, "published"),
        ("aaaa2222", where, "queued"),
        ("bbbb3333", f"{PLACE.repo.full_name}#8", "queued"),
    }
    (first,) = (row for row in rows if row.startswith("aaaa1111"))
    assert first.split()[-3:] == ["#12", "fix", "it"]
    assert len(ampbot("list", "-n", "2").splitlines()) == 3


def test_one_is_shown(told: Database) -> None:
    shown = ampbot("show", "aaaa1111")
    for line in (
        f"run           {FIRST}",
        "state         published",
        "request       fix it",
        "pull request  #12",
        "ending        Opened #12.",
        "thread        https://ampcode.com/threads/T-1",
        f"  lines of the transcript: {len(LINES)}",
    ):
        assert line in shown.splitlines()
    happened = shown.partition("what happened\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[2] for line in happened] == ["preparing", "published"]


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("cccc", "No run's id begins with 'cccc'. `ampbot runs list` shows the latest."),
        ("aaaa", f"More than one run's id begins with 'aaaa': {FIRST}, {SECOND}. Give more of it."),
        ("aaa", "'aaa' is too short for a run's id: give at least 4 characters."),
        ("%%%%", "No run's id begins with '%%%%'. `ampbot runs list` shows the latest."),
        ("\x1b[2J\x1b", r"No run's id begins with '\x1b[2J\x1b'. `ampbot runs list` shows the latest."),
    ],
)
@pytest.mark.parametrize("command", ["show", "diff", "log"])
def test_an_id_that_is_none_or_many_is_told_so(told: Database, command: str, prefix: str, says: str) -> None:
    assert ampbot(command, prefix, fails=True) == f"{says}\n"


def test_its_transcript_is_told(told: Database) -> None:
    assert ampbot("log", "AAAA1111").splitlines() == [
        "* Amp began (T-01234567-89ab-cdef-0123-456789abcdef)",
        "Hm.",
        "Then run.",
        "> S 2",
        "  | README.md",
        "? not JSON at all 31m txt",
        "* Amp ended (2 turns, 1m 01s)",
    ]


def test_its_transcript_as_json_is_the_same_json(told: Database) -> None:
    lines = ampbot("log", "aaaa1111", "--json").splitlines()
    assert [json.loads(line) for line in lines if line[0] == "{"] == [
        json.loads(line) for line in LINES if line[0] == "{"
    ]
    assert lines[4] == r"not JSON at all \u001b[2J\u009b31m \u202etxt"


def test_one_without_a_transcript_or_changes_says_so(told: Database) -> None:
    assert ampbot("log", "bbbb") == "Run bbbb3333 has no transcript: it is queued.\n"
    assert ampbot("log", "bbbb", "--json") == ""
    assert ampbot("diff", "bbbb", fails=True) == "Run bbbb3333 has no collected changes: it is queued.\n"


def test_its_changes_are_shown_as_far_as_they_are_kept(told: Database) -> None:
    assert ampbot("diff", "aaaa1111").splitlines() == [
        "deleted: gone (mode 100644 -> 000000)",
        "added: link (mode 000000 -> 120000)",
        "  a link to old",
        "added: new  (mode 000000 -> 100644)",
        "+fresh",
        "+second line",
        "modified: old",
        "+one",
        "+2",
        "added: pixel (mode 000000 -> 100644)",
        "  binary, 2 bytes",
        "modified: tool (mode 100644 -> 100755)",
        "+#!",
    ]


def test_its_archive_can_be_had_and_overwrites_nothing(told: Database, tmp_path: Path) -> None:
    target = tmp_path / "changes.tar.gz"
    assert "bytes in changes.tar.gz: a gzipped tar" in ampbot("diff", "aaaa1111", "--output", "changes.tar.gz")
    assert target.read_bytes() == ARCHIVE
    with tarfile.open(target) as opened:
        assert {"tree", "raw", "blobs"} <= set(opened.getnames())
    said = ampbot("diff", "aaaa1111", "-o", "changes.tar.gz", fails=True)
    assert said == "changes.tar.gz cannot be written: File exists.\n"


def test_following_goes_on_to_the_end(told: Database) -> None:
    with told.engine.begin() as connection:
        runs.append_transcript(connection, SECOND, 0, ((1, LINES[0]),))

    def go_on() -> None:
        time.sleep(1)
        with told.engine.begin() as connection:
            runs.append_transcript(connection, SECOND, 1, ((2, LINES[5]),))
        time.sleep(1.5)
        with told.engine.begin() as connection:
            runs.append_transcript(connection, SECOND, 2, ((3, "the last"),))
            runs.finish(connection, runs.get(connection, SECOND))

    bot = threading.Thread(target=go_on)
    bot.start()
    printed = ampbot("log", "aaaa2222", "--follow").splitlines()
    bot.join()
    assert [line[:11] for line in printed] == ["* Amp began", "* Amp ended", "? the last"]


def test_it_reads_while_the_bot_writes_and_writes_nothing(told: Database) -> None:
    def digest() -> str:
        with told.engine.connect() as connection:
            rows = [list(connection.execute(table.select())) for table in metadata.sorted_tables]
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    before = digest()
    with told.engine.begin() as connection:
        runs.append_event(connection, THIRD, "half", "not committed")
        assert "half" not in ampbot("show", "bbbb")
        connection.rollback()
    ampbot("list")
    ampbot("diff", "aaaa1111")
    assert digest() == before


def test_a_database_that_is_not_there_is_not_made(bots: Database, tmp_path: Path) -> None:
    os.environ["AMPBOT_DATABASE_URL"] = f"sqlite:///{tmp_path}/none.sqlite3"
    assert ampbot("list", fails=True).startswith(f"There is no database {tmp_path}/none.sqlite3 yet.")
    assert not (tmp_path / "none.sqlite3").exists()
    (tmp_path / "none.sqlite3").write_bytes(b"dear diary " * 1_000)
    assert "is not a SQLite database" in ampbot("list", fails=True)


def test_it_is_quick_to_say_what_it_can() -> None:
    program = "import sys, bot.cli; print('sqlalchemy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


# --- as a patch --------------------------------------------------------------------------------------


def change_set(before: Tree, after: Tree) -> ChangeSet:
    found = read(archive(before, after), base_tree=tree_id(before))
    assert isinstance(found, ChangeSet)
    return found


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone at the base, with work in progress, and settings that change how diffs look."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet")
    write(folder, BEFORE | {b"dir/inner": ("100644", b"x\n"), b"file": ("100644", b"y\n")})
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=base")
    git(folder, "config", "diff.noprefix", "true")
    git(folder, "config", "diff.external", "false")
    (folder / "scratch").write_text("mine")
    return folder


def test_the_patch_applies_to_the_base_and_gives_the_tree(clone: Path, tmp_path: Path) -> None:
    before: Tree = BEFORE | {b"dir/inner": ("100644", b"x\n"), b"file": ("100644", b"y\n")}
    after: Tree = {
        **AFTER,
        b"dir": ("100644", b"now a file\n"),
        b"file/now": ("100644", b"in a folder\n"),
        b"no newline": ("100644", b"end"),
        b"empty": ("100644", b""),
    }
    objects = sorted(path for path in (clone / ".git").rglob("*"))
    made = patch.make_patch(clone, change_set(before, after))
    assert isinstance(made, bytes)
    assert sorted(path for path in (clone / ".git").rglob("*")) == objects, "the clone is left as it was"
    git(clone, "-c", "diff.noprefix=false", "apply", "--index", stdin=made)
    assert git(clone, "write-tree") == tree_id(after)


@pytest.mark.parametrize("where", ["another repository", "no repository", "nowhere"])
def test_a_clone_without_the_base_is_told_so(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "other"
    if where != "nowhere":
        folder.mkdir()
    if where == "another repository":
        git(folder, "init", "--quiet")
    made = patch.make_patch(folder, change_set(BEFORE, AFTER))
    assert isinstance(made, Problem)
    assert made.message.startswith(f"git cannot make the patch in {folder}: ")
    assert made.message.endswith(f"The clone needs the base's tree, {tree_id(BEFORE)}.")
