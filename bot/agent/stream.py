"""Parses Amp's --stream-json output from chunks of bytes. The output may be cut off, huge, or hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_CAP = 1_000_000  # bytes; a longer line is dropped
STRAY_CAP = 2_000  # characters

THREAD_ID = re.compile(r"T-[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Started:
    """Amp has started. `thread` is None if it gave no valid thread id."""

    thread: str | None
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Text of the agent; `nested`: of one of its sub-agents."""

    text: str
    nested: bool


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool is called. `summary` is its main argument on one line, such as the command or the path."""

    name: str
    summary: str
    nested: bool


@dataclass(frozen=True, slots=True)
class ToolResult:
    is_error: bool
    text: str
    nested: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """Amp's result line. `text` is the answer if `ok`, else the error."""

    ok: bool
    text: str
    turns: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line was longer than the cap and was not read."""

    bytes: int


AgentEvent = Started | Text | ToolUse | ToolResult | Ended | Dropped


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, summed over all messages that report them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    @property
    def read(self) -> int:
        """All that was read, from the cache too."""
        return self.input_tokens + self.cache_read + self.cache_creation

    @property
    def total(self) -> int:
        """All that was read and written."""
        return self.read + self.output_tokens

    @property
    def uncached(self) -> int:
        """All but what was read from the cache: at each turn that is the thread so far, at a tenth of the price.

        https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing
        """
        return self.input_tokens + self.output_tokens + self.cache_creation

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
        )


class Stream:
    """Turns bytes into events. Never raises, whatever the bytes, and never keeps more than one line."""

    def __init__(self, line_cap: int = LINE_CAP) -> None:
        self.thread: str | None = None  # the first valid thread id in any line
        self.usage = Usage()
        self.turns = 0  # messages of the agent, without those of its sub-agents
        self.started = False
        self.ended: Ended | None = None  # from the last result line
        self.dropped = 0  # bytes of lines over the cap
        self.stray = ""  # the end of the output that is not JSON, such as a login prompt
        self._cap = line_cap
        self._line = bytearray()
        self._length = 0

    def feed(self, data: bytes) -> tuple[AgentEvent, ...]:
        """The events that `data` completes."""
        *line_ends, rest = data.split(b"\n")
        events: list[AgentEvent] = []
        for piece in line_ends:
            self._hold(piece)
            events += self._take()
        self._hold(rest)
        return tuple(events)

    def finish(self) -> tuple[AgentEvent, ...]:
        """The events of a last line that has no newline."""
        return tuple(self._take())

    def _hold(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length <= self._cap:
            self._line += piece
        else:
            self._line.clear()

    def _take(self) -> Iterator[AgentEvent]:
        length, self._length = self._length, 0
        if length > self._cap:
            self.dropped += length
            return iter((Dropped(length),))
        text = self._line.decode("utf-8", "replace")
        self._line.clear()
        return self._read(text)

    def _read(self, text: str) -> Iterator[AgentEvent]:
        if not text.strip():
            return
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):  # RecursionError: brackets nested thousands deep
            self.stray = f"{self.stray}{cleaned(text[-STRAY_CAP:])}\n"[-STRAY_CAP:]
            return
        if not isinstance(event, dict):
            return
        thread = event.get("session_id")
        if self.thread is None and _is_thread(thread):
            self.thread = thread
        nested = event.get("parent_tool_use_id") is not None
        match event:
            case {"type": "system", "subtype": "init"}:
                self.started = True
                tools = (tool for tool in _list(event.get("tools"))[:200] if isinstance(tool, str))
                names = tuple(cleaned(tool)[:100] for tool in tools)
                yield Started(thread if _is_thread(thread) else None, names)
            case {"type": "assistant", "message": {"content": list(blocks), **message}}:
                self.usage += _usage(message.get("usage"))
                self.turns += not nested
                yield from _assistant_events(blocks, nested)
            case {"type": "user", "message": {"content": list(blocks)}}:
                yield from _tool_results(blocks, nested)
            case {"type": "result"} if not nested:
                ok = event.get("is_error") is False
                result = event.get("result") if ok else event.get("error") or event.get("result")
                text = cleaned(result) if isinstance(result, str) else ""
                self.ended = Ended(ok, text, _count(event.get("num_turns")), _count(event.get("duration_ms")))
                yield self.ended


def _assistant_events(blocks: list[object], nested: bool) -> Iterator[AgentEvent]:
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)} if text := cleaned(text):
                yield Text(text, nested)
            case {"type": "tool_use", "name": str(name)}:
                arguments = block.get("input") if isinstance(block, dict) else None
                yield ToolUse(cleaned(name)[:100], _summary(arguments), nested)


def _tool_results(blocks: list[object], nested: bool) -> Iterator[AgentEvent]:
    for block in blocks:
        match block:
            case {"type": "tool_result", "content": content, **rest}:
                yield ToolResult(rest.get("is_error") is True, cleaned(_flat(content)), nested)


def _flat(content: object) -> str:
    """The text of a tool result. Amp sends a string; the format also allows a list of blocks."""
    if isinstance(content, str):
        return content
    texts = (block.get("text") for block in _list(content) if isinstance(block, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _summary(arguments: object) -> str:
    if not isinstance(arguments, dict):
        return ""
    for key in ("command", "cmd", "path", "pattern", "query", "url", "description", "prompt"):
        value = arguments.get(key)
        if isinstance(value, str):
            line = " ".join(cleaned(value[:2_000]).split())
            return line if len(line) <= 200 else f"{line[:199]}…"
    return ""


def _usage(usage: object) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage(
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        _count(usage.get("cache_read_input_tokens")),
        _count(usage.get("cache_creation_input_tokens")),
    )


def _count(value: object) -> int:
    plausible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**12
    return value if isinstance(value, int) and plausible else 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_thread(value: object) -> bool:
    return isinstance(value, str) and THREAD_ID.fullmatch(value) is not None


_ESCAPES = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]?"  # control sequence
    r"|[\]PX^_](?:[^\x07\x1b]*(?:\x07|\x1b\\))?"  # window title, hyperlink and so on
    r"|[ -/]*[0-~]"
    r")?"
)
# Control characters except tab and newline, and marks that change the visible order of text:
# https://nvd.nist.gov/vuln/detail/CVE-2021-42574
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def cleaned(text: str) -> str:
    """The text without terminal escapes, control characters, and surrogates that UTF-8 cannot encode."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))
