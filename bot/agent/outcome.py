"""How a run of Amp went: success is what its last result line says, all else is a failure with a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.agent.stream import Stream, Usage, cleaned


class Failure(StrEnum):
    """Why there is no answer, where that can be told. IDLE, WALL, FLOOD and STOPPED are the caller's doing."""

    NO_KEY = "no key"  # it wanted somebody to log in
    KEY = "key refused"
    CREDITS = "out of credits"
    RATE = "rate limit"
    BUSY = "model overloaded"
    ACCOUNT = "account refused"  # by the server, with a code nobody has documented
    OFFLINE = "offline"
    SERVER = "server error"
    OPTION = "unknown option"
    NO_MESSAGE = "no message"
    THREAD = "unknown thread"
    APPROVAL = "approval needed"  # a tool was not allowed, and nobody is there to allow it
    INTERNAL = "internal error"  # on a continued thread also what a refused key gets
    MUTE = "ended without a word"  # what older versions do when the key is refused
    KILLED = "killed"
    NO_RESULT = "no result"
    IDLE = "idle limit"
    WALL = "time limit"
    FLOOD = "output limit"
    STOPPED = "stopped"


# In this order: the first that matches names the failure. The text is all there is; every exit code is 1.
_WORDS = (
    (Failure.NO_KEY, r"no api key found|starting login flow"),
    (Failure.KEY, r"invalid or missing api key|invalid api key|not logged in|\bunauthorized\b"),
    (Failure.CREDITS, r"out of credits|insufficient.credit|credit balance|payment.required"),
    (Failure.RATE, r"rate.?limit|too many requests"),
    (Failure.BUSY, r"\boverloaded\b"),
    (Failure.ACCOUNT, r"getuserinfo error"),
    (Failure.OFFLINE, r"couldn.t connect to the amp server|cannot reach amp servers|\bnetwork error\b"),
    (Failure.SERVER, r"amp server returned an error"),
    (
        Failure.OPTION,
        r"error: unknown option|error: option .* (?:is invalid|argument missing)|unknown command",
    ),
    (Failure.NO_MESSAGE, r"user message must be provided"),
    (Failure.THREAD, r"invalid thread url or id|thread not found"),
    (Failure.APPROVAL, r"require user approval"),
    (Failure.INTERNAL, r"unexpected error inside amp cli"),
)

ERROR_CAP = 4_000  # characters of Amp's last words that are kept


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answer` is Amp's final text. If not `ok`, `error` is Amp's last words and `failure` names the reason.

    `failure` is None when the turn itself failed for a reason that only `error` tells.
    """

    ok: bool
    answer: str
    error: str
    failure: Failure | None
    thread: str | None
    usage: Usage
    turns: int
    duration_ms: int


def conclude(stream: Stream, exit_code: int | None, stderr_tail: str, *, stopped: Failure | None = None) -> Outcome:
    """What came of a run whose output went through `stream` and is finished.

    `exit_code` is None when nobody saw it; a result line outweighs it, as exit 0 comes with failed turns too.
    `stopped` says why the caller ended the run, if it did.
    """
    ended = stream.ended
    ok = ended is not None and ended.ok
    answer, error, failure = "", "", None
    if ended is None:
        # Once it has started, what is no JSON on its output is some tool's noise, not its reason.
        error = redacted(stderr_tail if stream.started else f"{stderr_tail}\n{stream.stray}")
        failure = _without_result(stream, exit_code, error, stopped)
    elif ended.ok:
        answer = ended.text
    else:
        error = redacted(ended.text or stderr_tail)
        failure = _classified(error)
    turns, duration_ms = (ended.turns, ended.duration_ms) if ended else (0, 0)
    return Outcome(ok, answer, error, failure, stream.thread, stream.usage, turns, duration_ms)


def _without_result(stream: Stream, exit_code: int | None, words: str, stopped: Failure | None) -> Failure:
    if named := _classified(words):
        return named
    if stopped is not None:
        return stopped
    if exit_code is not None and (exit_code < 0 or exit_code > 128):
        return Failure.KILLED
    if exit_code == 1 and not stream.started and not words:
        return Failure.MUTE
    return Failure.NO_RESULT


def _classified(words: str) -> Failure | None:
    return next((kind for kind, pattern in _WORDS if re.search(pattern, words, re.IGNORECASE)), None)


def redacted(text: str) -> str:
    """The end of a text of Amp's, without login tokens and terminal escapes."""
    return re.sub(r"(authToken=)[^\s&\"'<>]*", r"\1***", cleaned(text)).strip()[-ERROR_CAP:]
