"""How fast we speak to GitHub: well under its limits, urgent things first, one installation never for another."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.github.rate_limit import (
    APP,
    BURST,
    CONTENT,
    LANE_POINTS,
    PER_SECOND,
    POINTS,
    READ,
    WRITE,
    RateLimit,
    RequestCost,
)
from tests.github.conftest import Time

CAN_BURST = int(BURST)
CREATES, URGENT = RequestCost(WRITE, content=True), RequestCost(urgent=True)


def test_the_figures_are_githubs_and_ours() -> None:
    assert (BURST, PER_SECOND, CONTENT) == (20, 1, ((60, 80), (3_600, 500)))
    assert (READ, WRITE) == (1, 5)
    assert LANE_POINTS < POINTS < 900


@pytest.fixture
def rate_limit(time: Time) -> RateLimit:
    return RateLimit(time.clock, time.sleep)


async def turns(rate_limit: RateLimit, count: int, cost: RequestCost | None = None, *, installation: int = 1) -> None:
    for _ in range(count):
        await rate_limit.acquire(installation, cost or RequestCost())


async def test_a_burst_goes_out_at_once_then_one_a_second(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, CAN_BURST)
    assert time.waits == []
    await turns(rate_limit, 3)
    assert time.waits == [1, 1, 1]


async def test_a_pause_gives_the_burst_back_and_not_more(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, CAN_BURST)
    time.now += 5
    await turns(rate_limit, 5)
    assert time.waits == []
    time.now += 10_000
    await turns(rate_limit, CAN_BURST)
    assert time.waits == []
    await turns(rate_limit, 1)
    assert time.waits == [1]


async def test_those_who_come_together_queue_up() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    rate_limit = RateLimit(lambda: 0.0, sleep)
    await asyncio.gather(*(rate_limit.acquire(1, RequestCost()) for _ in range(CAN_BURST + 3)))
    assert waits == [1, 2, 3]  # each behind the one before


async def test_an_installation_never_waits_for_another(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, CAN_BURST, installation=1)
    await turns(rate_limit, CAN_BURST, installation=2)
    assert time.waits == []


async def test_what_is_urgent_does_not_wait_and_takes_what_there_is(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, CAN_BURST, URGENT)
    assert time.waits == []
    await turns(rate_limit, 1)
    assert time.waits == [1]


async def test_however_much_was_urgent_the_others_go_on_at_their_own_pace(rate_limit: RateLimit, time: Time) -> None:
    """A hundred commands at once are acknowledged first, and their runs begin meanwhile."""
    await turns(rate_limit, 500, URGENT)
    await turns(rate_limit, 3)
    assert time.waits == [1, 1, 1]


@pytest.mark.parametrize("urgent", [False, True])
async def test_content_is_counted_by_the_minute_and_by_the_hour(
    rate_limit: RateLimit, time: Time, urgent: bool
) -> None:
    """GitHub counts it whoever is urgent: 80 a minute, 500 an hour."""
    sent: list[float] = []
    for _ in range(600):
        await rate_limit.acquire(1, RequestCost(WRITE, content=True, urgent=urgent))
        sent.append(time.now)
    for seconds, most in CONTENT:
        assert max(sum(start <= at < start + seconds for at in sent) for start in sent) <= most
    assert sent[-1] < 3_600 + 120  # and is not slower than it must be


async def test_content_of_an_hour_ago_is_forgotten(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, 80, RequestCost(WRITE, content=True, urgent=True))
    time.now += 3_600
    await turns(rate_limit, 80, RequestCost(WRITE, content=True, urgent=True))
    assert time.waits == []


async def test_what_only_reads_does_not_count_as_content(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, 80, RequestCost(WRITE, content=True, urgent=True))
    await turns(rate_limit, 1, URGENT)
    assert time.waits == []
    await turns(rate_limit, 1, RequestCost(WRITE, content=True, urgent=True))
    assert time.waits == [60]


async def test_courtesies_may_be_written_while_little_was(rate_limit: RateLimit, time: Time) -> None:
    await turns(rate_limit, 39, RequestCost(WRITE, content=True, urgent=True))
    assert rate_limit.has_headroom(1)
    await turns(rate_limit, 1, RequestCost(WRITE, content=True, urgent=True))
    assert not rate_limit.has_headroom(1)
    assert rate_limit.has_headroom(2)
    time.now += 60
    assert rate_limit.has_headroom(1)


@pytest.mark.parametrize("urgent", [False, True])
async def test_neither_lane_takes_all_points_of_a_minute(rate_limit: RateLimit, time: Time, urgent: bool) -> None:
    """GitHub's 900: a read counts one, a write five; the App's own requests know no other limit of ours."""
    await turns(rate_limit, LANE_POINTS // WRITE, RequestCost(WRITE, urgent=urgent), installation=APP)
    assert time.waits == []
    await turns(rate_limit, (POINTS - LANE_POINTS) // WRITE, RequestCost(WRITE, urgent=not urgent), installation=APP)
    assert time.waits == []
    await turns(rate_limit, 1, RequestCost(WRITE, urgent=not urgent), installation=APP)
    assert time.waits == [60]


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_limit_holds_everybody_of_the_installation(rate_limit: RateLimit, time: Time, urgent: bool) -> None:
    rate_limit.block(1, 60)
    rate_limit.block(1, 10)  # a shorter one does not end it
    await turns(rate_limit, 1, installation=2)
    assert time.waits == []
    await turns(rate_limit, 2, RequestCost(urgent=urgent))
    assert time.waits == [60]


async def test_a_limit_that_is_renewed_meanwhile_is_waited_out(rate_limit: RateLimit, time: Time) -> None:
    rate_limit.block(1, 60)
    waiting = asyncio.create_task(rate_limit.acquire(1, RequestCost()))
    await asyncio.sleep(0)
    rate_limit.block(1, 120)
    await waiting
    assert time.waits == [60, 120]


STEPS = st.lists(
    st.tuples(st.floats(0, 30), st.booleans(), st.booleans(), st.sampled_from([READ, WRITE])), max_size=300
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
async def test_no_pattern_of_requests_is_too_fast(steps: list[tuple[float, bool, bool, int]]) -> None:
    time = Time()
    rate_limit = RateLimit(time.clock, time.sleep)
    patient: list[float] = []
    content: list[float] = []
    spent: list[tuple[float, int]] = []
    for pause, creates, urgent, points in steps:
        time.now += pause
        await rate_limit.acquire(1, RequestCost(points, creates, urgent))
        spent.append((time.now, points))
        if not urgent:
            patient.append(time.now)
        if creates:
            content.append(time.now)
    for first, at in enumerate(patient):  # in any stretch: the burst, and one for each second
        for last in range(first, len(patient)):
            assert last - first + 1 <= BURST + (patient[last] - at) + 1e-6
    assert all(sum(start <= at < start + 60 for at in content) <= 80 for start in content)
    assert all(sum(points for at, points in spent if start <= at < start + 60) <= POINTS for start, _ in spent)
