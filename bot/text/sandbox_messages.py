"""How a run ends when its sandbox fails it. Each ending says what happened, what was kept, and what to do next."""

from __future__ import annotations

from bot.model import Ending, RunState
from bot.text.markdown import code, quote
from bot.text.messages import AGAIN


def gone() -> Ending:
    return Ending(
        RunState.FAILED,
        "The sandbox ended before the work was done, and what was in it is lost. The transcript up to then is kept. "
        f"{AGAIN}",
    )


def refused(template: str, why: str) -> Ending:
    return Ending(
        RunState.FAILED,
        f"E2B would not start a sandbox from the template {code(template)}:\n\n{quote(why, 300)}\n\nThe operator "
        "should check `E2B_API_KEY` and `AMPBOT_E2B_TEMPLATE` (`ampbot check` tells). Nothing was changed.",
    )


def trouble() -> Ending:
    return Ending(RunState.FAILED, f"E2B has no sandbox for this run at the moment. Nothing was changed. {AGAIN}")


def lost_touch() -> Ending:
    return Ending(
        RunState.FAILED,
        "E2B could not be reached for too long while Amp was at work. Nothing was published; the transcript up to then "
        f"is kept. {AGAIN}",
    )


def overran(*, preparing: bool) -> Ending:
    left = "Nothing was changed." if preparing else "Nothing was published; Amp's transcript up to then is kept."
    return Ending(
        RunState.FAILED, f"A command of ampbot's in the sandbox did not end in the time that it had. {left} {AGAIN}"
    )


def garbled() -> Ending:
    return Ending(
        RunState.FAILED,
        "The sandbox no longer answered as it should: something in it changed its shell. Nothing was published; the "
        f"transcript up to then is kept. {AGAIN}",
    )
