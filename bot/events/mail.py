"""What a mail program adds below a reply that GitHub turned into a comment: the original, a signature.

GitHub removes most of it itself (https://github.com/github/email_reply_parser). Only well-known forms count, and none
inside code, quotes or lists, so that no instruction is cut because it looks like one of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

# Mail programs that drop the space after `--`: a signature has four lines at most
# (https://www.rfc-editor.org/rfc/rfc3676#section-4.3 and https://www.rfc-editor.org/rfc/rfc1855).
_SIGNATURE_LINES: Final = 4
_SIGNATURE_WIDTH: Final = 80
# Mail programs break the line above the original once or twice.
_ATTRIBUTION_LINES: Final = 3

_TIME = re.compile(r"\d{1,2}[:.h]\d{2}")
_ADDRESS = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")
_WROTE = re.compile(
    r"(?i:on|am|le|el|em|il|op|den|w dniu)\b.*"
    r"\b(?i:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|skrev|napisał)\b"
)
_SEPARATOR = re.compile(
    r"-{2,} ?(?i:original message|original-nachricht|ursprüngliche nachricht|message d['’]origine|mensaje original|"
    r"messaggio originale|oorspronkelijk bericht) ?-{2,}"
)
_HEADERS = tuple(
    re.compile(rf"\*{{0,2}}(?:{words}) ?:", re.IGNORECASE)
    for words in ("from|von|de|da|van", "sent|date|gesendet|envoyé|enviado", "to|an|à|para", "subject|betreff|objet")
)
_RULE = re.compile(r"_{10,}")
_GITHUB = re.compile(r"@(?:[\w-]+\.){0,3}github\.com\b", re.IGNORECASE)
_FOOTER = "Reply to this email directly"
_DEVICE = re.compile(
    r"[*_]{0,2}(?:Sent from my [\w .'’+-]{2,30}|Sent from (?:Mail|Outlook|Yahoo Mail|Gmail|Proton ?Mail)\b[\w .]{0,30}"
    r"|Get \[?Outlook for (?:iOS|Android|Mac)\]?(?: ?[(<].{0,300}[)>])?"
    r"|Von meinem [\w ]{2,30} gesendet|Envoyé de mon [\w ]{2,30}|Enviado desde mi [\w ]{2,30}"
    r"|Enviado do meu [\w ]{2,30}|Inviato da(?:l mio)? [\w ]{2,30}|Verstuurd vanaf mijn [\w ]{2,30}"
    r"|iPhoneから送信|发自我的 ?iPhone)\.?[*_]{0,2}"
)


def original(lines: Sequence[str], seen: Sequence[str], starts: Collection[int]) -> int:
    """The line at which the original of a reply begins; the number of lines if there is none.

    `starts` are the lines that start a command; `seen` is what a reader sees of each line. What is below the original's
    first line was not written now, and may not be marked as a quote.
    """
    for number, line in enumerate(lines):
        if _plain(seen, number) and (
            _SEPARATOR.fullmatch(line.strip()) or line.startswith(_FOOTER) or _headers(lines, number)
        ):
            return _without_rule(lines, number)
    return _attribution(lines, seen, starts)


def signature(lines: Sequence[str], seen: Sequence[str], first: int, end: int) -> int:
    """The line at which the signature begins that ends the lines from `first` to `end`, exclusive; else `end`.

    The line `first` is never part of it.
    """
    begun = _last(lines, end)
    above = _last(lines, begun)
    if (
        begun > first
        and _plain(seen, begun)
        and _DEVICE.fullmatch(lines[begun].strip())
        and not lines[above].rstrip().endswith(":")  # it is what the request is about
    ):
        end = begun
    for number in range(end - 1, first, -1):
        if _plain(seen, number) and lines[number].rstrip() == "--":
            below = [line for line in lines[number + 1 : end] if line.strip()]
            short = len(below) <= _SIGNATURE_LINES and all(len(line) <= _SIGNATURE_WIDTH for line in below)
            return number if short or lines[number] == "-- " else end
    return end


def _plain(seen: Sequence[str], number: int) -> bool:
    return bool(seen[number]) and not seen[number].startswith("\0")


def _last(lines: Sequence[str], end: int) -> int:
    """The last line before `end` that is not blank; 0 if all are."""
    return next((number for number in range(end - 1, -1, -1) if lines[number].strip()), 0)


def _headers(lines: Sequence[str], number: int) -> bool:
    """Whether the headers of GitHub's mail, or headers below a rule, begin here: from, sent, to and subject."""
    if not _HEADERS[0].match(lines[number]):
        return False
    block = []
    for line in lines[number : number + 8]:
        if not line.strip():
            break
        block.append(line)
    ruled = bool(_RULE.fullmatch(lines[_last(lines, number)].strip()))
    return all(any(map(header.match, block)) for header in _HEADERS) and (ruled or any(map(_GITHUB.search, block)))


def _without_rule(lines: Sequence[str], number: int) -> int:
    above = _last(lines, number)
    return (
        above if above < number and (_RULE.fullmatch(lines[above].strip()) or lines[above].strip() == "—") else number
    )


def _attribution(lines: Sequence[str], seen: Sequence[str], starts: Collection[int]) -> int:
    """The line at which "On <date>, <somebody> wrote:" begins, if only quotes follow it."""
    quoted = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].strip() and not lines[n].startswith(">")), -1)
    for first in range(quoted, max(-1, quoted - _ATTRIBUTION_LINES), -1):
        if not _plain(seen, first) or first in starts:
            break
        text = " ".join(line.strip() for line in lines[first : quoted + 1])
        known = _WROTE.match(text) or _ADDRESS.search(text)
        if known and text.endswith((":", "：")) and _TIME.search(text):
            return first
    return len(lines)
