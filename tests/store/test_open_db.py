"""`ampbot serve` on a database it cannot have: one sentence on standard error, exit code 1, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.rig.process import BotProcess
from bot.store.open_db import open_database
from bot.store.upgrade import UnusableError, migrate


@pytest.fixture
def environment(pem: str, tmp_path: Path) -> dict[str, str]:
    """Settings a bot starts with; nobody is there for it to talk to."""
    (tmp_path / "app.pem").write_text(pem)
    return {
        "AMPBOT_GITHUB_APP_ID": "7",
        "AMPBOT_GITHUB_PRIVATE_KEY_FILE": str(tmp_path / "app.pem"),
        "AMPBOT_WEBHOOK_SECRET": "webhook-secret",
        "AMPBOT_GITHUB_API_URL": "http://127.0.0.1:9",
        "E2B_API_KEY": "e2b-secret",
        "AMPBOT_E2B_API_URL": "http://127.0.0.1:9",
        "AMP_API_KEY": "amp-secret",
        "AMPBOT_DATABASE_URL": f"sqlite:///{tmp_path}/ampbot.sqlite3",
    }


def last_words(folder: Path, environment: dict[str, str]) -> str:
    """What `ampbot serve` says before it gives up; that it does, and how, is part of it."""
    ran = subprocess.run(
        [sys.executable, "-m", "bot", "serve"],
        cwd=folder,
        env={"PATH": os.defpath, "AMPBOT_PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    return ran.stderr


@pytest.fixture
def serving(tmp_path: Path, environment: dict[str, str]) -> Iterator[BotProcess]:
    bot = BotProcess(tmp_path, environment)
    bot.start()
    yield bot
    bot.stop()


def test_a_second_serve_on_the_same_file_is_refused_by_any_path_until_the_first_is_dead(
    serving: BotProcess, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "ampbot.sqlite3"
    folder, link = tmp_path / "elsewhere", tmp_path / "link.sqlite3"
    folder.symlink_to(tmp_path, target_is_directory=True)
    link.symlink_to(file)
    says = (
        f"ampbot cannot start. Another ampbot is serving the database {file}, and SQLite is for one at a time. Stop "
        "that one, or set AMPBOT_DATABASE_URL to another file, or to PostgreSQL to run several.\n"
    )
    for path in (file, folder / "ampbot.sqlite3", link):
        assert last_words(tmp_path, environment | {"AMPBOT_DATABASE_URL": f"sqlite:///{path}"}) == says
    assert last_words(tmp_path, environment | {"AMPBOT_DATABASE_URL": "sqlite:///elsewhere/link.sqlite3"}) == says
    serving.kill()
    serving.start()  # nothing has to be cleaned up by hand


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, environment: dict[str, str]) -> None:
    file = tmp_path / "ampbot.sqlite3"
    file.write_bytes(b"dear diary " * 1_000)
    assert last_words(tmp_path, environment) == (
        f"ampbot cannot start. The file {file} is not a SQLite database. Set AMPBOT_DATABASE_URL to the right one, or "
        "to a new file.\n"
    )
    assert file.read_bytes() == b"dear diary " * 1_000


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/ampbot.sqlite3", "No such file or directory"),
        ("app.pem/ampbot.sqlite3", "Not a directory"),
        ("folder", "unable to open database file"),
    ],
)
def test_a_path_that_cannot_be_used(tmp_path: Path, environment: dict[str, str], path: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    assert last_words(tmp_path, environment | {"AMPBOT_DATABASE_URL": f"sqlite:///{path}"}) == (
        f"ampbot cannot start. The database {tmp_path / path} cannot be used: {reason}. Check the path in "
        "AMPBOT_DATABASE_URL, its mode and its disk.\n"
    )


def test_a_file_that_may_not_be_written(migrated: Path) -> None:
    """By the address, since no mode keeps root from writing."""
    with (
        pytest.raises(UnusableError, match=r"cannot be used: attempt to write a readonly database\. Check the path"),
        open_database(f"sqlite:///file:{migrated}?mode=ro&uri=true"),
    ):
        pass


def test_postgresql_that_is_not_there(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = f"postgresql://ampbot:canary-password@127.0.0.1:{port}/ampbot"
    said = last_words(tmp_path, environment | {"AMPBOT_DATABASE_URL": url})
    assert said.startswith("ampbot cannot start. PostgreSQL cannot be used: ")
    assert said.endswith("Check that it runs, and AMPBOT_DATABASE_URL.\n")
    assert "refused" in said
    assert (said.count("\n"), "canary" in said) == (1, False)


def test_a_database_that_needs_newer_code(tmp_path: Path, environment: dict[str, str]) -> None:
    from bot.store import kv
    from bot.store.database import Database
    from bot.store.upgrade import OLDEST_CODE_KEY

    database = Database(environment["AMPBOT_DATABASE_URL"])
    migrate(database)
    with database.engine.begin() as connection:
        kv.put(connection, OLDEST_CODE_KEY, "99")
    database.close()
    said = last_words(tmp_path, environment)
    assert said.startswith("ampbot cannot start. This database needs newer code: its tables are for ampbot of ")
    assert said.count("\n") == 1
