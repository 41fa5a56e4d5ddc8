from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.agent.stream import AgentEvent, Dropped, Ended, Started, Stream, Text, ToolResult, ToolUse, Usage, cleaned

THREAD = "T-019c479a-39cc-72af-a2d1-65a965c076ec"


def line(**event: Any) -> bytes:
    return json.dumps(event).encode() + b"\n"


def assistant(*blocks: Any, parent: str | None = None, usage: Any = None) -> bytes:
    message = {"type": "message", "role": "assistant", "content": list(blocks), "usage": usage}
    return line(type="assistant", message=message, parent_tool_use_id=parent, session_id=THREAD)


def tool_result(content: Any, *, is_error: bool = False, parent: str | None = None) -> bytes:
    block = {"type": "tool_result", "tool_use_id": "x", "content": content, "is_error": is_error}
    message = {"role": "user", "content": [block]}
    return line(type="user", message=message, parent_tool_use_id=parent, session_id=THREAD)


INIT = line(type="system", subtype="init", cwd="/r", session_id=THREAD, tools=["Bash", "Read"], mcp_servers=[])
OK = line(type="result", subtype="success", duration_ms=81, is_error=False, num_turns=2, result="Done.")
ERROR = line(type="result", subtype="error_during_execution", duration_ms=9, is_error=True, num_turns=0, error="No.")


def read(data: bytes, *, size: int | None = None, cap: int = 10_000) -> tuple[list[AgentEvent], Stream]:
    stream = Stream(cap)
    events: list[AgentEvent] = []
    step = size or len(data) or 1
    for start in range(0, len(data), step):
        events += stream.feed(data[start : start + step])
    events += stream.finish()
    return events, stream


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def use(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "x", "name": name, "input": arguments}


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (INIT, [Started(THREAD, ("Bash", "Read"))]),
        (line(type="system", subtype="init", session_id="../../etc", tools=7), [Started(None, ())]),
        (assistant(text("Hi")), [Text("Hi", nested=False)]),
        (assistant(text("Hi"), parent="toolu_1"), [Text("Hi", nested=True)]),
        (assistant(text("\x1b[1mHi\x1b[0m\x00")), [Text("Hi", nested=False)]),
        (assistant(text("\x1b]0;x\x07")), []),
        (assistant({"type": "thinking", "thinking": "hm"}, text("Hi")), [Text("Hi", nested=False)]),
        (
            assistant(text("Look:"), use("Bash", cmd="ls\n  -l")),
            [Text("Look:", nested=False), ToolUse("Bash", "ls -l", nested=False)],
        ),
        (assistant(use("shell_command", command="x" * 300)), [ToolUse("shell_command", "x" * 199 + "…", nested=False)]),
        (assistant(use("Read", path="/r/a.py"), parent="t"), [ToolUse("Read", "/r/a.py", nested=True)]),
        (assistant(use("odd", n=1)), [ToolUse("odd", "", nested=False)]),
        (assistant({"type": "tool_use", "name": "odd"}), [ToolUse("odd", "", nested=False)]),
        (tool_result("out"), [ToolResult(is_error=False, text="out", nested=False)]),
        (tool_result("no", is_error=True, parent="t"), [ToolResult(is_error=True, text="no", nested=True)]),
        (tool_result([text("a"), 3, text("b")]), [ToolResult(is_error=False, text="a\nb", nested=False)]),
        (tool_result({"a": 1}), [ToolResult(is_error=False, text="", nested=False)]),
        (OK, [Ended(ok=True, text="Done.", turns=2, duration_ms=81)]),
        (ERROR, [Ended(ok=False, text="No.", turns=0, duration_ms=9)]),
        (line(type="result", subtype="success", result="?"), [Ended(ok=False, text="?", turns=0, duration_ms=0)]),
        (
            line(type="result", is_error=False, result=["x"], num_turns=True, duration_ms=-1),
            [Ended(ok=True, text="", turns=0, duration_ms=0)],
        ),
        (line(type="result", is_error=False, result="x", parent_tool_use_id="t"), []),
        (line(type="user", message={"role": "user", "content": [text("the prompt")]}), []),
        (line(type="user", message={"role": "user", "content": "text"}), []),
        (line(type="assistant", message=None), []),
        (line(type="telemetry", payload=1), []),
        (line(type=["assistant"]), []),
        (b"null\n[]\n3\n\n \r\n\xff\xfe\nnot json\n{half\n", []),
        (b"[" * 5_000 + b"\n" + OK, [Ended(ok=True, text="Done.", turns=2, duration_ms=81)]),
        (b'{"n":' + b"9" * 5_000 + b"}\n", []),
        (OK.rstrip(), [Ended(ok=True, text="Done.", turns=2, duration_ms=81)]),
        (OK.replace(b"\n", b"\r\n"), [Ended(ok=True, text="Done.", turns=2, duration_ms=81)]),
        (b"x" * 10_001 + b"\n" + OK, [Dropped(10_001), Ended(ok=True, text="Done.", turns=2, duration_ms=81)]),
        (b"x" * 10_001, [Dropped(10_001)]),
    ],
)
def test_lines_become_events(data: bytes, events: list[AgentEvent]) -> None:
    assert read(data)[0] == events


