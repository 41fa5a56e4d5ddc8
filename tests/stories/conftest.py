"""The rigs stories are told on, and what every story must keep: GitHub's contract, and secrets secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bot.rig.contract import Contract
from bot.rig.rig import Rig
from tests.stories.story import Story

RigWith = Callable[..., Rig]


@pytest.fixture(scope="session")
def rig_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigWith]:
    """A running rig with these settings; the same settings give the same rig."""
    rigs: dict[str, Rig] = {}

    def make(template: str = "amp", amp_key: str = "", **settings: str) -> Rig:
        key = json.dumps([template, amp_key, settings], sort_keys=True)
        if key not in rigs:
            rig = Rig(
                _folder(tmp_path_factory), settings, template=template, **({"amp_key": amp_key} if amp_key else {})
            )
            # Faults and floods of one story must not slow down the next.
            rig.__enter__()
            rigs[key] = rig
            rig.serve()
        return rigs[key]

    yield make
    errors = []
    for rig in rigs.values():
        rig.__exit__(None, None, None)
        errors += [*rig.github.server.errors, *rig.e2b.server.errors]
    assert errors == [], "the stand-ins themselves raised"


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("rig")


@pytest.fixture
def rig(rig_with: RigWith) -> Rig:
    return rig_with()


@pytest.fixture
def story(rig: Rig) -> Story:
    return Story.begin(rig)


@pytest.fixture(autouse=True)
def promises(rig_with: RigWith) -> Iterator[None]:
    """After each story: every request was one GitHub knows, no sandbox lives, and no secret is where it must not be."""
    marks: dict[int, int] = {}
    rigs: list[Rig] = []

    def watched() -> Mapping[int, Rig]:
        cells = [cell.cell_contents for cell in (rig_with.__closure__ or ())]
        found: dict[str, Rig] = next(cell for cell in cells if isinstance(cell, dict))
        return {id(rig): rig for rig in found.values()}

    for key, rig in watched().items():
        entries = rig.github.server.journal.entries
        marks[key] = entries[-1].number if entries else 0
    yield
    for key, rig in watched().items():
        rigs.append(rig)
        rig.github.server.faults.clear()
        rig.e2b.server.faults.clear()
        rig.wait_idle()
        contract = Contract.load()
        violations = [
            found for entry in rig.github.server.journal.since(marks.get(key, 0)) for found in contract.check(entry)
        ]
        assert violations == []
        assert dict(rig.e2b.boxes) == {}, "a sandbox outlived its run"
        assert leaked(rig) == []


def leaked(rig: Rig) -> list[str]:
    """Where a secret stands in clear, of all the places where none may."""
    tokens = {
        f"token {index}": value for index, value in enumerate(rig.github.world.tokens) if value.startswith("ghs_")
    }
    secrets = {**tokens, "webhook secret": rig.secret, "amp key": rig.amp_key, "e2b key": rig.e2b.api_key}
    database = rig.folder / "ampbot.sqlite3"
    places = {
        "log": "\n".join(map(str, rig.bot.log)),
        "GitHub": json.dumps(rig.github.snapshot()),
        "database": "".join(
            path.read_bytes().decode("latin-1") for path in (database, Path(f"{database}-wal")) if path.exists()
        ),
        "commands": "\n".join(command.text for box in rig.e2b.records for command in box.commands),
    }
    return [
        f"{name} in the {place}" for name, value in secrets.items() for place, text in places.items() if value in text
    ]
