"""A running stand-in and the unmodified SDK bound to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import e2b
import pytest

from bot.rig.e2b import E2B

Open = Callable[[E2B], e2b.E2B]


def client_of(rig: E2B) -> e2b.E2B:
    return e2b.E2B(api_key=rig.api_key, api_url=rig.url, sandbox_url=rig.url)


@pytest.fixture
def rig() -> Iterator[E2B]:
    with E2B() as running:
        yield running
    assert running.server.errors == ()


@pytest.fixture
def client(rig: E2B) -> e2b.E2B:
    return client_of(rig)
