"""Makes other people's text safe to show in a comment: no mentions, references, commands or markup of its own.

What is code and what is not, a Markdown parser says. It reads the text as GitHub will read the result: HTML,
footnotes and link definitions are taken apart, so it does not know them either.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# GitHub refuses bodies over 65,536 characters; the rest is for what stands around somebody's words.
MOST = 55_000

_JOINER = "\u2060"  # WORD JOINER: invisible, and it ends what GitHub takes for a mention or a reference
_MARKDOWN = MarkdownIt("commonmark").disable(["html_block", "reference"])

# GitHub looks at letters of ASCII alone, in the text as it comes out: `é@name` and `_@name_` do mention.
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])")
_REFERENCE = re.compile(r"#(?=[0-9])|(?<![A-Za-z0-9])GH\\?-(?=[0-9])", re.IGNORECASE)
_CLOSES_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[^A-Za-z0-9]{1,8}https?:)(?=//)", re.IGNORECASE
)
_COMMAND = re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE)
_AUTOLINK = re.compile(r"<(https?://[^\s<>]+)>", re.IGNORECASE)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")
_ADDRESS = re.compile(r"(?:https?://|(?<![A-Za-z0-9.])(?:www\.)?github\.com/)[^\s<>]+", re.IGNORECASE)
_ISSUE = re.compile(
    r"\A(?:https?://)?(?:www\.)?github\.com/(?=[^/\s]+/[^/\s]+/(?:issues|pull|discussions)/)", re.IGNORECASE
)
_MARK = re.compile(r"\\[!-/:-@\[-`{-~]|`+|(?:://|www\.)[^ \t\n`]*`", re.IGNORECASE)
_TICKS = re.compile("`+")
_MAX_TICKS = 80  # cmark knows no longer ones
_DELIMITERS = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")  # the second row of GitHub's tables
_EMPTY_ITEM = re.compile(
    r"\A(?=[ \t>]*[-+*0-9])(?![ \t>]*([-*])(?:[ \t]*\1){2,}[ \t]*\Z)"
    r"(?:[ \t]*(?:>|(?:[-+*]|[0-9]{1,9}[.)])(?=[ \t]|\Z)))+(?:[ \t]+\[[ xX]\])?(?=[ \t]*\Z)"
)
_NUMBERED = re.compile(r"\A[ \t>]*[0-9]{1,9}(?=[.)](?:[ \t]|\Z))")
_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f]")


def sanitize(text: str, most: int = MOST) -> str:
    """`text` with everything that would act on GitHub taken apart and code left as it is, in `most` characters."""
    whole = _normal(text)
    return _fitted(whole, most, _defused, f"\n\n… (cut: {len(whole):,} characters in all)")


def line(text: str, most: int = 200) -> str:
    """The same on one line, to stand in the middle of one."""
    return _fitted(" ".join(_normal(text).split()), most, lambda flat: _around(flat, _spans(flat, 0, len(flat))), "…")


def plain(text: str, most: int = 200) -> str:
    """One line where GitHub reads no Markdown but still acts: titles, and so the first lines of commits."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _fitted(flat, most, _inert, "…")


