"""The stand-in's Amp answers what the real one has answered (tests/oracles/amp-*.json), in both eras."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from bot.rig.amp.options import VERSIONS
from bot.rig.amp.server import AmpServer
from bot.rig.amp.stream import Era
from bot.rig.e2b.templates import AMP_PROGRAM
from tests.oracles import amp, record

RECORDS = {era: record.load(f"amp-{era}") for era in Era}


@pytest.fixture(scope="module")
def asked() -> Iterator[Callable[[Era], amp.Amp]]:
    """The stand-in of an era, whose server knows the same threads as the one that the real Amp was asked with."""
    with AmpServer() as threads, amp.server() as server:
        for name, key, archived in ((amp.ARCHIVED, "sgamp_good", True), (amp.FOREIGN, "sgamp_other", False)):
            thread = {"id": name, "title": "", "mode": "medium", "visibility": "workspace", "parent": None}
            headers = {"authorization": f"Bearer {key}"}
            httpx.put(
                f"{threads.url}/threads/{name}", json=thread | {"archived": archived, "updated": 0.0}, headers=headers
            )
        command = [sys.executable, "-I", "-S", str(AMP_PROGRAM)]
        yield lambda era: amp.Amp(command, {"AMP_RIG_ERA": era, "AMP_RIG_SERVER": threads.url}, server)


@pytest.mark.parametrize(
    ("era", "name"), [(era, each.name) for era, known in RECORDS.items() for each in known.operations]
)
def test_a_command_line_is_answered_as_by_the_real_amp(asked: Callable[[Era], amp.Amp], era: Era, name: str) -> None:
    operation = RECORDS[era].operation(name)
    waits = operation.answer["code"] == "waits"
    answer = asked(era).ask(operation.ask, 4.0 if waits else 60.0)
    if operation.rig:
        assert answer != operation.answer, f"this differs no more; remove its `rig`: {operation.rig}"
    else:
        assert answer == operation.answer


def test_the_stand_in_has_the_versions_that_answered() -> None:
    assert {era: known.version for era, known in RECORDS.items()} == {
        era: version.partition(" ")[0] for era, version in VERSIONS.items()
    }
