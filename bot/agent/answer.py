"""Splits Amp's final answer into its text and the blocks at its end that the prompt asks for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Literal

from bot.agent.stream import cleaned

TITLE_CAP = 256  # characters; GitHub's own limit
COMMENTS_CAP = 50
BODY_CAP = 10_000  # characters of one comment

Side = Literal["LEFT", "RIGHT"]


@dataclass(frozen=True, slots=True)
class LineComment:
    """A review comment. The caller checks that its lines are in the diff."""

    path: str
    line: int
    start_line: int | None  # None for a single line, else before `line`
    side: Side
    body: str


@dataclass(frozen=True, slots=True)
class Review:
    summary: str
    comments: tuple[LineComment, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the answer without the blocks that we could parse."""

    text: str
    pull_request: tuple[str, str] | None = None  # title, body
    review: Review | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    first: int  # index of the line that opens it
    after: int  # index of the line after it
    info: str
    content: str


# Possessive: a line of a million tildes and one backtick would otherwise be tried in every division.
_FENCE = re.compile(r" {0,3}(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`]*+)")
_BLOCK_TYPES = ("pull-request", "review")


def split_answer(text: str) -> Answer:
    """Remove the `pull-request` and `review` blocks from the end. A block that cannot be parsed stays in the text."""
    lines = text.replace("\r\n", "\n").split("\n")
    answer = Answer("")
    end = len(lines)
    for block in reversed(_blocks(lines)):
        if any(line.strip() for line in lines[block.after : end]):
            break
        extended = _with_block(answer, block)
        if extended is None:
            break
        answer, end = extended, block.first
    return replace(answer, text="\n".join(lines[:end]).strip())


def _with_block(answer: Answer, block: _Block) -> Answer | None:
    if block.info == "pull-request" and answer.pull_request is None:
        title, _, body = block.content.strip().partition("\n")
        if title := title.strip()[:TITLE_CAP]:
            return replace(answer, pull_request=(title, body.strip()))
    if block.info == "review" and answer.review is None and (review := _review(block.content)):
        return replace(answer, review=review)
    return None


def _blocks(lines: list[str]) -> list[_Block]:
    """The fenced blocks of a Markdown text, without those inside other blocks."""
    blocks: list[_Block] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        if fence is None:
            at += 1
            continue
        info = (fence["info"].split() or [""])[0].lower()
        close = _closing(lines, at, fence["marks"], nests=info in _BLOCK_TYPES)
        content = "\n".join(lines[at + 1 : close])
        blocks.append(_Block(at, close + 1, info, content))
        at = close + 1
    return blocks


def _closing(lines: list[str], opening: int, marks: str, *, nests: bool) -> int:
    """The index of the line that closes a block, or the number of lines: Markdown closes it at the end of the text.

    `nests`: count inner blocks that have an info string. Models write them with the same fence as the outer block;
    Markdown would close the outer block at the end of the first inner one.
    """
    depth = 0
    for index in range(opening + 1, len(lines)):
        fence = _FENCE.fullmatch(lines[index])
        if fence is None or not fence["marks"].startswith(marks):
            continue
        if fence["info"].strip():
            depth += nests
        elif depth == 0:
            return index
        else:
            depth -= 1
    return len(lines)


def _review(content: str) -> Review | None:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):  # RecursionError: brackets nested thousands deep
        return None
    if not isinstance(data, dict):
        return None
    summary = data.get("summary")
    comments = data.get("comments")
    return Review(
        cleaned(summary).strip() if isinstance(summary, str) else "",
        tuple(
            comment
            for row in (comments[: 10 * COMMENTS_CAP] if isinstance(comments, list) else [])
            if (comment := _comment(row))
        )[:COMMENTS_CAP],
    )


def _comment(row: object) -> LineComment | None:
    match row:
        case {"path": str(path), "line": int(line), "body": str(body), **rest} if _is_line(line):
            start = rest.get("start_line")
            body = cleaned(body).strip()[:BODY_CAP]
            if not body or not path or path != cleaned(path):
                return None
            return LineComment(
                path,
                line,
                start if isinstance(start, int) and _is_line(start) and start < line else None,
                "LEFT" if rest.get("side") == "LEFT" else "RIGHT",
                body,
            )
    return None


def _is_line(number: int) -> bool:
    return not isinstance(number, bool) and 1 <= number <= 10_000_000
