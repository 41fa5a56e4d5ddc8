"""A sample of the hostile archives: each is read, or refused with a sentence. `make hostile` reads them all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.context import Context
from bot.rig.hostile import reader
from bot.rig.hostile.kinds import KINDS, Case, cases
from bot.sandbox.client import PIECE
from bot.store.open_db import open_database

MEGABYTE = 1_000_000
# A change may have 100 MB of contents, and a piece of the archive is in memory twice as it is unpacked.
MAX_MEMORY = 125 * MEGABYTE


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    made = reader.context(tmp_path)
    with open_database(made.settings.database_url):
        yield made
    made.database.close()


def pieces(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + PIECE] for at in range(0, len(data), PIECE))


@pytest.mark.parametrize("kind", KINDS)
async def test_each_is_read_or_refused_with_a_sentence(context: Context, kind: str) -> None:
    (case,) = cases(1, seed=7, only=kind)
    verdict = await reader.collect(context, pieces(case.archive), pieces(case.names))
    if verdict is None:
        del case
        tracemalloc.start()
        try:
            verdict = await reader.judge(context)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < MAX_MEMORY
    assert verdict.end in ("accepted", "refused"), verdict.message
    assert verdict.end == "accepted" or "Nothing was pushed" in verdict.message


def test_the_cases_are_the_same_for_a_seed_and_different_for_another() -> None:
    def some(seed: int) -> list[Case]:
        return list(cases(3, seed, only="ordinary"))

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert len({case.archive for case in some(1)}) == 3


def test_every_kind_takes_its_turn() -> None:
    turns = cases(4, seed=1)
    assert [case.kind for case in turns] == list(KINDS)[:4]
