"""A text without HTML comments and invisible characters: instructions have been hidden in both.

A maintainer who asks for work on somebody's issue has not read them. Where GitHub might hide a comment, it counts as
hidden: only in a fenced code block that begins at a line's start is it surely shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

LEFT_OUT = "[HTML comment left out]"

_MARK = re.compile(
    r"^(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})"
    r"|(?P<lead>^[ ]{0,3})?(?P<comment><!--)"
    # HTML in which a fence is none: some ends with its tag, other with a blank line
    r"|^[ ]{0,3}(?P<raw><(?:(?:pre|script|style|textarea)\b|\?|!))"
    r"|^[ ]{0,3}(?P<html></?[A-Za-z])"
    r"|^(?P<blank>[ \t]*\n)",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE_ENDS = {mark: re.compile(rf"^[ ]{{0,3}}({mark}+)[ \t]*$", re.MULTILINE) for mark in "`~"}
# Zero-width joiners are part of how some scripts and emoji look, and so are the last two variation selectors.
_KEPT = frozenset("\t\n\u200c\u200d\ufe0e\ufe0f")
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
# Letters and marks that show nothing: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    code: bool = False  # a fenced block


def readable(text: str) -> str:
    """The text as a reader of the page sees it, with its Markdown. Never raises."""
    seen = "".join(piece.text for piece in pieces(text))
    return seen if seen.isascii() and seen.isprintable() else "".join(filter(_is_seen, seen))


def pieces(text: str) -> Iterator[Piece]:
    """The text without its HTML comments, as fenced code and what is between."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    position, since, html, raw = 0, 0, False, False
    while mark := _MARK.search(text, position):
        position = mark.end()
        if mark["comment"]:
            closed = text.find("-->", mark.end() - 2)
            if closed < 0 and mark["lead"] is None:
                break  # GitHub shows what is not closed, but for what begins a line
            yield Piece(text[since : mark.start()] + ("" if mark["lead"] is not None else LEFT_OUT))
            position = since = closed + len("-->") if closed >= 0 else len(text)
        elif mark["fence"] and not html and not raw:
            position = _fence_end(text, mark)
            yield Piece(text[since : mark.start()])
            yield Piece(text[mark.start() : position], code=True)
            since = position
        elif mark["blank"] is not None:
            html = False
        else:
            html, raw = html or mark["html"] is not None, raw or mark["raw"] is not None
    yield Piece(text[since:])


def _fence_end(text: str, opened: re.Match[str]) -> int:
    fence = opened["fence"]
    for end in _FENCE_ENDS[fence[0]].finditer(text, opened.end()):
        if len(end[1]) >= len(fence):
            return end.end()
    return len(text)


def _is_seen(letter: str) -> bool:
    if letter in _KEPT:
        return True
    selector = "\ufe00" <= letter <= "\ufe0f" or "\U000e0000" <= letter <= "\U000e0fff"
    return not selector and letter not in _EMPTY and unicodedata.category(letter) not in _UNSEEN
