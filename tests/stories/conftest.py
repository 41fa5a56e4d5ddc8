"""The rigs stories are told on, and what every story must keep: GitHub's contract, and secrets secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.http.request_log import Entry
from bot.rig.rig import AMP_KEY, Rig
from tests.stories.stopping import Gate
from tests.stories.story import Story

# Where the lists of the rig's GitHub lag, it is by two seconds: the bot need not wait for ten.
LITTLE_LAG = {"AMPBOT_LIST_LAG_SECONDS": "3"}


# An idle bot polls, and so takes 4 % of a core. No story uses more rigs than this.
MAX_RUNNING = 3


class RigWith:
    """Running rigs by their settings: the same settings give the same rig, until others have taken its place."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._rigs: dict[str, Rig] = {}  # the one used last is the last
        self._errors: list[Exception] = []

    def __call__(self, template: str = "amp", amp_key: str = AMP_KEY, **settings: str) -> Rig:
        settings = LITTLE_LAG | settings
        key = json.dumps([template, amp_key, settings], sort_keys=True)
        if key in self._rigs:
            self._rigs[key] = self._rigs.pop(key)
            return self._rigs[key]
        if len(self._rigs) == MAX_RUNNING:
            self._end(next(iter(self._rigs)))
        rig = Rig(self._factory.mktemp("rig"), settings, template=template, amp_key=amp_key)
        self._rigs[key] = rig.__enter__()
        rig.serve()
        return rig

    def mortal(self) -> Rig:
        """The rig whose bot a story may end, if it starts it again."""
        return self(AMPBOT_INSTANCE="mortal")

    @property
    def running(self) -> tuple[Rig, ...]:
        return tuple(self._rigs.values())

    def end(self) -> list[Exception]:
        """End them all. Returns what the stand-ins raised in their time."""
        for key in tuple(self._rigs):
            self._end(key)
        return self._errors

    def _end(self, key: str) -> None:
        rig = self._rigs.pop(key)
        rig.__exit__(None, None, None)
        self._errors += [*rig.github.server.errors, *rig.e2b.server.errors]


@pytest.fixture(scope="session")
def rig_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigWith]:
    """A running rig with these settings."""
    rigs = RigWith(tmp_path_factory)
    yield rigs
    assert rigs.end() == [], "the stand-ins themselves raised"


@pytest.fixture
def rig(rig_with: RigWith) -> Rig:
    return rig_with()


@pytest.fixture
def story(rig: Rig) -> Story:
    return Story.begin(rig)


@pytest.fixture
def no_lag(rig: Rig) -> Iterator[None]:
    """For a story that counts requests: nothing is asked for twice."""
    every, rig.github.settings.lag_every = rig.github.settings.lag_every, 0
    yield
    rig.github.settings.lag_every = every


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture(autouse=True)
def promises(rig_with: RigWith) -> Iterator[None]:
    """After each story: every request was one GitHub knows, no sandbox lives, and no secret is where it must not be."""
    marks = {id(rig): len(rig.github.server.request_log.entries) for rig in rig_with.running}
    yield
    for rig in rig_with.running:
        rig.github.server.faults.clear()
        rig.e2b.server.faults.clear()
        rig.wait_idle()
        contract = Contract.load()
        entries = rig.github.server.request_log.since(marks.get(id(rig), 0))
        assert [found for entry in entries for found in contract.check(entry)] == []
        assert all(wanted for wanted in permissions_asked(entries)), "no permissions are all of them"
        assert dict(rig.e2b.sandboxes) == {}, "a sandbox outlived its run"
        assert leaked(rig, entries) == []


def permissions_asked(entries: Sequence[Entry]) -> list[object]:
    """The permissions that each new token was asked for with. GitHub gives all of them where none is named."""
    return [json.loads(entry.body).get("permissions") for entry in entries if entry.path.endswith("/access_tokens")]


def leaked(rig: Rig, entries: Sequence[Entry]) -> list[str]:
    """Where a secret stands in clear, of all the places where none may. `entries`: what GitHub was sent."""
    secrets = {"webhook secret": rig.secret, "amp key": rig.amp_key, "e2b key": rig.e2b.api_key}
    database = rig.folder / "ampbot.sqlite3"
    places = {
        "log": "\n".join(map(str, rig.bot.log)),
        "GitHub": "\n".join(entry.body.decode("latin-1") for entry in entries),
        "database": "".join(
            path.read_bytes().decode("latin-1") for path in (database, Path(f"{database}-wal")) if path.exists()
        ),
        "commands": "\n".join(command.text for sandbox in rig.e2b.records for command in sandbox.commands),
    }
    found = []
    for issue, text in places.items():
        found += [f"{name} in the {issue}" for name, value in secrets.items() if value in text]
        # There are hundreds of tokens and megabytes of text: one pass over it, not one for each.
        alike = set(re.findall(r"ghs_[\w.-]+", text))
        found += [f"a token in the {issue}" for token in rig.github.state.tokens if any(token in one for one in alike)]
    return found
