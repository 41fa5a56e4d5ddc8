"""The sentences about stopping, retrying and status. Those of runs are in `bot.text.messages`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.changes.changeset import Change
from bot.model import Ending, RunRequest, RunState
from bot.text.markdown import code, line, sanitize
from bot.text.messages import HEADINGS, RunCost, asked, duration, files_changed, price_line

RETRY = "`/amp retry` asks for the same again."

# --- how a stopped run ends -----------------------------------------------------------------------


def stopped(by: str, state: RunState) -> Ending:
    """`state`: the run's state when it was stopped. Nothing is published."""
    if state is RunState.QUEUED:
        said = "before its turn came. Nothing was changed."
    elif state is RunState.PREPARING:
        said = "before Amp began. Nothing was changed."
    else:
        said = (
            "Amp and its sandbox are ended, and nothing was published. What Amp had changed is dropped; the transcript "
            "is kept."
        )
        return Ending(RunState.STOPPED, f"Stopped by {line(by)}. {said} {RETRY}")
    return Ending(RunState.STOPPED, f"Stopped by {line(by)} {said} {RETRY}")


def stopped_draft(by: str, number: int, changes: Sequence[Change], answer: str, *, draft: bool) -> Ending:
    kind = "draft pull request" if draft else "pull request (GitHub allows no drafts here)"
    return Ending(
        RunState.STOPPED,
        f"Stopped by {line(by)}. What Amp had changed by then is in the {kind} #{number} ({files_changed(changes)}): "
        f"it may be unfinished.\n\n{sanitize(answer)}".rstrip(),
    )


def stopped_beside(by: str, own: str, compare_url: str, changes: Sequence[Change], answer: str) -> Ending:
    return Ending(
        RunState.STOPPED,
        f"Stopped by {line(by)}. What Amp had changed by then is on {code(own)} ({files_changed(changes)}), "
        f"not on this pull request, as it may be unfinished: [look at it]({compare_url}), and merge or cherry-pick "
        "what is good."
        f"\n\n{sanitize(answer)}".rstrip(),
    )


def stopped_unchanged(by: str, answer: str) -> Ending:
    said = f"Stopped by {line(by)}. Amp had changed nothing by then, so there is nothing to keep. {RETRY}"
    return Ending(RunState.STOPPED, f"{said}\n\n{sanitize(answer)}".rstrip())


def stopped_uncollected(by: str) -> Ending:
    return Ending(
        RunState.STOPPED,
        f"Stopped by {line(by)}. What Amp had changed by then could not be taken out of the sandbox, so nothing was "
        f"published; the transcript is kept. {RETRY}",
    )


def draft_description(by: str, answer: str) -> str:
    """The description of a pull request with unfinished work."""
    return f"{by} stopped this run before it was done: the change may be unfinished.\n\n{answer}".rstrip()


# --- replies --------------------------------------------------------------------------------------


def nothing_to_stop() -> str:
    return "Nothing is running here."


def too_late_to_stop(number: int) -> str:
    what = "the run here is" if number == 1 else f"{number} runs here are"
    return f"Too late: {what} being published or just ending. The run's comment says what comes of it."


def nothing_to_retry(running: bool) -> str:
    if running:
        return "Nothing here has ended yet, so there is nothing to retry. `/amp status` tells what is running."
    return "Nothing was asked of ampbot here before, so there is nothing to retry. Comment `/amp` with your request."


@dataclass(frozen=True, slots=True)
class Running:
    """The active run of an issue. `since` is in epoch seconds."""

    request: RunRequest
    state: RunState
    since: float
    thread_url: str | None


@dataclass(frozen=True, slots=True)
class Last:
    """The run that ended last. `pull`: the number of the pull request it opened."""

    request: RunRequest
    state: RunState
    pull: int | None
    price: RunCost


_DOING = {
    RunState.QUEUED: "Waiting for a free place",
    RunState.PREPARING: "Preparing a sandbox with a fresh checkout",
    RunState.WORKING: "Amp is at work",
    RunState.COLLECTING: "Collecting the changes",
    RunState.PUBLISHING: "Publishing",
}


def status(running: Running | None, waiting: Sequence[RunRequest], last: Last | None, at: float) -> str:
    """The status of an issue at the time `at` (epoch seconds)."""
    parts = [_now(running, at) if running is not None else "Nothing is running here, and nothing waits in line."]
    if waiting:
        rows = [f"{position}. {asked(request)}" for position, request in enumerate(waiting, 1)]
        parts.append("**In line**\n\n" + "\n".join(rows))
    if last is not None:
        result = f" in #{last.pull}" if last.pull else ""
        parts.append(f"**Last: {HEADINGS[last.state]}{result}**\n\n> {asked(last.request)}")
        parts.append(price_line(last.request.id, last.price))
    return "\n\n".join(parts)


def _now(running: Running, at: float) -> str:
    doing = _DOING.get(running.state, "Ending")
    since = datetime.fromtimestamp(running.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    thread = f" · [Amp thread]({running.thread_url})" if running.thread_url else ""
    head = f"**{doing}** since {since} ({duration(at - running.since)}) · run `{running.request.id[:8]}`{thread}"
    return f"{head}\n\n> {asked(running.request)}"
