from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agent.answer import Answer, LineComment, Review, split_answer

PULL = "```pull-request\nFix it\n\nBecause.\n```"
REVIEW = '```review\n{"summary": "Good.", "comments": []}\n```'


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", Answer("")),
        ("Just words.\n", Answer("Just words.")),
        (f"Done.\n\n{PULL}\n", Answer("Done.", ("Fix it", "Because."))),
        (PULL, Answer("", ("Fix it", "Because."))),
        (PULL.replace("\n", "\r\n"), Answer("", ("Fix it", "Because."))),
        ("```pull-request\nOnly a title\n```", Answer("", ("Only a title", ""))),
        ("~~~~ Pull-Request title\nT\n\nB\n~~~~~", Answer("", ("T", "B"))),
        ("```pull-request\nT\n\nno end", Answer("", ("T", "no end"))),
        (f"```pull-request\n{'t' * 300}\n```", Answer("", ("t" * 256, ""))),
        (
            "````pull-request\nT\n\n```py\nx\n```\n\n```\ny\n```\n````",
            Answer("", ("T", "```py\nx\n```\n\n```\ny\n```")),
        ),
        ("```pull-request\nT\n\n```py\nx\n```\nafter\n```", Answer("", ("T", "```py\nx\n```\nafter"))),
        (REVIEW, Answer("", None, Review("Good.", ()))),
        (f"Words\n{REVIEW}", Answer("Words", None, Review("Good.", ()))),
        (f"Words\n{PULL}\n\n{REVIEW}", Answer("Words", ("Fix it", "Because."), Review("Good.", ()))),
    ],
)
def test_the_blocks_at_the_end_are_taken_off(text: str, answer: Answer) -> None:
    assert split_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        f"{PULL}\nAnd more words.",
        "```pull-request\n\n  \n```",
        "```text\nx\n```",
        f"````\n{PULL}\n````",
        "```review\nnot json\n```",
        "```review\n[1]\n```",
        "```review\n" + "[" * 100_000 + "\n```",
    ],
)
def test_what_is_no_block_at_the_end_stays_in_the_text(text: str) -> None:
    assert split_answer(text) == Answer(text)


def test_of_two_blocks_of_a_kind_the_last_counts() -> None:
    assert split_answer(f"```pull-request\nFirst\n```\n{PULL}") == Answer(
        "```pull-request\nFirst\n```", ("Fix it", "Because.")
    )


def comment(**changes: Any) -> dict[str, Any]:
    return {"path": "a.py", "line": 3, "side": "RIGHT", "body": "Why?"} | changes


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (comment(), LineComment("a.py", 3, None, "RIGHT", "Why?")),
        (comment(start_line=1), LineComment("a.py", 3, 1, "RIGHT", "Why?")),
        (comment(start_line=3), LineComment("a.py", 3, None, "RIGHT", "Why?")),
        (comment(start_line="1"), LineComment("a.py", 3, None, "RIGHT", "Why?")),
        (comment(side="LEFT"), LineComment("a.py", 3, None, "LEFT", "Why?")),
        (comment(side="up"), LineComment("a.py", 3, None, "RIGHT", "Why?")),
        (comment(body=" \x1b[1mWhy?\x00 "), LineComment("a.py", 3, None, "RIGHT", "Why?")),
        (comment(body="x" * 20_000), LineComment("a.py", 3, None, "RIGHT", "x" * 10_000)),
        (comment(line=0), None),
        (comment(line=-3), None),
        (comment(line=True), None),
        (comment(line="3"), None),
        (comment(line=3.0), None),
        (comment(line=10**20), None),
        (comment(path=""), None),
        (comment(path="a\x00.py"), None),
        (comment(path=None), None),
        (comment(body="\x07"), None),
        (comment(body=None), None),
        ("words", None),
        (None, None),
    ],
)
def test_comments_that_make_no_sense_are_left_out(row: Any, read: LineComment | None) -> None:
    text = f"```review\n{json.dumps({'summary': 's', 'comments': [row]})}\n```"
    assert split_answer(text) == Answer("", None, Review("s", (read,) if read else ()))


@pytest.mark.parametrize(
    ("told", "review"),
    [
        ({}, Review("", ())),
        ({"summary": 3, "comments": {}}, Review("", ())),
        ({"summary": " \x1b[1mGood\x1b[0m\n"}, Review("Good", ())),
        ({"summary": "```suggestion\nx\n```"}, Review("```suggestion\nx\n```", ())),
    ],
)
def test_a_review_is_read_as_far_as_it_goes(told: dict[str, Any], review: Review) -> None:
    assert split_answer(f"```review\n{json.dumps(told)}\n```") == Answer("", None, review)


def test_a_review_holds_fifty_comments_at_most() -> None:
    rows = [comment(line=number) for number in range(80)]
    review = split_answer(f"```review\n{json.dumps({'comments': rows})}\n```").review
    assert review is not None
    assert [found.line for found in review.comments] == list(range(1, 51))


@given(st.text(alphabet=st.sampled_from("`~ \npullreviwqst-{}[]\"'1:"), max_size=200))
def test_any_text_can_be_split(text: str) -> None:
    assert len(split_answer(text).text) <= len(text)


@pytest.mark.parametrize("line", ["```", "```x", "```pull-request", "````" * 200, "~~~", " "])
def test_splitting_takes_time_in_proportion_to_the_text(line: str) -> None:
    started = time.process_time()
    split_answer(f"{line}\n" * 100_000)
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "line",
    ["~" * 1_000_000 + "`", "~~~" + " " * 1_000_000 + "`", "~~~" + "\t " * 500_000 + "`", "`" * 1_000_000 + "x`"],
    ids=["tildes", "spaces", "tabs and spaces", "backticks"],
)
def test_one_long_line_is_not_tried_in_every_division(line: str) -> None:
    """It would take hours, in which no other thread runs."""
    assert split_answer(line) == Answer(line)
