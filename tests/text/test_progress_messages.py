"""What the comment of a run under way says: what it has used so far, or that it is on hold."""

from __future__ import annotations

import pytest

from bot.model import RunState
from bot.text import cap_messages, messages
from tests.factory import run_request

REQUEST = run_request()


@pytest.mark.parametrize(
    ("tools", "tokens", "so_far"),
    [(0, 0, ""), (1, 0, " (1 step so far)"), (2, 12_345, " (2 steps, 12,345 tokens so far)")],
)
def test_what_it_has_used(tools: int, tokens: int, so_far: str) -> None:
    shown = messages.progress(REQUEST, RunState.WORKING, tools=tools, tokens=tokens)
    assert shown.endswith(f"\n\nAmp is at work{so_far}.")


@pytest.mark.parametrize("position", [0, 2])
def test_that_it_is_on_hold(position: int) -> None:
    shown = messages.progress(REQUEST, RunState.QUEUED, position=position, held=True)
    assert "### ⏳ Queued" in shown
    assert shown.endswith(f"\n\n{cap_messages.on_hold()}")
