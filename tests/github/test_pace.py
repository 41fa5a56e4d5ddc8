"""How fast we speak to GitHub: well under its limits, urgent things first, one installation never for another."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.github.pace import BURST, CONTENT, PER_SECOND, Pace
from tests.github.conftest import Time

CAN_BURST = int(BURST)


def test_the_figures_are_githubs_and_ours() -> None:
    assert (BURST, PER_SECOND, CONTENT) == (20, 1, ((60, 80), (3_600, 500)))


@pytest.fixture
def pace(time: Time) -> Pace:
    return Pace(time.clock, time.sleep)


async def turns(pace: Pace, count: int, installation: int = 1, *, creates: bool = False, urgent: bool = False) -> None:
    for _ in range(count):
        await pace.turn(installation, creates=creates, urgent=urgent)


async def test_a_burst_goes_out_at_once_then_one_a_second(pace: Pace, time: Time) -> None:
    await turns(pace, CAN_BURST)
    assert time.waits == []
    await turns(pace, 3)
    assert time.waits == [1, 1, 1]


async def test_a_pause_gives_the_burst_back_and_not_more(pace: Pace, time: Time) -> None:
    await turns(pace, CAN_BURST)
    time.now += 5
    await turns(pace, 5)
    assert time.waits == []
    time.now += 10_000
    await turns(pace, CAN_BURST)
    assert time.waits == []
    await turns(pace, 1)
    assert time.waits == [1]


async def test_those_who_come_together_queue_up() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    pace = Pace(lambda: 0.0, sleep)
    await asyncio.gather(*(pace.turn(1) for _ in range(CAN_BURST + 3)))
    assert waits == [1, 2, 3]  # each behind the one before


async def test_an_installation_never_waits_for_another(pace: Pace, time: Time) -> None:
    await turns(pace, CAN_BURST, installation=1)
    await turns(pace, CAN_BURST, installation=2)
    assert time.waits == []


async def test_what_is_urgent_does_not_wait_and_the_others_wait_for_it(pace: Pace, time: Time) -> None:
    await turns(pace, CAN_BURST + 5, urgent=True)
    assert time.waits == []
    await turns(pace, 1)
    assert time.waits == [6]


@pytest.mark.parametrize("urgent", [False, True])
async def test_content_is_counted_by_the_minute_and_by_the_hour(pace: Pace, time: Time, urgent: bool) -> None:
    """GitHub counts it whoever is urgent: 80 a minute, 500 an hour."""
    sent: list[float] = []
    for _ in range(600):
        await pace.turn(1, creates=True, urgent=urgent)
        sent.append(time.now)
    for seconds, most in CONTENT:
        assert max(sum(start <= at < start + seconds for at in sent) for start in sent) <= most
    assert sent[-1] < 3_600 + 120  # and is not slower than it must be


async def test_content_of_an_hour_ago_is_forgotten(pace: Pace, time: Time) -> None:
    await turns(pace, 80, creates=True, urgent=True)
    time.now += 3_600
    await turns(pace, 80, creates=True, urgent=True)
    assert time.waits == []


async def test_what_only_reads_does_not_count_as_content(pace: Pace, time: Time) -> None:
    await turns(pace, 80, creates=True, urgent=True)
    await turns(pace, 1, urgent=True)
    assert time.waits == []
    await turns(pace, 1, creates=True, urgent=True)
    assert time.waits == [60]


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_limit_holds_everybody_of_the_installation(pace: Pace, time: Time, urgent: bool) -> None:
    pace.hold(1, 60)
    pace.hold(1, 10)  # a shorter one does not end it
    await turns(pace, 1, installation=2)
    assert time.waits == []
    await turns(pace, 2, urgent=urgent)
    assert time.waits == [60]


async def test_a_limit_that_is_renewed_meanwhile_is_waited_out(pace: Pace, time: Time) -> None:
    pace.hold(1, 60)
    waiting = asyncio.create_task(pace.turn(1))
    await asyncio.sleep(0)
    pace.hold(1, 120)
    await waiting
    assert time.waits == [60, 120]


STEPS = st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.booleans()), max_size=150)


@settings(max_examples=40, deadline=None)
@given(STEPS)
async def test_no_pattern_of_requests_is_too_fast(steps: list[tuple[float, bool, bool]]) -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    patient: list[float] = []
    content: list[float] = []
    for pause, creates, urgent in steps:
        time.now += pause
        await pace.turn(1, creates=creates, urgent=urgent)
        if not urgent:
            patient.append(time.now)
        if creates:
            content.append(time.now)
    for first, at in enumerate(patient):  # in any stretch: the burst, and one for each second
        for last in range(first, len(patient)):
            assert last - first + 1 <= BURST + (patient[last] - at) + 1e-6
    assert all(sum(start <= at < start + 60 for at in content) <= 80 for start in content)
