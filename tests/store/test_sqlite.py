"""One SQLite library in the process, new enough for the engine, or a sentence about it."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

from bot.store import sqlite

NEW, OLD = "3.42.0", "3.41.9"


def library(version: str) -> SimpleNamespace:
    numbers = tuple(map(int, version.split(".")))
    return SimpleNamespace(sqlite_version=version, sqlite_version_info=numbers)


def given(patch: pytest.MonkeyPatch, standard: str, other: str | None) -> dict[str, SimpleNamespace]:
    found = {"sqlite3": library(standard)} | ({"pysqlite3": library(other)} if other else {})
    for name in ("sqlite3", "pysqlite3"):
        patch.setitem(sys.modules, name, found.get(name))  # None: not to be imported
    return found


@pytest.mark.parametrize(
    ("standard", "other", "chosen"),
    [(NEW, None, "sqlite3"), (NEW, NEW, "sqlite3"), (OLD, NEW, "pysqlite3"), ("3.9.0", "3.51.1", "pysqlite3")],
)
def test_the_standard_library_is_taken_where_it_will_do(
    monkeypatch: pytest.MonkeyPatch, standard: str, other: str | None, chosen: str
) -> None:
    found = given(monkeypatch, standard, other)
    module: object = sqlite.module()
    assert module is found[chosen]


NONE_WILL_DO = (
    "SQLite 3.41.9 is too old: ampbot needs 3.42.0 or newer. Install pysqlite3-binary, use a newer Python, or "
    "set AMPBOT_DATABASE_URL to PostgreSQL."
)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (None, NONE_WILL_DO),
        (OLD, "pysqlite3 carries SQLite 3.41.9, which is too old: upgrade pysqlite3-binary."),
    ],
)
def test_where_neither_will_do_it_says_so(monkeypatch: pytest.MonkeyPatch, other: str | None, says: str) -> None:
    given(monkeypatch, OLD, other)
    with pytest.raises(sqlite.SQLiteTooOldError) as raised:
        sqlite.module()
    assert str(raised.value) == says


def test_it_is_the_same_every_time() -> None:
    assert sqlite.module() is sqlite.module()
    assert sqlite.module() is importlib.import_module(sqlite.module().__name__)
    assert sqlite.module().sqlite_version_info >= sqlite.MIN_VERSION