def code(text: str) -> str:
    """Inline code that no text can leave."""
    flat = "".join(c if c.isprintable() else "�" for c in text)
    ticks = "`" * (max((len(run) for run in _TICKS.findall(flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def quote(text: str, most: int = 600) -> str:
    """A block quote of somebody's words."""
    cut = text if len(text) <= most else text[:most].rstrip() + " …"
    # Behind the quote's mark a tab is narrower, and what was no fence could be one.
    rows = sanitize(cut.expandtabs(4)).split("\n") if cut else []
    return "\n".join(f"> {row}" if row else ">" for row in rows)


def _normal(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _fitted(text: str, most: int, safe: Callable[[str], str], note: str) -> str:
    """`safe(text)`, or that of as much of `text` as leaves room for `note`: escapes make it longer."""
    keep = len(text) if len(text) <= most else max(0, most - len(note))
    while True:
        cut = keep < len(text)
        result = safe(text[:keep].rstrip()) + note if cut else safe(text)
        if len(result) <= most:
            return result
        if keep == 0:
            return note[:most]
        keep = keep * most // len(result)


def _defused(text: str) -> str:
    if "`" not in text and "~~~" not in text:
        return _prose(text)  # no code, so nothing to take a parser's time for
    text, tokens = _parsed(text)
    closing = f"\n{tokens[-1].markup}" if tokens[-1].type == "fence" else ""
    return _around(text, _code(text, tokens)) + closing


def _parsed(text: str) -> tuple[str, list[Token]]:
    """The text with what readers take differently filled in, and its blocks.

    Where an empty list item ends is one such thing. The other is a list behind rows that are perhaps a table.
    """
    for everywhere in (False, False, True):
        tokens = _blocks(text)
        rows = text.split("\n")
        # A fence whose info string holds a bar is a table's first row to some readers. GitHub does not show the info.
        for token in tokens:
            if token.type == "fence" and token.map and "|" in token.info:
                rows[token.map[0]] = rows[token.map[0]].replace("|", "")
        fenced = _rows(token for token in tokens if token.type == "fence")
        tabled = _rows(token for token in tokens if _is_perhaps_table(token))
        for row, content in enumerate(rows):
            if everywhere or row not in fenced:
                rows[row] = _EMPTY_ITEM.sub(rf"\g<0> {_JOINER}", content)
            if everywhere or row in tabled:
                rows[row] = _NUMBERED.sub(rf"\g<0>{_JOINER}", rows[row])
        filled = "\n".join(rows)
        if filled == text:
            return text, tokens
        text = filled
    return text, _blocks(text)


def _blocks(text: str) -> list[Token]:
    # The last paragraph is ours: a fence that swallows it would swallow all that follows in the comment.
    return _MARKDOWN.block.parse(f"{text}\n\nend\n", _MARKDOWN, {}, []) or []


def _rows(tokens: Iterable[Token]) -> set[int]:
    return {row for token in tokens for row in range(*(token.map or (0, 0)))}


def _is_perhaps_table(token: Token) -> bool:
    return token.type == "inline" and any(map(_DELIMITERS.fullmatch, token.content.split("\n")[1:]))


def _around(text: str, kept: Iterator[tuple[int, int]]) -> str:
    """`text` made harmless except in the ranges `kept`, which are in order."""
    pieces, done = [], 0
    for start, end in kept:
        pieces += [_prose(text[done:start]), text[start:end]]
        done = end
    return "".join([*pieces, _prose(text[done:])])


def _prose(text: str) -> str:
    text = _AUTOLINK.sub(r"\1", text)
    text = _ENTITY.sub(_entity, text)
    text = _TAG.sub("&lt;", text)
    text = text.replace("![", "!\\[")
    text = text.replace("[^", f"[{_JOINER}^").replace("]:", f"]{_JOINER}:")
    return _COMMAND.sub(r"\1\\/", _inert(_ADDRESS.sub(_address, text)))


def _inert(text: str) -> str:
    text = _CLOSES_ADDRESS.sub(rf"\1{_JOINER}", text)
    text = _MENTION.sub(f"@{_JOINER}", text)
    return _REFERENCE.sub(rf"\g<0>{_JOINER}", text)


def _entity(match: re.Match[str]) -> str:
    """`&commat;` is an @ where it is read: what stands for a letter or a mark of ASCII is shown as it is written."""
    meant = html.unescape(match[0])
    return match[0] if not meant.isascii() or meant in {"<", ">", "&", '"', "'"} else f"&amp;{match[0][1:]}"


def _address(match: re.Match[str]) -> str:
    """GitHub's own way round a backlink from the issue that is linked; it leads to the same page."""
    return _ISSUE.sub("https://redirect.github.com/", match[0]).replace("@", "%40")


# --- where code is --------------------------------------------------------------------------------


def _code(text: str, tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """The ranges of `text` that are shown as code, in order. Of indented code we are not sure: it is none."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    ends = [*starts[1:], len(text) + 1]
    for token in tokens:
        if token.map is None or token.map[0] >= len(starts):
            continue
        start, end = starts[token.map[0]], ends[min(token.map[1], len(ends)) - 1] - 1
        if token.type == "fence":
            yield start, end
        elif token.type == "inline":
            spans = _spans(text, start, end)
            if _is_perhaps_table(token):  # there code ends with its cell: only what is code either way is
                cells = {span for cell in _cells(text, start, end) for span in _spans(text, *cell)}
                yield from (span for span in spans if span in cells)
            else:
                yield from spans


def _cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for bound in re.finditer(r"(?<!\\)\||\n", text[start:end]):
        yield at, start + bound.start()
        at = start + bound.end()
    yield at, end


def _spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Code spans: a run of backticks up to the next run of the same length.

    Where readers differ there is none: behind a run that is never closed (cmark then overlooks closers) or that is
    part of a bare address, where a tag may begin a line and so end the paragraph, and in what may define a link.
    """
    closers: dict[int, list[int]] = {}
    for run in _TICKS.finditer(text, start, end):
        closers.setdefault(len(run[0]), []).append(run.start())
    at = start
    while mark := _MARK.search(text, at, end):
        at = mark.end()
        if mark[0].startswith("\\"):
            continue
        later = closers.get(len(mark[0]), []) if mark[0].startswith("`") else []
        index = bisect_right(later, mark.start())
        if index == len(later) or len(mark[0]) > _MAX_TICKS:
            return
        at = later[index] + len(mark[0])
        if "\n" not in text[mark.start() : at] and "]:" not in text[mark.start() : at]:
            yield mark.start(), at