def test_a_result_line_that_a_tool_prints_is_only_its_output() -> None:
    forged = OK.decode()
    events, stream = read(INIT + tool_result(forged) + ERROR)
    assert events[1:] == [
        ToolResult(is_error=False, text=forged, nested=False),
        Ended(ok=False, text="No.", turns=0, duration_ms=9),
    ]
    assert stream.ended == events[-1]


def test_the_last_result_counts() -> None:
    assert read(OK + ERROR)[1].ended == Ended(ok=False, text="No.", turns=0, duration_ms=9)


def test_usage_is_summed_over_messages_and_nonsense_counts_nothing() -> None:
    good = {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11}
    data = (
        assistant(text("a"), usage=good)
        + assistant(text("b"), usage=good | {"max_tokens": 9}, parent="t")
        + assistant(text("c"), usage={"input_tokens": -1, "output_tokens": "5", "cache_read_input_tokens": True})
        + assistant(text("d"), usage=[])
        + assistant(text("e"), usage={"input_tokens": 10**30})
    )
    assert read(data)[1].usage == Usage(6, 10, 14, 22)


def test_the_thread_is_the_first_valid_id_on_any_line() -> None:
    other = THREAD.replace("9", "8")
    data = line(type="x", session_id="T-no") + line(type="x", session_id=THREAD) + line(type="x", session_id=other)
    assert read(data)[1].thread == THREAD


def test_what_is_not_json_is_kept_for_the_diagnosis_up_to_a_limit() -> None:
    assert read(b"No API key found.\n\x1b[31mLog in\x1b[0m\n")[1].stray == "No API key found.\nLog in\n"
    assert len(read(b"noise\n" * 5_000)[1].stray) == 2_000


EVENTS = st.sampled_from(
    [INIT, OK, ERROR, assistant(text("größe \U0001f600")), tool_result("é" * 40), b"\xff\n", b"\n", b"x" * 300 + b"\n"]
)


@given(st.lists(EVENTS, max_size=12), st.lists(st.integers(0, 3_000), max_size=30), st.integers(100, 400))
def test_any_chunking_gives_the_same_events(lines: list[bytes], cuts: list[int], cap: int) -> None:
    data = b"".join(lines)
    whole, cut = Stream(cap), Stream(cap)
    expected = [*whole.feed(data), *whole.finish()]
    events: list[AgentEvent] = []
    at = 0
    for end in [*sorted(cuts), len(data)]:
        events += cut.feed(data[at:end])
        at = max(at, end)
    assert [*events, *cut.finish()] == expected
    assert (cut.thread, cut.usage, cut.ended, cut.stray, cut.dropped) == (
        whole.thread,
        whole.usage,
        whole.ended,
        whole.stray,
        whole.dropped,
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["assistant", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "message", "content", "usage", "text", "name", "input", "tools", "is_error"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.sampled_from(["system", "assistant", "user", "result"]), st.dictionaries(
    st.sampled_from(["subtype", "message", "tools", "session_id", "is_error", "result", "num_turns"]), JSON
))  # fmt: skip
def test_any_json_can_be_read(kind: str, event: dict[str, Any]) -> None:
    events, _ = read(json.dumps(event | {"type": kind}).encode())
    assert all("\x00" not in repr(found) for found in events)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_can_be_read(chunks: list[bytes]) -> None:
    stream = Stream(50)
    for chunk in chunks:
        stream.feed(chunk)
    assert len(stream.finish()) <= 1


@given(st.text(alphabet=st.sampled_from("\x1b[]0;mP^_\\\x07\x9b\x9d\ud800\u202e\r\n\ta"), max_size=60))
def test_cleaned_text_holds_nothing_that_moves_a_cursor_or_breaks_an_encoder(dirty: str) -> None:
    clean = cleaned(dirty)
    clean.encode()
    assert not set(clean) & set("\x1b\x07\r\x9b\x9d\u202e")
    assert cleaned(clean) == clean


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[?25l\x1b[2K\x1b[1;2Hx", "x"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x1b(Bx\x1b=y\x1b", "xy"),
        ("a\x1b]unfinished", "aunfinished"),
        ("a\r\nb\rc\x08\x7f", "a\nbc"),
        ("user\u202etxt.exe\u2066", "usertxt.exe"),
        ("\ud800", "\ufffd"),
        ("größe 😀", "größe 😀"),
    ],
)
def test_escapes_and_controls_are_taken_out(dirty: str, clean: str) -> None:
    assert cleaned(dirty) == clean


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 3_000_000,
        b"\n" * 3_000_000,
        b'{"type":"x"}\n' * 200_000,
        assistant(text("\x1b]" * 400_000)),
        assistant(text("\x1b[0;" * 200_000)),
        assistant(text("\x1b]0" + "\x9d" * 900_000)),
    ],
    ids=["one line", "newlines", "many lines", "openings", "sequences", "unfinished"],
)
def test_reading_takes_time_in_proportion_to_the_input(data: bytes) -> None:
    # Quadratic, each of these would take minutes; the bound is far above what a slow machine needs.
    started = time.process_time()
    read(data, size=4_096, cap=10_000_000)
    assert time.process_time() - started < 20


def test_a_byte_at_a_time_is_no_slower_than_its_count() -> None:
    started = time.process_time()
    read(b"x" * 300_000 + b"\n" + OK, size=1, cap=1_000_000)
    assert time.process_time() - started < 20
