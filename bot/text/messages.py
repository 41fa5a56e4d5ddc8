"""Every sentence that people on GitHub see. Each ending says what happened, what was kept, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.agent.outcome import Failure, Outcome
from bot.changes.changeset import Change, Violation
from bot.model import Actor, Ending, Kept, PinnedBase, RunRequest, RunState
from bot.text import cap_messages, kept_messages, kind_words
from bot.text.markdown import code, line, plain, quote, sanitize, without_skips
from bot.text.markers import run_marker

AGAIN = "To try again, comment `/amp` with your request."


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run took; `seconds` since the request."""

    seconds: float
    outcome: Outcome | None
    thread_url: str | None


# --- the progress comment -------------------------------------------------------------------------


def progress(
    request: RunRequest,
    state: RunState,
    *,
    position: int = 0,
    latest: str = "",
    tools: int = 0,
    tokens: int = 0,
    held: bool = False,
) -> str:
    """The run's comment while it is QUEUED or WORKING. `position`: in the queue of the issue, 0 when not waiting.

    `tools`, `tokens`: what Amp has used so far. `held`: whether the operator has put it on hold.
    """
    what = kind_words.of(request.kind).doing
    heads = {
        RunState.QUEUED: "⏳ Queued" if position or held else f"⏳ {what}",
        RunState.WORKING: f"⏳ {what}",
    }
    start = "Preparing a sandbox with a fresh checkout."
    if request.kept_from is not None:
        start = kept_messages.beginning(request.kept_from)
    said = {
        RunState.QUEUED: (
            f"Another run of this conversation is at work; this one is number {position} in line and starts by itself."
            if position
            else start
        ),
        RunState.WORKING: f"Amp is at work{_so_far(tools, tokens)}.",
    }
    sentence = cap_messages.on_hold() if held else said[state]
    parts = [run_marker(request.id), f"### {heads[state]}", f"> {asked(request)}", sentence]
    if latest:
        parts.append(quote(latest, 400))
    return "\n\n".join(parts)


def _so_far(tools: int, tokens: int) -> str:
    parts = [f"{tools} step{'s' if tools != 1 else ''}"] if tools else []
    parts += [f"{tokens:,} tokens"] if tokens else []
    return f" ({', '.join(parts)} so far)" if parts else ""


def asked(request: RunRequest) -> str:
    """The requester and the first line of the request."""
    text = request.text or kind_words.of(request.kind).asked
    return f"**{line(request.actor.login)}:** {line(text.splitlines()[0], 160)}"


HEADINGS = {
    RunState.PUBLISHED: "✅ Done",
    RunState.ANSWERED: "💬 Answered",
    RunState.REVIEWED: "🔎 Reviewed",
    RunState.REFUSED: "🚫 Not published",
    RunState.FAILED: "⚠️ It did not work out",
    RunState.STOPPED: "⏹️ Stopped",
}


def final(request: RunRequest, ending: Ending, price: RunCost, note: str = "") -> str:
    """The run's comment when it has ended. `note`: what became of a change set kept from an earlier run."""
    head, quoted = f"### {HEADINGS[ending.state]}", f"> {asked(request)}"
    parts = [run_marker(request.id), head, quoted, note, ending.message, kept_messages.how(request.id, ending.kept)]
    return "\n\n".join([*filter(None, parts), price_line(request.id, price)])


def price_line(run: str, price: RunCost) -> str:
    """Time, tokens, thread and id of a run, on one small line."""
    parts = [duration(price.seconds)]
    if price.outcome is not None and price.outcome.kept_from is not None:
        parts.append("no new tokens")
    elif price.outcome is not None:
        usage = price.outcome.usage
        parts.append(f"{usage.read:,} tokens in, {usage.output_tokens:,} out")
    if price.thread_url:
        parts.append(f"[Amp thread]({price.thread_url})")
    parts.append(f"run `{run[:8]}`")
    return f"<sub>{' · '.join(parts)}</sub>"


def duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# --- endings: success -----------------------------------------------------------------------------


def pull_opened(number: int, answer: str, changes: Sequence[Change]) -> Ending:
    return Ending(RunState.PUBLISHED, f"Opened #{number} ({files_changed(changes)}).\n\n{sanitize(answer)}".rstrip())


