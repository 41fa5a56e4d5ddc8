"""What a real program answered to a list of operations, kept as data: one JSON file for each program.

`python -m tests.oracles` asks the real ones again; tests ask the stand-ins in `bot/rig/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
Json = Any


@dataclass(frozen=True, slots=True)
class Operation:
    """`ask` is what is done, `answer` what the real program answered. `rig`: why the stand-in answers otherwise."""

    name: str
    ask: Json
    answer: Json
    rig: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`source` and `version` say which program answered."""

    source: str
    version: str
    operations: tuple[Operation, ...]

    def operation(self, name: str) -> Operation:
        (found,) = [each for each in self.operations if each.name == name]
        return found


def load(name: str) -> Record:
    data = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    operations = (
        Operation(each["name"], each["ask"], each.get("answer"), each.get("rig", "")) for each in data["operations"]
    )
    return Record(data["source"], data["version"], tuple(operations))


def save(name: str, record: Record) -> None:
    rows = [
        {"name": each.name, "ask": each.ask, "answer": each.answer} | ({"rig": each.rig} if each.rig else {})
        for each in record.operations
    ]
    data = {"source": record.source, "version": record.version, "operations": rows}
    (FOLDER / f"{name}.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
