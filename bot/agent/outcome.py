"""The result of an Amp process: a success only if its last result line says so, otherwise a failure with a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.agent.stream import Stream, Usage, cleaned


class Failure(StrEnum):
    """Why there is no answer. IDLE and all from TIMEOUT on: we ended Amp. The values are stored."""

    NO_KEY = "no key"  # it asks for a login
    KEY = "key refused"
    CREDITS = "out of credits"
    RATE = "rate limit"
    BUSY = "model overloaded"
    ACCOUNT = "account refused"  # by the server, with an undocumented code
    OFFLINE = "offline"
    SERVER = "server error"
    OPTION = "unknown option"
    NO_MESSAGE = "no message"
    THREAD = "unknown thread"
    APPROVAL = "approval needed"  # a tool was not allowed, and nobody can allow it
    INTERNAL = "internal error"  # on a continued thread also when the key is refused
    NO_OUTPUT = "ended without a word"  # older versions do this when the key or the account is refused
    KILLED = "killed"
    NO_RESULT = "no result"
    IDLE = "idle limit"
    TIMEOUT = "time limit"
    TOKENS = "token limit"
    TURNS = "turn limit"
    OUTPUT_LIMIT = "output limit"
    STOPPED = "stopped"


# The first pattern that matches names the failure. Only the text tells: the exit code is always 1.
_PATTERNS = (
    (Failure.NO_KEY, r"no api key found|starting login flow|\blogin failed\b"),
    (Failure.KEY, r"invalid or missing api key|invalid api key|not logged in|access token expired|\bunauthorized\b"),
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
    (
        Failure.THREAD,
        r"invalid thread (?:url or id|id or url)|thread not found|^thread \S+ does not exist|thread is archived",
    ),
    (Failure.APPROVAL, r"require user approval"),
    (Failure.INTERNAL, r"unexpected error inside amp cli"),
)

ERROR_CAP = 4_000  # characters kept of Amp's error message


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answer` is Amp's final text. If not `ok`, `error` is Amp's error message and `failure` the reason.

    `failure` is None when Amp reports an error that we do not recognise.
    """

    ok: bool
    answer: str
    error: str
    failure: Failure | None
    thread: str | None
    usage: Usage
    turns: int
    duration_ms: int
    kept_from: str | None = None  # the run in which Amp worked, if this run publishes what that one kept


def conclude(stream: Stream, exit_code: int | None, stderr_tail: str, *, ended_by: Failure | None = None) -> Outcome:
    """The outcome of a process whose whole output went through `stream`.

    `exit_code` is None if it is unknown. A result line takes precedence: failed turns, too, can exit with 0.
    `ended_by`: why the caller ended the process, if it did.
    """
    ended = stream.ended
    ok = ended is not None and ended.ok
    answer, error, failure = "", "", None
    if ended is None:
        # After the start, output that is no JSON comes from some tool and does not tell why Amp failed.
        error = redacted(stderr_tail if stream.started else f"{stderr_tail}\n{stream.stray}")
        failure = _without_result(stream, exit_code, error, ended_by)
    elif ended.ok:
        answer = ended.text
    else:
        error = redacted(ended.text or stderr_tail)
        failure = _classify(error) or ended_by
    turns, duration_ms = (ended.turns, ended.duration_ms) if ended else (stream.turns, 0)
    return Outcome(ok, answer, error, failure, stream.thread, stream.usage, turns, duration_ms)


def _without_result(stream: Stream, exit_code: int | None, error: str, ended_by: Failure | None) -> Failure:
    if named := _classify(error):
        return named
    if ended_by is not None:
        return ended_by
    if exit_code is not None and (exit_code < 0 or exit_code > 128):
        return Failure.KILLED
    if exit_code == 1 and not stream.started and not error:
        return Failure.NO_OUTPUT
    return Failure.NO_RESULT


def _classify(error: str) -> Failure | None:
    return next((kind for kind, pattern in _PATTERNS if re.search(pattern, error, re.IGNORECASE | re.MULTILINE)), None)


def redacted(text: str) -> str:
    """The end of Amp's text, without login tokens and terminal escapes."""
    return re.sub(r"(authToken=)[^\s&\"'<>]*", r"\1***", cleaned(text)).strip()[-ERROR_CAP:]
