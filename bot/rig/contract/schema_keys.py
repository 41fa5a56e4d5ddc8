"""Finds keys of a JSON value that its schema does not name; validation alone accepts most extra keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Resolve = Callable[[Schema], Schema]  # follows a `$ref`


def unknown_keys(value: object, schema: Schema, resolve: Resolve, at: str = "") -> Iterator[str]:
    """Paths ("tree.0.mood") of the keys that none of the schema's alternatives names.

    Objects whose schema names no properties, and keys under `additionalProperties`, are not checked.
    """
    alternatives = list(_alternatives(schema, resolve))
    if isinstance(value, list):
        items = [each["items"] for each in alternatives if "items" in each]
        for index, item in enumerate(value):
            if items:
                yield from unknown_keys(item, {"anyOf": items}, resolve, f"{at}{index}.")
    elif isinstance(value, dict):
        free = [each.get("additionalProperties") for each in alternatives]
        named = [each["properties"] for each in alternatives if each.get("properties")]
        for key, item in value.items():
            schemas = [properties[key] for properties in named if key in properties]
            if schemas:
                yield from unknown_keys(item, {"anyOf": schemas}, resolve, f"{at}{key}.")
            elif named and not any(isinstance(each, Mapping) or each is True for each in free):
                yield f"{at}{key}"


def _alternatives(schema: Schema, resolve: Resolve) -> Iterator[Schema]:
    schema = resolve(schema)
    yield schema
    for word in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(word, ()):
            yield from _alternatives(each, resolve)
