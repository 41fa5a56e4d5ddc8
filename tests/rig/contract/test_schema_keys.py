from __future__ import annotations

from typing import Any

import pytest

from bot.rig.contract.schema_keys import unknown_keys

TEXT = {"type": "string"}
POINT = {"type": "object", "properties": {"x": TEXT, "y": TEXT}}
LINE = {"type": "object", "properties": {"ends": {"type": "array", "items": {"$ref": "point"}}}}


def resolve(schema: Any) -> Any:
    return POINT if schema.get("$ref") == "point" else schema


@pytest.mark.parametrize(
    ("schema", "value", "unknown"),
    [
        (POINT, {"x": "1"}, []),
        (POINT, {"x": "1", "z": "1"}, ["z"]),
        (POINT, "not an object", []),
        (LINE, {"ends": [{"x": "1"}, {"y": "1", "z": "1"}]}, ["ends.1.z"]),
        ({"type": "array", "items": POINT}, [{"z": "1"}], ["0.z"]),
        ({"type": "array"}, [{"z": "1"}], []),
        ({"oneOf": [POINT, LINE]}, {"x": "1", "ends": [], "z": "1"}, ["z"]),
        ({"allOf": [{"anyOf": [POINT]}, LINE]}, {"ends": [], "z": "1"}, ["z"]),
        (
            {"oneOf": [{"type": "object", "properties": {"p": each}} for each in (POINT, LINE)]},
            {"p": {"x": "1", "ends": []}},
            [],
        ),
        ({"type": "object"}, {"anything": 1}, []),
        ({**POINT, "additionalProperties": True}, {"z": "1"}, []),
        ({**POINT, "additionalProperties": TEXT}, {"z": "1"}, []),
        ({**POINT, "additionalProperties": False}, {"z": "1"}, ["z"]),
    ],
)
def test_keys_that_no_alternative_names_are_found_where_they_stand(
    schema: dict[str, Any], value: object, unknown: list[str]
) -> None:
    assert list(unknown_keys(value, schema, resolve)) == unknown
