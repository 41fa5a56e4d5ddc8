"""What did not arrive is asked for until it does, ever less often, and looked for in the lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from bot.context import Context
from bot.github.delivery_log import Attempt
from bot.github.errors import NotFoundError, UnavailableError
from bot.store import deliveries, kv, redelivery_attempts
from bot.sweep import missed
from tests.factory import delivery

MADE = 1_800_000_000.0
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass
class Hook:
    """GitHub's log of an App whose hook is reached or not, and a clock that only sleeping moves."""

    context: Context
    moment: float = MADE
    reached: bool = False
    keeps: float = 3 * DAY
    broken: Exception | None = None  # what asking comes to
    log: list[Attempt] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    searched: list[float] = field(default_factory=list)
    read: int = 0

    def hooks(self) -> Hook:
        return self

    def now(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds

    async def search(self, _world: Context, since: float) -> None:
        self.searched.append(since)

    async def attempts(self) -> AsyncIterator[Attempt]:
        for attempt in reversed(self.log):
            if attempt.at > self.moment - self.keeps:
                self.read += 1
                yield attempt

    async def redeliver(self, number: int) -> None:
        if self.broken is not None:
            raise self.broken
        attempt = self.log[number]
        if attempt.at < self.moment - self.keeps:
            raise NotFoundError(404, "Not Found")
        self.asked.append((self.moment, attempt.guid))
        await self.deliver(attempt.guid)

    async def deliver(self, guid: str, action: str = "created") -> None:
        if self.reached:
            await self.context.database.write(deliveries.add, delivery(guid))
        self.log.append(Attempt(len(self.log), guid, self.moment, self.reached, "issue_comment", action))

    async def sweep(self, *, starting: bool = False) -> None:
        await missed.recover_deliveries(self.context, starting=starting)

    async def sweeps(self, seconds: float) -> None:
        """As on the timer."""
        until = self.moment + seconds
        while self.moment < until:
            await self.sweep()
            await self.sleep(5 * MINUTE)


@pytest.fixture
async def hook(context: Context, monkeypatch: pytest.MonkeyPatch) -> Hook:
    made = Hook(context)
    made.context = replace(context, github=made, sleep=made.sleep)  # type: ignore[arg-type]  # as much of GitHub as is needed
    monkeypatch.setattr(missed, "now", made.now)
    monkeypatch.setattr(missed, "_search", made.search)
    await made.sweep(starting=True)  # so it knows since when it lives
    await made.sleep(MINUTE)
    return made


async def test_what_failed_is_asked_for_once_when_it_arrives(hook: Hook) -> None:
    await hook.deliver("one")
    hook.reached = True
    await hook.sweeps(HOUR)
    assert [guid for _, guid in hook.asked] == ["one"]
    assert hook.searched == []


async def test_while_the_hook_is_out_of_reach_it_is_asked_for_ever_less_often_and_never_given_up(hook: Hook) -> None:
    await hook.deliver("one")
    await hook.sweeps(DAY)
    moments = [at for at, _ in hook.asked]
    pauses = [round((b - a) / MINUTE) for a, b in pairwise(moments)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1] <= 70, 25 <= len(moments) <= 35) == (6, True, True), (
        "five minutes and the half that it waits"
    )
    hook.reached = True
    await hook.sweeps(70 * MINUTE)
    assert await hook.context.database.read(deliveries.known, ("one",)) == {"one"}
    count = len(hook.asked)
    await hook.sweeps(DAY)
    assert len(hook.asked) == count


async def test_what_was_asked_for_in_vain_is_looked_for_in_the_lists_since_it_first_failed(hook: Hook) -> None:
    first = hook.moment
    await hook.deliver("one")
    await hook.sweeps(20 * MINUTE)
    assert hook.searched == []
    await hook.sweeps(10 * MINUTE)
    assert hook.searched, "the hook may be out of reach, and the answer still be given"
    assert set(hook.searched) == {first}


async def test_a_crash_in_every_sweep_gives_nothing_up(hook: Hook) -> None:
    """Asked for at each of many starts within a minute, each time in vain."""
    await hook.deliver("one")
    for _ in range(20):
        await hook.sweep(starting=True)
    hook.reached = True
    await hook.sweeps(10 * MINUTE)
    assert await hook.context.database.read(deliveries.known, ("one",)) == {"one"}


async def test_what_github_refuses_to_deliver_is_looked_for_since_it_first_failed(hook: Hook) -> None:
    first = hook.moment
    await hook.deliver("one")
    await hook.sweeps(10 * MINUTE)
    hook.broken = NotFoundError(404, "Not Found")
    await hook.sweep()
    assert hook.searched == [first]


async def test_an_outage_of_github_counts_but_loses_nothing(hook: Hook) -> None:
    await hook.deliver("one")
    hook.broken = UnavailableError(502, "Bad Gateway")
    for _ in range(10):
        with pytest.raises(UnavailableError):
            await hook.sweep()
        await hook.sleep(10 * MINUTE)
    hook.broken, hook.reached = None, True
    await hook.sweeps(HOUR)
    assert [guid for _, guid in hook.asked] == ["one"]


async def test_the_log_is_read_no_farther_back_than_the_longest_pause(hook: Hook) -> None:
    await hook.deliver("one")
    await hook.sweeps(2 * DAY)
    for number in range(100):
        await hook.deliver(f"edit {number}", "deleted")
        await hook.sleep(HOUR)
        await hook.sweep()
    hook.read = 0
    await hook.sweep()
    assert hook.read < 10


async def test_a_sweep_asks_for_so_many_and_the_next_for_the_rest(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "MAX_ASKED", 3)
    for number in range(7):
        await hook.deliver(f"{number}")
    hook.reached = True
    for _ in range(2):
        await hook.sweep()
    assert [guid for _, guid in hook.asked] == ["0", "1", "2", "3", "4", "5"]
    await hook.sweeps(HOUR)
    assert [guid for _, guid in hook.asked] == [str(number) for number in range(7)]


async def test_a_count_without_a_time_is_read_as_it_was_written(context: Context) -> None:
    await context.database.write(kv.put, "asked:one", "4")
    known = await context.database.read(redelivery_attempts.get, "one")
    assert known == redelivery_attempts.RedeliveryAttempts(4, float("inf"))
