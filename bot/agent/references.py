"""Finds which other issues and pull requests of the same repository a text refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bot.agent.readable import pieces

MAX_REFERENCED = 5

# An address as a whole, so that a `#12` in another one means nothing.
_REFERENCE = re.compile(
    r"(?P<address>https?://[^\s<>\"'`)\]]+)"
    r"|(?<![\w/#&.-])(?:(?P<repo>[\w.-]+/[\w.-]+))?#(?P<number>[0-9]{1,9})(?![\w])"
    r"|(?<![\w/-])GH-(?P<gh>[0-9]{1,9})(?!\w)",
    re.IGNORECASE,
)
_CODE = re.compile(r"`[^`\n]*`")


def referenced(texts: Iterable[str], *, server: str, repo: str, own: int) -> tuple[int, ...]:
    """The first five numbers that the texts name, as GitHub links them, without `own`.

    `#12`, `GH-12`, `owner/name#12` and the address of an issue or pull request count outside code, where they are of
    `repo` (owner/name, in any case) on `server` (an address).
    """
    found: dict[int, None] = {}
    for text in texts:
        for number in _numbers(text, server.rstrip("/").lower(), repo.lower()):
            if number not in (0, own):
                found[number] = None
            if len(found) == MAX_REFERENCED:
                return tuple(found)
    return tuple(found)


def _numbers(text: str, server: str, repo: str) -> Iterator[int]:
    path = re.compile(rf"{re.escape(server)}/{re.escape(repo)}/(?:issues|pull)/([0-9]{{1,9}})(?![\w-])", re.IGNORECASE)
    prose = "\n".join(_CODE.sub(" ", piece.text) for piece in pieces(text) if not piece.code)
    for match in _REFERENCE.finditer(prose):
        if match["address"]:
            named = path.match(match["address"])
            if named:
                yield int(named[1])
        elif (match["repo"] or repo).lower() == repo:
            yield int(match["number"] or match["gh"])
