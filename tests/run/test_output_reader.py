"""What the agent prints is kept line by line, within limits."""

from __future__ import annotations

import time

import pytest

from bot.agent.outcome import Failure
from bot.agent.stream import LINE_CAP
from bot.caps import Caps
from bot.run.work import MAX_LINES, _cap, _close, _limit, _limit_before, _OutputReader
from bot.store.database import now

TEXT = b'{"type":"assistant","message":{"content":[{"type":"text","text":"hello"}]}}'


def test_a_line_is_kept_with_the_offset_after_it() -> None:
    reader = _OutputReader()
    assert reader.take(b"one\ntw") == ((4, "one"),)
    assert reader.take(b"o\n") == ((8, "two"),)
    assert (reader.offset, reader.partial_line) == (8, b"")


def test_an_empty_line_is_no_row_of_the_transcript() -> None:
    reader = _OutputReader()
    assert reader.take(b"\n" * 100_000 + b"one\n\n") == ((100_004, "one"),)
    assert reader.offset == 100_005


def test_a_line_that_is_too_long_is_not_kept() -> None:
    reader = _OutputReader()
    assert reader.take(b"x" * (LINE_CAP + 1)) == ()
    assert reader.partial_line == b""
    assert [line for _, line in reader.take(b"x\n" + TEXT + b"\n")][-1] == TEXT.decode()
    assert reader.last_text == "hello"


def test_lines_beyond_the_limit_are_read_and_not_kept_and_the_agent_is_stopped() -> None:
    reader = _OutputReader(sequence=MAX_LINES - 1, last_output_at=time.monotonic())
    assert _limit(reader, 60, now() + 60) is None
    lines = reader.take(b"1\n2\n" + TEXT + b"\n")
    assert [line for _, line in lines] == ["1"]
    assert reader.last_text == "hello"
    reader.sequence += len(lines)
    assert _limit(reader, 60, now() + 60) is Failure.OUTPUT_LIMIT


CAPS = Caps(minutes=50, tokens=100, turns=10, person=1, repository=1, installation=1)
NESTED = b'{"type":"assistant","parent_tool_use_id":"t","message":{"content":[]}}\n'
DONE = b'{"type":"result","is_error":false,"result":"Done."}\n'
BROKEN = b'{"type":"result","is_error":true,"error":"Terminated."}\n'


def spent(tokens: int) -> bytes:
    """A message that read and wrote so many, of every kind that counts, and 1,000 more from the cache."""
    each = f'"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":{tokens - 2}'
    each += ',"cache_read_input_tokens":1000'
    return b'{"type":"assistant","message":{"content":[],"usage":{' + each.encode() + b"}}}\n"


@pytest.mark.parametrize(
    ("said", "cap", "close"),
    [
        (spent(79), None, False),
        (spent(80), None, True),
        (spent(50) + spent(49), None, True),
        (spent(50) + spent(50), Failure.TOKENS, True),
        (spent(50) + spent(50) + BROKEN, Failure.TOKENS, True),
        (spent(50) + spent(50) + DONE, None, True),
        (TEXT + b"\n" + NESTED * 20, None, False),
        ((TEXT + b"\n") * 7, None, True),
        ((TEXT + b"\n") * 9, None, True),
        ((TEXT + b"\n") * 10, Failure.TURNS, True),
    ],
)
def test_a_cap_is_reached_with_the_message_that_reaches_it(said: bytes, cap: Failure | None, close: bool) -> None:
    reader = _OutputReader()
    reader.take(said)
    assert (_cap(reader, CAPS), _close(reader, CAPS)) == (cap, close)


@pytest.mark.parametrize(
    ("said", "code", "overdue", "why"),
    [
        (spent(100), 143, False, Failure.TOKENS),
        (spent(100), None, False, Failure.TOKENS),
        (spent(100), 1, False, None),
        (spent(99), 143, False, None),
        (spent(99), 143, True, Failure.TIMEOUT),
        (spent(99) + DONE, 143, True, None),
    ],
)
def test_who_comes_back_after_a_kill_knows_at_which_limit_amp_was_ended(
    said: bytes, code: int | None, overdue: bool, why: Failure | None
) -> None:
    reader = _OutputReader()
    reader.take(said)
    deadline = now() - 1 if overdue else now() + 60
    assert _limit_before(reader, code, deadline, CAPS) is why
