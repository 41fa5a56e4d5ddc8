from __future__ import annotations

import json

import pytest

from bot.agent.outcome import Failure, Outcome, conclude, redacted
from bot.agent.stream import Stream, Usage

THREAD = "T-019c479a-39cc-72af-a2d1-65a965c076ec"
INIT = json.dumps({"type": "system", "subtype": "init", "session_id": THREAD, "tools": []})
USAGE = {"input_tokens": 3, "output_tokens": 5}
SAID = json.dumps({"type": "assistant", "message": {"content": [], "usage": USAGE}})
OK = json.dumps({"type": "result", "is_error": False, "result": "Done.", "num_turns": 2, "duration_ms": 9})


def failed(error: str) -> str:
    return json.dumps({"type": "result", "is_error": True, "error": error, "num_turns": 1, "duration_ms": 7})


def stream(*lines: str) -> Stream:
    reader = Stream()
    reader.feed("\n".join(lines).encode())
    reader.finish()
    return reader


@pytest.mark.parametrize("exit_code", [0, 1, 137, None])
@pytest.mark.parametrize("ended_by", [None, Failure.IDLE])
def test_a_good_result_is_success_however_the_program_ended(exit_code: int | None, ended_by: Failure | None) -> None:
    outcome = conclude(stream(INIT, SAID, OK), exit_code, "Error: noise", ended_by=ended_by)
    assert outcome == Outcome(
        ok=True,
        answer="Done.",
        error="",
        failure=None,
        thread=THREAD,
        usage=Usage(3, 5),
        turns=2,
        duration_ms=9,
    )


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("Something odd", None),
        ("Out of Credits", Failure.CREDITS),
        ("Insufficient credit balance.", Failure.CREDITS),
        ("code insufficient-credits", Failure.CREDITS),
        ("Unauthorized", Failure.KEY),
        ("Model Provider Overloaded", Failure.BUSY),
        ("Network Error", Failure.OFFLINE),
        (
            "The following tools require user approval, which is not supported in stream JSON mode: Bash",
            Failure.APPROVAL,
        ),
    ],
)
def test_a_failed_turn_exits_with_0_and_is_a_failure(error: str, failure: Failure | None) -> None:
    outcome = conclude(stream(INIT, SAID, failed(error)), 0, "")
    assert outcome == Outcome(
        ok=False,
        answer="",
        error=error,
        failure=failure,
        thread=THREAD,
        usage=Usage(3, 5),
        turns=1,
        duration_ms=7,
    )


@pytest.mark.parametrize(
    ("stderr", "failure"),
    [
        ("Error: Invalid or missing API key. Run 'amp login' to authenticate.", Failure.KEY),
        ("Error: Failed to export thread: Invalid API key", Failure.KEY),
        ("Error: Not logged in. Run 'amp login' to authenticate.", Failure.KEY),
        ("Error: getUserInfo error: insufficient-credits", Failure.CREDITS),
        ("Error: getUserInfo error: rate-limit-exceeded", Failure.RATE),
        ("Error: getUserInfo error: flagged", Failure.ACCOUNT),
        ("Error: Amp server returned an error. Try again in a moment.", Failure.SERVER),
        ("Error: Couldn't connect to the Amp server at https://ampcode.com/.", Failure.OFFLINE),
        ("Error: Cannot reach Amp servers. Are you offline?", Failure.OFFLINE),
        ("Error: error: unknown option '--x'", Failure.OPTION),
        ("Error: User message must be provided through stdin or as argument", Failure.NO_MESSAGE),
        ("Error: Invalid thread URL or ID: T-1", Failure.THREAD),
        ("Error: Unexpected error inside Amp CLI.", Failure.INTERNAL),
        ("Segmentation fault", Failure.NO_RESULT),
        ("\x1b[?25h\x1b[?2004l\x1b[0m", Failure.NO_OUTPUT),
        ("", Failure.NO_OUTPUT),
    ],
)
def test_an_exit_before_the_run_is_told_by_its_text(stderr: str, failure: Failure) -> None:
    outcome = conclude(stream(), 1, stderr)
    assert (outcome.ok, outcome.failure, outcome.thread, outcome.usage) == (False, failure, None, Usage())
    assert outcome.error == ("" if failure is Failure.NO_OUTPUT else stderr)


def test_a_login_prompt_is_told_though_the_callers_limit_ended_it_and_its_token_is_taken_out() -> None:
    said = "No API key found. Starting login flow...\nhttps://ampcode.com/auth?authToken=s3cret&port=1"
    outcome = conclude(stream(said), -15, "", ended_by=Failure.IDLE)
    assert (outcome.failure, outcome.error) == (
        Failure.NO_KEY,
        "No API key found. Starting login flow...\nhttps://ampcode.com/auth?authToken=***&port=1",
    )


@pytest.mark.parametrize(
    ("exit_code", "ended_by", "failure"),
    [
        (0, None, Failure.NO_RESULT),
        (1, None, Failure.NO_RESULT),
        (None, None, Failure.NO_RESULT),
        (-9, None, Failure.KILLED),
        (137, None, Failure.KILLED),
        (-15, Failure.IDLE, Failure.IDLE),
        (143, Failure.TIMEOUT, Failure.TIMEOUT),
        (None, Failure.TIMEOUT, Failure.TIMEOUT),
    ],
)
def test_a_run_without_a_result_failed(exit_code: int | None, ended_by: Failure | None, failure: Failure) -> None:
    outcome = conclude(stream(INIT, SAID, "stray noise: unauthorized"), exit_code, "", ended_by=ended_by)
    assert (outcome.ok, outcome.answer, outcome.error, outcome.failure, outcome.thread, outcome.usage) == (
        False,
        "",
        "",
        failure,
        THREAD,
        Usage(3, 5),
    )


def test_redacted_text_keeps_its_end_without_tokens_and_escapes() -> None:
    assert redacted("see\x1b[1m https://h/?authToken=abc-DEF&x='authToken=q' \x00") == (
        "see https://h/?authToken=***&x='authToken=***'"
    )
    assert redacted("x" * 5_000 + "end") == "x" * 3_997 + "end"