def commit_added(commit: str, branch: str, answer: str, changes: Sequence[Change]) -> Ending:
    said = f"Added {commit} to {code(branch)} ({files_changed(changes)}).\n\n{sanitize(answer)}"
    return Ending(RunState.PUBLISHED, said.rstrip())


def branch_moved(branch: str, own: str, compare_url: str, answer: str) -> Ending:
    return Ending(
        RunState.PUBLISHED,
        f"{code(branch)} moved or went away while Amp was at work, so nothing was pushed to it. The work is on "
        f"{code(own)}: [look at it]({compare_url}), and merge or cherry-pick it, or ask again to have it done on the "
        "new head."
        f"\n\n{sanitize(answer)}".rstrip(),
    )


def answered(answer: str) -> Ending:
    return Ending(RunState.ANSWERED, sanitize(answer) or "Amp changed nothing and had nothing to say.")


def files_changed(changes: Sequence[Change]) -> str:
    return f"{len(changes):,} file{'s' if len(changes) != 1 else ''} changed"


# --- endings: no success ----------------------------------------------------------------------------


def refused_paths(violations: Sequence[Violation]) -> Ending:
    rows = [f"- {code(item.path)}: {item.reason}" for item in violations[:20]]
    if len(violations) > 20:
        rows.append(f"- … and {len(violations) - 20} more")
    return Ending(
        RunState.REFUSED,
        "Amp made a change that ampbot does not publish:\n\n" + "\n".join(rows) + "\n\n"
        "Nothing was pushed. The change set is kept with the run. Ask again without these paths, or make this part "
        "of the change by hand.",
        Kept.TO_SEE,
    )


def refused_change(reason: str) -> Ending:
    return Ending(
        RunState.REFUSED,
        f"The change could not be taken over: {reason} Nothing was pushed; the transcript is kept. {AGAIN}",
    )


def permission_lost(actor: Actor, kept: Kept = Kept.NOTHING) -> Ending:
    return Ending(
        RunState.REFUSED,
        f"{line(actor.login)} no longer has write access here, so nothing was published. What Amp did is kept with the "
        "run; somebody with write access can ask again.",
        kept,
    )


def archived() -> Ending:
    return Ending(
        RunState.REFUSED, "This repository is archived, so nothing can be changed here. Unarchive it and ask again."
    )


def empty() -> Ending:
    return Ending(
        RunState.REFUSED,
        "This repository has no commit yet, so there is nothing to start from. Push one and ask again.",
    )


def fork_work() -> Ending:
    return Ending(
        RunState.REFUSED,
        "This pull request comes from a fork, and ampbot does not push to forks. What Amp changed is kept with the "
        "run. To have the pull request reviewed, comment `/amp review`.",
        Kept.TO_SEE,
    )


def closed_pull() -> Ending:
    return Ending(
        RunState.REFUSED,
        "This pull request is closed or its branch is gone, so there is nothing to push to. What Amp changed is "
        "kept with the run. Reopen the pull request, or open an issue and ask there.",
        Kept.TO_PUBLISH,
    )


