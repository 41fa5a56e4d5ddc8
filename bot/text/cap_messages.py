"""The sentences about holds and caps: what ampbot does not start or goes no further with, and who may change that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.agent.outcome import Failure
from bot.caps import Caps, Day, DayReached
from bot.model import Actor, Ending, Kept, RunState
from bot.text.markdown import code, line


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


# --- a run that reaches a cap ---------------------------------------------------------------------


def reached(failure: Failure | None, caps: Caps) -> str:
    """Which cap of a run ended Amp, and who may raise it and how; "" if none did."""
    match failure:
        case Failure.TIMEOUT:
            what, setting = f"{caps.minutes:g} minute{'s' if caps.minutes != 1 else ''}", "AMPBOT_RUN_MINUTES"
        case Failure.TOKENS:
            what, setting = (
                f"{caps.tokens:,} token{'s' if caps.tokens != 1 else ''} (not counting cache reads)",
                "AMPBOT_RUN_TOKENS",
            )
        case Failure.TURNS:
            what, setting = f"{caps.turns:,} turn{'s' if caps.turns != 1 else ''}", "AMPBOT_RUN_TURNS"
        case _:
            return ""
    return (
        f"Amp reached this run's cap of {what} and was ended. The operator of ampbot can raise it with `{setting}`; or "
        "ask again for a smaller step."
    )


def unfinished(cap: str) -> str:
    """The description of a pull request with unfinished work. `cap`: what `reached` says."""
    return f"This change may be unfinished. {cap}"


def capped_draft(number: int, files: str, *, draft: bool) -> Ending:
    """`files`: how many were changed, here and below. The sentence of `reached` stands above it."""
    kind = "draft pull request" if draft else "pull request (GitHub allows no drafts here)"
    return Ending(RunState.STOPPED, f"What Amp had changed by then is in the {kind} #{number} ({files}).")


def capped_beside(own: str, compare_url: str, files: str) -> Ending:
    return Ending(
        RunState.STOPPED,
        f"What Amp had changed by then is on {code(own)} ({files}), not on this pull request: "
        f"[look at it]({compare_url}), and merge or cherry-pick what is good.",
    )


def capped_unpublished(*, kept: bool, collected: bool = True) -> Ending:
    left = "What it had changed is kept with the run." if kept else "It had changed nothing."
    if not collected:
        left = "What it had changed could not be taken out of the sandbox."
    message = f"Nothing was published. {left} The transcript is kept."
    return Ending(RunState.STOPPED, message, Kept.TO_SEE if kept else Kept.NOTHING)
