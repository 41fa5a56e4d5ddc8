"""The shapes of stored JSON: every key there is, and what a value under it may be. They only grow.

Rows outlive deploys. A key that was ever stored stays, as rows hold it, and as code that is rolled back looks for it. A
new key has a default, as older rows lack it.

After adding an optional key, or a value to an enumeration, write the snapshot anew:

    .venv/bin/python -m tests.store.shapes
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from tests.store.kinds import KINDS

SNAPSHOT = Path(__file__).parent / "stored" / "shapes.json"
COMMAND = ".venv/bin/python -m tests.store.shapes"
# Said of a key that has a default.
OPTIONAL = "optional"

# Path -> what is found there: JSON types, `=value` of an enumeration, and whether the key may be missing.
Shape = Mapping[str, frozenset[str]]
Json = dict[str, Any]


def shape(adapter: TypeAdapter[Any], mode: Literal["serialization", "validation"]) -> Shape:
    """What is written (serialization), or understood (validation)."""
    schema = adapter.json_schema(mode=mode, by_alias=True)
    found: dict[str, set[str]] = {}
    for path, word in _words(schema, schema.get("$defs", {}), ""):
        found.setdefault(path, set()).add(word)
    return {path: frozenset(words) for path, words in found.items()}


def _words(schema: Json, definitions: Json, path: str) -> Iterator[tuple[str, str]]:
    """(path, word), in JSON Schema as pydantic writes it: https://docs.pydantic.dev/latest/concepts/json_schema/"""
    if "$ref" in schema:
        yield from _words(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions, path)
    for tag, reference in schema.get("discriminator", {}).get("mapping", {}).items():
        yield from _words({"$ref": reference}, definitions, f"{path}<{tag}>")
    if "discriminator" not in schema:
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _words(choice, definitions, path)
    for value in (*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])):
        yield path, f"={value}"
    if "type" in schema:
        yield path, schema["type"]
    if "items" in schema:
        yield from _words(schema["items"], definitions, f"{path}[]")
    for key, value in schema.get("properties", {}).items():
        below = f"{path}.{key}".lstrip(".")
        if key not in schema.get("required", ()):
            yield below, OPTIONAL
        yield from _words(value, definitions, below)


def broken(before: Shape, now: Shape) -> list[str]:
    """What rows written before, or code that was released before, could not cope with: one sentence each."""
    found = []
    for path, words in before.items():
        if path not in now:
            found.append(f"{path} is gone: rows hold it. A field may be renamed, but its key stays, by an alias.")
        elif OPTIONAL in words - now[path]:
            found.append(f"{path} has no default any more: older rows lack it.")
        elif lost := words - now[path]:
            found.append(f"{path} was {' or '.join(sorted(lost))} in some row, and no longer may be.")
    return found + [
        f"{path} is new and has no default: older rows lack it."
        for path, words in now.items()
        if path not in before and OPTIONAL not in words and _parent(path) in before
    ]


def _parent(path: str) -> str:
    """Where a key stands. Below a new key, or in a new kind of effect, everything is new."""
    return path.rpartition(".")[0]


def grown(before: Shape, now: Shape) -> list[str]:
    """What is stored now and was not."""
    new = [f"{path}: {' or '.join(sorted(words - before.get(path, frozenset())))}" for path, words in now.items()]
    return [line for line in new if not line.endswith(": ")]


def snapshot() -> Mapping[str, Shape]:
    stored: dict[str, dict[str, list[str]]] = json.loads(SNAPSHOT.read_text())
    return {kind: {path: frozenset(words) for path, words in each.items()} for kind, each in stored.items()}


def problems(before: Mapping[str, Shape]) -> list[str]:
    """Where today's code breaks what the snapshot promises."""
    gone = [f"{kind}: nothing is stored there any more, but rows hold it." for kind in before if kind not in KINDS]
    sentences = [
        f"{kind}: {sentence}"
        for kind, each in before.items()
        if kind in KINDS
        for mode in ("serialization", "validation")
        for sentence in broken(each, shape(KINDS[kind].adapter, mode))
    ]
    return list(dict.fromkeys([*gone, *sentences]))


def main() -> int:
    """Write the snapshot, unless a stored key would leave it."""
    before = snapshot() if SNAPSHOT.exists() else {}
    if found := problems(before):
        print("\n".join(found), file=sys.stderr)
        return 1
    now = {kind: shape(each.adapter, "serialization") for kind, each in KINDS.items()}
    SNAPSHOT.write_text(_text(now))
    return 0


def _text(shapes: Mapping[str, Shape]) -> str:
    """As JSON, with a line for each key, so that a diff shows what is new."""
    kinds = []
    for kind, each in shapes.items():
        lines = [f"  {json.dumps(path)}: {json.dumps(sorted(words))}" for path, words in sorted(each.items())]
        kinds.append(f" {json.dumps(kind)}: " + "{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
