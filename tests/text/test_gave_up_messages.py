"""The sentences about work that was given up."""

from __future__ import annotations

from bot.model import RunState
from bot.text import gave_up_messages
from tests.factory import RUN

END = (
    "What was done before is kept with the run; the operator finds the cause in the log under run `0123abcd`. "
    "To try again, comment `/amp` with your request."
)
DIED = "ampbot's process ended 5 times while it was"


def test_a_run_says_what_killed_ampbot_and_what_may_be_there() -> None:
    ending = gave_up_messages.run(RUN, 5, doing="collecting the changes")
    assert ending.state is RunState.FAILED
    assert ending.message == (f"{DIED} collecting the changes, so this run was given up. Nothing was published. {END}")
    there = "may be there already: look at it before you ask again."
    branch = gave_up_messages.run(RUN, 5, doing="publishing", branch="amp/7-@mona")
    assert branch.message == f"{DIED} publishing, so this run was given up. The branch `amp/7-@mona` {there} {END}"
    pull = gave_up_messages.run(RUN, 5, doing="publishing", branch="amp/7-x", pull=12)
    assert pull.message == f"{DIED} publishing, so this run was given up. #12 {there} {END}"


def test_a_request_is_told_that_nothing_was_started() -> None:
    assert gave_up_messages.request("5b2f-0d7e", 5) == (
        "I failed 5 times to take this up, so I have stopped trying. Nothing was started. Ask again, in other words. "
        "The operator finds the cause in the log under delivery `5b2f-0d7e`, and can redeliver it."
    )
