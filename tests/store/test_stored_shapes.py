"""What an earlier ampbot stored is read as it was meant, and what is stored only grows.

`stored/bbf5ba0.json` holds what the code of that commit wrote in runs of every sort, against our stand-ins. Only their
addresses were replaced, and one mark was added: the number alone under `asked:`, which code before it wrote.
`stored/shapes.json` holds every key there is (see shapes.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from bot.store.tables import metadata
from tests.store import kinds, shapes
from tests.store.kinds import KINDS, LOADED
from tests.store.shapes import COMMAND, broken, grown, problems, shape, snapshot

STORED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "stored" / "bbf5ba0.json").read_text())
VALUES = {(each["kind"], each["name"]): each["value"] for each in STORED if each["kind"] in KINDS}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        kinds.prepare(connection)
        yield connection
    engine.dispose()


def run_of(connection: Connection, kind: str, value: Any) -> str:
    """The id of a run in the database: the very one, if the value is what was asked for."""
    request = value if kind == "runs.request" else VALUES["runs.request", "work on an issue"]
    each = KINDS["runs.request"]
    each.write(connection, "", each.adapter.validate_python(request))
    run: str = request["id"]
    return run


def read(connection: Connection, kind: str, value: Any) -> tuple[str, Any]:
    """The row, and what is read from it where it holds this value."""
    run = run_of(connection, kind, value)
    key = run if KINDS[kind].key == "id" else kinds.GUID
    kinds.store(connection, kind, key, json.dumps(value))
    return key, KINDS[kind].read(connection, run)


def without_new(found: Any, value: Any) -> Any:
    """`found` without the keys that `value` lacks: optional keys may have been added since."""
    if isinstance(found, dict) and isinstance(value, dict):
        return {key: without_new(item, value[key]) for key, item in found.items() if key in value}
    if isinstance(found, list) and isinstance(value, list) and len(found) == len(value):
        return [without_new(*pair) for pair in zip(found, value, strict=True)]
    return found


# --- what was stored --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), VALUES)
def test_what_was_stored_is_read_and_would_be_stored_again(connection: Connection, kind: str, name: str) -> None:
    value = VALUES[kind, name]
    key, loaded = read(connection, kind, value)
    connection.execute(sa.text("DELETE FROM runs"))
    connection.execute(sa.text("UPDATE deliveries SET plan = NULL"))
    if kind != "runs.request":
        run_of(connection, kind, value)
    KINDS[kind].write(connection, key, loaded)
    assert without_new(json.loads(kinds.stored(connection, kind, key)), value) == value


@pytest.mark.parametrize(("kind", "name"), LOADED)
def test_a_stored_value_is_read_as_this(connection: Connection, kind: str, name: str) -> None:
    assert read(connection, kind, VALUES[kind, name])[1] == LOADED[kind, name]


def test_every_kind_and_every_effect_has_a_value_written_out() -> None:
    assert {kind for kind, _ in LOADED} == set(KINDS)
    effects = {effect["type"] for kind, name in LOADED if kind == "deliveries.plan" for effect in VALUES[kind, name]}
    assert effects == {"react", "reply", "start_run", "unlabel", "show_stopped"}


@pytest.mark.parametrize(("kind", "name"), LOADED)
def test_keys_of_newer_code_are_passed_over(connection: Connection, kind: str, name: str) -> None:
    """So that this code can be gone back to."""

    def newer(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: newer(item) for key, item in value.items()} | {"later": 1}
        return [newer(item) for item in value] if isinstance(value, list) else value

    assert read(connection, kind, newer(VALUES[kind, name]))[1] == LOADED[kind, name]


# --- shapes -----------------------------------------------------------------------------------------


def test_stored_shapes_only_grow() -> None:
    assert problems(snapshot()) == []


def test_the_snapshot_holds_every_key_that_is_stored() -> None:
    before = snapshot()
    new = {
        kind: lines
        for kind, each in KINDS.items()
        if (lines := grown(before.get(kind, {}), shape(each.adapter, "serialization")))
    }
    assert new == {}, f"new, and well so far. Write the snapshot anew: {COMMAND}"


def test_no_key_was_struck_from_the_snapshot() -> None:
    """Who strikes a key of the snapshot by hand still has the stored values against him."""
    before = snapshot()
    assert [path for (kind, _), value in VALUES.items() for path in paths(value) if path not in before[kind]] == []


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Those of `shapes.Shape`, of one value."""
    yield path
    if isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]<{item['type']}>" if isinstance(item, dict) else f"{path}[]")
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, f"{path}.{key}".lstrip("."))


# --- the rules themselves ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Inner:
    deep: int


@dataclass(frozen=True)
class Before:
    name: str
    inner: Inner
    line: int | None = None


@dataclass(frozen=True)
class Renamed:
    title: str
    inner: Inner
    line: int | None = None


@dataclass(frozen=True)
class Required:
    name: str
    inner: Inner
    line: int | None


@dataclass(frozen=True)
class Added:
    name: str
    inner: Inner
    new: int
    line: int | None = None


@dataclass(frozen=True)
class Narrowed:
    name: str
    inner: Inner
    line: None = None


@dataclass(frozen=True)
class InnerAdded:
    name: str
    inner: Added
    line: int | None = None


@dataclass(frozen=True)
class Optional:
    name: str
    inner: Inner
    line: int | None = None
    new: Inner = field(default_factory=lambda: Inner(1))


def of(type_: type[Any]) -> shapes.Shape:
    return shape(TypeAdapter(type_), "serialization")


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (Renamed, ["name is gone", "title is new and has no default"]),
        (Required, ["line has no default any more"]),
        (Added, ["new is new and has no default"]),
        (Narrowed, ["line was integer in some row"]),
        (InnerAdded, ["inner.deep is gone", "inner.inner is new", "inner.name is new", "inner.new is new"]),
    ],
)
def test_what_rows_cannot_cope_with_is_named(now: type[Any], says: list[str]) -> None:
    found = broken(of(Before), of(now))
    assert len(found) == len(says)
    assert all(any(sentence.startswith(each) for sentence in found) for each in says), found


def test_a_key_with_a_default_may_be_added() -> None:
    assert broken(of(Before), of(Optional)) == []
    assert grown(of(Before), of(Optional)) == ["new: object or optional", "new.deep: integer"]
    assert grown(of(Optional), of(Before)) == []
