"""The stand-in's envd answers what the real one has answered (tests/oracles/envd.json)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bot.rig.e2b.server import E2B
from tests.oracles import record
from tests.oracles.envd import Envd

from .conftest import client_of

RECORD = record.load("envd")


@pytest.fixture(scope="module")
def envd() -> Iterator[Envd]:
    with E2B() as rig:
        if not rig.isolated or "ordinary user" not in rig.note:
            pytest.skip(rig.note)
        created = asyncio.run(client_of(rig).AsyncSandbox.create(timeout=3600))
        sandbox = rig.sandboxes[created.sandbox_id]
        asked = Envd(rig.url, {"e2b-sandbox-id": sandbox.id, "x-access-token": sandbox.token})
        yield asked
        asked.close()


@pytest.mark.parametrize("name", [each.name for each in RECORD.operations])
def test_an_operation_is_answered_as_by_the_real_envd(envd: Envd, name: str) -> None:
    operation = RECORD.operation(name)
    answer = envd.ask(operation.ask)
    if operation.rig:
        assert answer != operation.answer, f"this differs no more; remove its `rig`: {operation.rig}"
    else:
        assert answer == operation.answer


def test_the_stand_in_names_the_version_that_answered() -> None:
    from bot.rig.e2b.state import ENVD_VERSION

    assert RECORD.version == ENVD_VERSION
