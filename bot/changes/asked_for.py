"""Which files a request asks for by name, and which it only talks about. No I/O.

A name that stands behind a word such as "not", "without" or "remove" in its sentence is not asked for, nor is one in a
sentence about what is ignored ("add .env to .gitignore"). A name without such a word is mentioned; it is asked for if a
word such as "add" stands before it and nothing but articles and other names between ("add a `.env`", but not "add
support for .env"). The words are English: in other languages a name is at most mentioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum


class Use(Enum):
    """How a request uses a name. The first that applies anywhere in it counts."""

    REFUSED = "not to be published"
    ASKED = "asked for"
    MENTIONED = "mentioned"


_ASKING = frozenset(["add", "commit", "create", "generate", "include", "publish", "save", "ship", "vendor", "write"])
_REFUSING = frozenset(
    [
        "no",
        "not",
        "never",
        "nor",
        "neither",
        "none",
        "dont",
        "doesnt",
        "shouldnt",
        "cannot",
        "without",
        "except",
        "excluding",
        "exclude",
        "avoid",
        "skip",
        "omit",
        "stop",
        "prevent",
        "remove",
        "removes",
        "removing",
        "removed",
        "delete",
        "deletes",
        "deleting",
        "deleted",
        "drop",
        "drops",
        "dropping",
        "dropped",
        "untrack",
        "untracked",
        "rm",
        "purge",
        "instead",
        "rather",
        "out",
        "away",
    ]
)
# After these, a name is no longer what the word of asking is about.
_TURNING = frozenset(
    [
        "for",
        "from",
        "to",
        "of",
        "in",
        "into",
        "on",
        "with",
        "that",
        "which",
        "who",
        "by",
        "as",
        "when",
        "where",
        "if",
        "so",
        "because",
        "like",
        "using",
    ]
)

_TOKENS = re.compile(r"[\w.@+~/'\u2019-]+|[;!?,]")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d+[.)])[ \t])")
_END = re.compile(r"(?<=[;!?])|(?<=\.)(?=\s)")


def uses(request: str) -> dict[str, Use]:
    """How the request uses each name in it: "web/.env." is about "web" and ".env"."""
    found: dict[str, Use] = {}
    for sentence, refused in _sentences(request):
        for name, use in _names(sentence, refused=refused):
            if list(Use).index(use) < list(Use).index(found.get(name, Use.MENTIONED)) or name not in found:
                found[name] = use
    return found


def _sentences(request: str) -> Iterator[tuple[str, bool]]:
    """Each sentence, and whether it stands in a list that begins with a refusal ("Do not commit:")."""
    refused = False
    for paragraph in _PARAGRAPH.split(request):
        for number, block in enumerate(_ITEM.split(f"\n{paragraph}")):
            is_item = number > 0
            for sentence in _END.split(block):
                yield sentence, refused and is_item
            if not is_item and block.strip():
                refused = block.rstrip().endswith(":") and _refuses(_tokens(_END.split(block.rstrip())[-1]))


def _names(sentence: str, *, refused: bool) -> Iterator[tuple[str, Use]]:
    tokens = _tokens(sentence)
    refused = refused or any("ignore" in token.lower() for token in tokens)
    asking = False
    for index, token in enumerate(tokens):
        word = token.lower()
        if word == "but":
            refused = asking = False
        elif _refuses([token]):
            refused, asking = True, False
        elif word in _ASKING:
            asking = not refused
        elif word in _TURNING:
            asking = False
        use = Use.REFUSED if refused else Use.ASKED if asking else Use.MENTIONED
        if use is Use.MENTIONED and _refuses(_clause(tokens[index + 1 : index + 13])):
            use = Use.REFUSED
        for name in _parts(token):
            yield name, use


def _clause(tokens: list[str]) -> list[str]:
    """The tokens up to the next comma or "but"."""
    ends = (index for index, word in enumerate(tokens) if word in (",", "but"))
    return tokens[: next(ends, len(tokens))]


def _tokens(sentence: str) -> list[str]:
    return [token.strip("'\u2019") for token in _TOKENS.findall(sentence)]


def _refuses(tokens: list[str]) -> bool:
    words = (token.lower().replace("\u2019", "'").rstrip(".") for token in tokens)
    return any(word in _REFUSING or word.endswith("n't") for word in words)


def _parts(word: str) -> Iterator[str]:
    for part in word.split("/"):
        name = part.rstrip(".'\u2019")
        if name and name not in ("..", "."):
            yield name
