"""A rig for each worker and database, with the golden end of each story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bot.rig.crash.postgres import create_database
from bot.rig.crash.walk import Golden, Walk


class Walks:
    """The running walks by database."""

    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self._request = request
        self._stack = stack
        self._walks: dict[str, Walk] = {}
        self._goldens: dict[tuple[str, str], Golden] = {}

    def on(self, database: str) -> Walk:
        if database not in self._walks:
            url = create_database(self._request.getfixturevalue("postgres_url")) if database == "postgresql" else None
            self._walks[database] = self._stack.enter_context(Walk(url))
        return self._walks[database]

    def golden(self, database: str, story: str) -> Golden:
        key = (database, story)
        if key not in self._goldens:
            self._goldens[key] = self.on(database).undisturbed(story)
        return self._goldens[key]


@pytest.fixture(scope="session")
def walks(request: pytest.FixtureRequest) -> Iterator[Walks]:
    with ExitStack() as stack:
        yield Walks(request, stack)
