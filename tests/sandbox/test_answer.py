from __future__ import annotations

import base64
import re

import pytest

from bot.sandbox.answer import Answer, CommandResult
from bot.sandbox.errors import OutputError


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def answer() -> Answer:
    return Answer()


@pytest.fixture
def mark(answer: Answer) -> str:
    found = re.search("ampbot-[0-9a-f]{32}", answer.wrap("true"))
    assert found
    return found[0]


@pytest.mark.parametrize("size", [1, 7, 1_000_000], ids=lambda size: f"in parts of {size}")
def test_what_somebody_else_prints_in_front_of_a_mark_costs_no_line(answer: Answer, mark: str, size: int) -> None:
    printed = f"\nnoise{mark} out {encode('abc')}\n\nnoise\nnoise{mark} err {encode('d')}\n\n{mark} end 7 4\nnoise"
    for start in range(0, len(printed), size):
        answer.feed(printed[start : start + size])
    assert answer.result() == CommandResult(7, "abc", "d")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the sandbox's shell did not run the command"),
        ([f"out {encode('abc')}"], "the sandbox's shell did not run the command"),
        (["end 0 3"], "a part of a command's answer is missing"),
        ([f"out {encode('abc')}", "end 0 4"], "a part of a command's answer is missing"),
        ([f"out {encode('abc')}", f"err {encode('d')}", "end 0 3"], "a part of a command's answer is missing"),
        (["out !", "end 0 0"], "a command's answer is malformed"),
        (["out YQ", "end 0 1"], "a command's answer is malformed"),
    ],
    ids=["nothing", "no end", "no output", "too little", "too much", "no base64", "half a group"],
)
def test_an_answer_that_is_not_whole_is_not_taken(answer: Answer, mark: str, lines: list[str], message: str) -> None:
    for line in lines:
        answer.feed(f"\n{mark} {line}\n")
    with pytest.raises(OutputError, match=message):
        answer.result()


@pytest.mark.parametrize("line", ["end", "end 0", "end x 0", "end 1000 0", "end 0 ٣", "end 0 0 0", "out", "mid YQ=="])
def test_a_line_of_no_known_form_is_refused(answer: Answer, mark: str, line: str) -> None:
    with pytest.raises(OutputError, match="malformed"):
        answer.feed(f"\n{mark} {line}\n")