def agent_failed(outcome: Outcome, kept: bool) -> Ending:
    """Amp ended without success."""
    operator = "The operator should"
    why = {
        Failure.NO_KEY: f"Amp had no key. {operator} set `AMP_API_KEY`.",
        Failure.KEY: f"Amp refused its key. {operator} check `AMP_API_KEY` (`ampbot check` tells).",
        Failure.NO_OUTPUT: (
            "Amp ended without a word, as its older versions do when the key or the account is refused, or when Amp's "
            f"server is away. {operator} check `AMP_API_KEY` (`ampbot check` tells)."
        ),
        Failure.CREDITS: "The Amp account is out of credits. Add credits, then ask again.",
        Failure.ACCOUNT: f"Amp refused this account. {operator} look at its Amp plan and limits.",
        Failure.RATE: "Amp is asking for patience (rate limit). Ask again in a while.",
        Failure.BUSY: "Amp's model is overloaded. Ask again in a while.",
        Failure.OFFLINE: "The sandbox could not reach Amp. Ask again in a while.",
        Failure.SERVER: "Amp's server had an error. Ask again in a while.",
        Failure.OPTION: f"This Amp version does not know an option ampbot uses. {operator} pin a tested one.",
        Failure.IDLE: "Amp said nothing for too long and was ended. Ask again, perhaps for a smaller step.",
        Failure.TIMEOUT: "Amp did not finish in the time a run may take and was ended. Ask again for a smaller step.",
        Failure.OUTPUT_LIMIT: "Amp's output grew beyond all bounds and it was ended. Ask again for a smaller step.",
        Failure.KILLED: "Amp was killed in the sandbox, perhaps for want of memory. Ask again, or for a smaller step.",
    }
    reason = outcome.failure
    said = (
        why.get(reason, "Amp ended without finishing its work. Ask again.")
        if reason
        else "Amp reports an error. Ask again, or in other words."
    )
    words = f"\n\n{quote(outcome.error, 1_000)}" if outcome.error else ""
    left = "What it had changed is kept with the run." if kept else "It had changed nothing."
    return Ending(
        RunState.FAILED,
        f"{said} Nothing was published. {left} The transcript is kept.{words}",
        Kept.TO_SEE if kept else Kept.NOTHING,
    )


def amp_missing(message: str) -> Ending:
    return Ending(RunState.FAILED, f"{message} Nothing was changed. {AGAIN}")


def github_down() -> Ending:
    return Ending(
        RunState.FAILED,
        f"GitHub did not answer for too long. What Amp did is kept with the run; nothing is half-published. {AGAIN}",
    )


def tree_differs() -> Ending:
    return Ending(
        RunState.FAILED,
        "The tree GitHub made is not the one in the sandbox, so it was not published. The change set is kept with the "
        f"run. This is a fault of ampbot: please report it. {AGAIN}",
        Kept.TO_PUBLISH,
    )


def internal_error(run: str) -> Ending:
    return Ending(
        RunState.FAILED,
        "ampbot itself made a mistake. What was done is kept with the run; the operator finds the details in the log "
        f"under run `{run[:8]}`. {AGAIN}",
    )


# --- replies --------------------------------------------------------------------------------------


def denied(actor: Actor) -> str:
    return (
        f"Sorry {line(actor.login)}, only people with write access to this repository can ask ampbot to work here. "
        "Somebody who has it can ask in your place."
    )


def not_the_author() -> str:
    return (
        "A command counts only if the author of the text wrote it. This one was edited into somebody else's text, so "
        "nothing was started. To ask for it, write a comment of your own."
    )


def too_many_asks(limit: int) -> str:
    return (
        f"One comment can ask for {limit} things at most; the first {limit} are taken. Ask for the rest in another one."
    )


def too_old(days: int) -> str:
    return f"This request is more than {days} days old, so I have not taken it up. If you still want it, ask again."


def not_offered(verb: str) -> str:
    return f"This ampbot does not know {code(f'/amp {verb}')} yet. Comment `/amp help` to see what it does know."


# --- what is published ----------------------------------------------------------------------------


def coauthor(actor: Actor, host: str) -> str:
    return f"Co-authored-by: {actor.login} <{actor.id}+{actor.login}@users.noreply.{host}>"


def commit_message(title: str, request: RunRequest, host: str) -> str:
    return f"{title}\n\nAmpbot-Run: {request.id}\n{coauthor(request.actor, host)}\n"


def pull_title(request: RunRequest, proposed: str | None) -> str:
    return plain(proposed or "") or plain(request.issue.title) or f"Resolve #{request.issue.number}"


def pull_body(request: RunRequest, pinned: PinnedBase, description: str, price: RunCost) -> str:
    return "\n\n".join(
        [
            run_marker(request.id),
            without_skips(sanitize(description, 50_000)) or "Amp left no description.",
            f"{'Follows' if request.issue.is_pull else 'Closes'} #{request.issue.number}",
            f"---\nAsked by @{request.actor.login} in #{request.issue.number}; based on {pinned.base_sha}.",
            price_line(request.id, price),
        ]
    )
