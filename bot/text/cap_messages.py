"""The sentences about holds and caps: what ampbot does not start or goes no further with, and who may change that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.caps import Day, DayReached
from bot.model import Actor
from bot.text.markdown import line


def on_hold() -> str:
    return "This is on hold by the operator of ampbot. It stays queued, and starts by itself when the operator resumes."


_SETTINGS = {
    Day.PERSON: "AMPBOT_DAILY_RUNS_PER_PERSON",
    Day.REPOSITORY: "AMPBOT_DAILY_RUNS_PER_REPOSITORY",
    Day.INSTALLATION: "AMPBOT_DAILY_RUNS_PER_INSTALLATION",
}


def day_reached(actor: Actor, reached: DayReached) -> str:
    """Why a request was not taken up."""
    whose = {
        Day.PERSON: f"{line(actor.login)} has",
        Day.REPOSITORY: "this repository has",
        Day.INSTALLATION: "the account that installed ampbot has",
    }[reached.day]
    # A whole minute, and never too early.
    free = (datetime.fromtimestamp(reached.free_at, UTC) + timedelta(seconds=59)).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"Not started: {whose} had {reached.cap} run{'s' if reached.cap != 1 else ''} in 24 hours, which is the cap. "
        f"Ask again after {free}; the operator of ampbot can raise it with `{_SETTINGS[reached.day]}`."
    )
