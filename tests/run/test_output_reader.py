"""What the agent prints is kept line by line, within limits."""

from __future__ import annotations

import time

from bot.agent.outcome import Failure
from bot.agent.stream import LINE_CAP
from bot.run.work import MAX_LINES, _limit, _OutputReader
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
