"""What people read about holds and caps: which cap, who may raise it and how, and when it is free again."""

from __future__ import annotations

import pytest

from bot.caps import Day, DayReached
from bot.settings import Settings, environment_name
from bot.text import cap_messages
from tests.factory import actor

AT = 1_767_323_045.0  # 2026-01-02 03:04:05 UTC

DAYS = {
    Day.PERSON: (
        "Not started: alice has had 20 runs in 24 hours, which is the cap. Ask again after 2026-01-02 03:05 UTC; the "
        "operator of ampbot can raise it with `AMPBOT_DAILY_RUNS_PER_PERSON`."
    ),
    Day.REPOSITORY: (
        "Not started: this repository has had 20 runs in 24 hours, which is the cap. Ask again after 2026-01-02 03:05 "
        "UTC; the operator of ampbot can raise it with `AMPBOT_DAILY_RUNS_PER_REPOSITORY`."
    ),
    Day.INSTALLATION: (
        "Not started: the account that installed ampbot has had 20 runs in 24 hours, which is the cap. Ask again after "
        "2026-01-02 03:05 UTC; the operator of ampbot can raise it with `AMPBOT_DAILY_RUNS_PER_INSTALLATION`."
    ),
}


def test_on_hold() -> None:
    assert cap_messages.on_hold() == (
        "This is on hold by the operator of ampbot. It stays queued, and starts by itself when the operator resumes."
    )


@pytest.mark.parametrize("day", Day)
def test_a_day_is_full(day: Day) -> None:
    said = cap_messages.day_reached(actor(), DayReached(day, 20, AT))
    assert said == DAYS[day]
    assert any(environment_name(field) in said for field in Settings.model_fields)
