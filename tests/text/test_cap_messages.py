"""What people read about holds and caps: which cap, who may raise it and how, and when it is free again."""

from __future__ import annotations

import pytest

from bot.agent.outcome import Failure
from bot.caps import Caps, Day, DayReached
from bot.model import Ending, Kept, RunState
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


CAPS = Caps(minutes=0.5, tokens=2_000_000, turns=1, person=1, repository=1, installation=1)
REACHED = {
    Failure.TIMEOUT: "Amp reached this run's cap of 0.5 minutes and was ended. The operator of ampbot can raise it "
    "with `AMPBOT_RUN_MINUTES`; or ask again for a smaller step.",
    Failure.TOKENS: "Amp reached this run's cap of 2,000,000 tokens (not counting cache reads) and was ended. "
    "The operator of ampbot can raise it with `AMPBOT_RUN_TOKENS`; or ask again for a smaller step.",
    Failure.TURNS: "Amp reached this run's cap of 1 turn and was ended. The operator of ampbot can raise it with "
    "`AMPBOT_RUN_TURNS`; or ask again for a smaller step.",
}


@pytest.mark.parametrize("failure", [None, *Failure])
def test_a_cap_of_a_run(failure: Failure | None) -> None:
    said = cap_messages.reached(failure, CAPS)
    assert said == (REACHED.get(failure, "") if failure else "")
    assert not said or any(environment_name(field) in said for field in Settings.model_fields)


def test_what_becomes_of_the_work_at_a_cap() -> None:
    assert cap_messages.unfinished("Why.") == "This change may be unfinished. Why."
    draft = Ending(RunState.STOPPED, "What Amp had changed by then is in the draft pull request #8 (2 files changed).")
    assert cap_messages.capped_draft(8, "2 files changed", draft=True) == draft
    plain = "What Amp had changed by then is in the pull request (GitHub allows no drafts here) #8 (2 files changed)."
    assert cap_messages.capped_draft(8, "2 files changed", draft=False) == Ending(RunState.STOPPED, plain)
    assert cap_messages.capped_beside("amp/7-x", "https://h/c", "2 files changed") == Ending(
        RunState.STOPPED,
        "What Amp had changed by then is on `amp/7-x` (2 files changed), not on this pull request: "
        "[look at it](https://h/c), and merge or cherry-pick what is good.",
    )
    assert cap_messages.capped_unpublished(kept=False) == Ending(
        RunState.STOPPED, "Nothing was published. It had changed nothing. The transcript is kept."
    )
    assert cap_messages.capped_unpublished(kept=True) == Ending(
        RunState.STOPPED,
        "Nothing was published. What it had changed is kept with the run. The transcript is kept.",
        Kept.TO_SEE,
    )
    assert cap_messages.capped_unpublished(kept=False, collected=False) == Ending(
        RunState.STOPPED,
        "Nothing was published. What it had changed could not be taken out of the sandbox. The transcript is kept.",
    )
