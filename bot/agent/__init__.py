"""Amp seen from outside, as data: its command line, its stream, how a run went, what the answer holds."""

from __future__ import annotations

from bot.agent.answer import Answer, LineComment, Review, split_answer
from bot.agent.cli import CUR, OLD, PROBE, SETTINGS, Era, Installed, command, identify, installed
from bot.agent.outcome import Failure, Outcome, conclude, redacted, thread_url
from bot.agent.stream import (
    AgentEvent,
    Dropped,
    Ended,
    Started,
    Stream,
    Text,
    ToolResult,
    ToolUse,
    Usage,
    cleaned,
)

__all__ = [
    "CUR",
    "OLD",
    "PROBE",
    "SETTINGS",
    "AgentEvent",
    "Answer",
    "Dropped",
    "Ended",
    "Era",
    "Failure",
    "Installed",
    "LineComment",
    "Outcome",
    "Review",
    "Started",
    "Stream",
    "Text",
    "ToolResult",
    "ToolUse",
    "Usage",
    "cleaned",
    "command",
    "conclude",
    "identify",
    "installed",
    "redacted",
    "split_answer",
    "thread_url",
]
