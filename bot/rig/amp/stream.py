"""Writes Amp's stream-json: one object a line, with the field order and omissions of the real emitter."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Era(StrEnum):
    """The two generations of the CLI: before and after its rewrite."""

    OLD = "old"
    CUR = "cur"


SHELL = {Era.OLD: ("Bash", "cmd"), Era.CUR: ("shell_command", "command")}  # tool and the name of its argument
_TOOLS = ("Read", "create_file", "edit_file", "Task")
_CONTEXT = 168_000  # tokens; the old emitter's usage.max_tokens
_SYSTEM_PROMPT = 9_000  # tokens of input before the first message of a thread


class Stream:
    """Writes the events of one run to standard output if `shown`. The thread is kept in any case."""

    def __init__(self, *, thread: str, era: Era, mode: str, messages: list[Json], shown: bool, thinking: bool) -> None:
        self.thread = thread
        self.era = era
        self.messages = messages
        self.shown = shown
        self.lingers = False  # whether the program goes on after its result
        self._mode = mode
        self._thinking = thinking
        self._started = time.monotonic()
        self._turns = 0
        self._tools = 0
        self._context = _SYSTEM_PROMPT + sum(_tokens(message) for message in messages)  # tokens seen by the model
        self._fresh = 0  # tokens added since it was last called

    def init(self) -> None:
        event: Json = {
            "type": "system",
            "subtype": "init",
            "cwd": str(Path.cwd()),
            "session_id": self.thread,
            "tools": [SHELL[self.era][0], *_TOOLS],
            "mcp_servers": [],
        }
        if self.era is Era.CUR:
            event["agent_mode"] = self._mode
        self._line(event)

    def prompt(self, text: str) -> None:
        self._message({"role": "user", "content": [{"type": "text", "text": text}]}, parent=None)

    def say(self, text: str, *, parent: str | None = None, keep: bool = True) -> None:
        self._assistant({"type": "text", "text": text}, "end_turn", parent, keep=keep)

    def call(self, tool: str, arguments: Json) -> str:
        """Announces a tool call and returns its id."""
        self._tools += 1
        call = f"toolu_{self.thread[-12:]}{len(self.messages):06d}{self._tools:06d}"
        self._assistant({"type": "tool_use", "id": call, "name": tool, "input": arguments}, "tool_use", None)
        return call

    def answer(self, call: str, text: str, *, is_error: bool, parent: str | None = None) -> None:
        block = {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": is_error}
        self._message({"role": "user", "content": [block]}, parent)

    def succeed(self, text: str) -> None:
        self._result("success", "result", text, is_error=False)

    def fail(self, text: str) -> None:
        self._result("error_during_execution", "error", text, is_error=True)

    def raw(self, data: bytes) -> None:
        """Write exactly these bytes to standard output."""
        if self.shown:
            write(1, data)

    def _assistant(self, block: Json, stop_reason: str, parent: str | None, *, keep: bool = True) -> None:
        content = [block]
        if self._thinking:
            content.insert(0, {"type": "thinking", "thinking": "The request says what to do next."})
        usage: Json = {
            "input_tokens": 4,
            "cache_creation_input_tokens": self._fresh,
            "cache_read_input_tokens": self._context,
            "output_tokens": sum(_tokens(part) for part in content),
            "service_tier": "standard",
        }
        if self.era is Era.OLD:
            usage["max_tokens"] = _CONTEXT
        self._context += self._fresh
        self._fresh = 0
        if parent is None:
            self._turns += 1
        message: Json = {
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop_reason,
        }
        self._message(message | {"usage": usage}, parent, keep=keep)

    def _message(self, message: Json, parent: str | None, *, keep: bool = True) -> None:
        self._fresh += sum(_tokens(block) for block in message["content"])
        if keep:
            self.messages.append(message)
        self._line(
            {
                "type": message["role"],
                "message": message,
                "parent_tool_use_id": parent,
                "session_id": self.thread,
            }
        )

    def _result(self, subtype: str, key: str, text: str, *, is_error: bool) -> None:
        self._line(
            {
                "type": "result",
                "subtype": subtype,
                "duration_ms": int((time.monotonic() - self._started) * 1000),
                "is_error": is_error,
                "num_turns": self._turns,
                key: text,
                "session_id": self.thread,
            }
        )

    def _line(self, event: Json) -> None:
        self.raw(encode(event) + b"\n")


def encode(value: object) -> bytes:
    """JSON as JavaScript writes it: compact, non-ASCII as it is, lone surrogates escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def write(descriptor: int, data: bytes) -> None:
    """Write all of `data` unbuffered, so that a reader sees each event when it happens."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _tokens(value: object) -> int:
    return max(1, len(encode(value)) // 4)
