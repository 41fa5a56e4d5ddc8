"""Makes other people's text safe to show in a comment: no mentions, references, commands or HTML.

A Markdown parser finds the code, which stays as it is. It does not parse HTML, footnotes and link definitions, because
the result contains none for GitHub either.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# GitHub refuses bodies over 65,536 characters. The rest is for our own text around this one.
MAX_CHARS = 55_000

_JOINER = "\u2060"  # WORD JOINER: invisible, and after it GitHub sees no mention or reference
_MARKDOWN = MarkdownIt("commonmark").disable(["html_block", "reference"])

# GitHub looks only for ASCII letters before the @, in the rendered text: `é@name` and `_@name_` do mention.
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])")
_REFERENCE = re.compile(r"#(?=[0-9])|(?<![A-Za-z0-9])GH\\?-(?=[0-9])", re.IGNORECASE)
_CLOSES_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[^A-Za-z0-9]{1,8}https?:)(?=//)", re.IGNORECASE
)
# At the start of a line, of a list item or of a quote.
_COMMAND = re.compile(r"^((?:[ \t>]|[-*+](?=[ \t])|[0-9]{1,9}[.)](?=[ \t]))*)/(?=[A-Za-z])", re.MULTILINE)
# Other bots read commands in the raw text, so in code too. A path has more than one slash.
_FENCED_COMMAND = re.compile(r"^([ \t>]*)/(?=[A-Za-z][\w-]*(?:\s|$))", re.MULTILINE)
# A commit with one of these in its message starts no workflow, and a squash takes a pull request's title and
# description as its message: https://docs.github.com/en/actions/how-tos/manage-workflow-runs/skip-workflow-runs
# Other services have words of their own: [skip netlify], [vercel skip], [skip release], ***NO_CI***.
_SKIP = re.compile(r"\[(?=[^\[\]\n]{0,60}(?<![A-Za-z])(?:skip|no[ _-]?ci)(?![A-Za-z]))|\*{3}(?=NO_CI)", re.IGNORECASE)
_SKIP_TRAILER = re.compile(r"skip-checks(?=:)", re.IGNORECASE)
_AUTOLINK = re.compile(r"<(https?://[^\s<>]+)>", re.IGNORECASE)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")
_ADDRESS = re.compile(r"(?:https?://|(?<![A-Za-z0-9.])(?:www\.)?github\.com/)[^\s<>]+", re.IGNORECASE)
_ISSUE = re.compile(
    r"\A(?:https?://)?(?:www\.)?github\.com/(?=[^/\s]+/[^/\s]+/(?:issues|pull|discussions)/)", re.IGNORECASE
)
_MARK = re.compile(r"\\[!-/:-@\[-`{-~]|`+|(?:://|www\.)[^ \t\n`]*`", re.IGNORECASE)
_TICKS = re.compile("`+")
_MAX_TICKS = 80  # cmark ignores longer runs
_DELIMITERS = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")  # the second row of GitHub's tables
_EMPTY_ITEM = re.compile(
    r"\A(?=[ \t>]*[-+*0-9])(?![ \t>]*([-*])(?:[ \t]*\1){2,}[ \t]*\Z)"
    r"(?:[ \t]*(?:>|(?:[-+*]|[0-9]{1,9}[.)])(?=[ \t]|\Z)))+(?:[ \t]+\[[ xX]\])?(?=[ \t]*\Z)"
)
_NUMBERED = re.compile(r"\A[ \t>]*[0-9]{1,9}(?=[.)](?:[ \t]|\Z))")
_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f]")


def sanitize(text: str, max_chars: int = MAX_CHARS) -> str:
    """`text` without anything that has an effect on GitHub, at most `max_chars` long.

    Code is not changed, but for lines that are a command to other bots.
    """
    whole = _normalized(text)
    return _shortened(whole, max_chars, _sanitized, f"\n\n… (cut: {len(whole):,} characters in all)")


def line(text: str, max_chars: int = 200) -> str:
    """The same as one line, for use inside a line of ours."""
    return _shortened(
        " ".join(_normalized(text).split()),
        max_chars,
        lambda flat: _sanitize_outside(flat, _code_spans(flat, 0, len(flat))),
        "…",
    )


def plain(text: str, max_chars: int = 200) -> str:
    """One line for titles and commit messages: GitHub renders no Markdown there, but sees mentions and references."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _shortened(flat, max_chars, lambda cut: without_skips(_inert(cut)), "…")


def without_skips(text: str) -> str:
    """`text` without words that make GitHub or a CI service skip a commit whose message contains them, also in code."""
    return _SKIP_TRAILER.sub(rf"\g<0>{_JOINER}", _SKIP.sub(rf"\g<0>{_JOINER}", text))


def code(text: str) -> str:
    """The text as inline code, whatever backticks it contains."""
    flat = "".join(c if c.isprintable() else "�" for c in text)
    ticks = "`" * (max((len(run) for run in _TICKS.findall(flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def quote(text: str, max_chars: int = 600) -> str:
    """The text as a block quote."""
    cut = text if len(text) <= max_chars else text[:max_chars].rstrip() + " …"
    # After the quote's mark a tab is narrower, so that a line could become a fence.
    rows = sanitize(cut.expandtabs(4)).split("\n") if cut else []
    return "\n".join(f"> {row}" if row else ">" for row in rows)


def _normalized(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _shortened(text: str, max_chars: int, safe: Callable[[str], str], note: str) -> str:
    """`safe(text)`, or `safe` of a shorter text and `note`, at most `max_chars` long. `safe` makes text longer."""
    keep = len(text) if len(text) <= max_chars else max(0, max_chars - len(note))
    while True:
        cut = keep < len(text)
        result = safe(text[:keep].rstrip()) + note if cut else safe(text)
        if len(result) <= max_chars:
            return result
        if keep == 0:
            return note[:max_chars]
        keep = keep * max_chars // len(result)


def _sanitized(text: str) -> str:
    if "`" not in text and "~~~" not in text:
        return _sanitize_prose(text)  # no code: skip the slow parser
    text, tokens = _parsed(text)
    closing = f"\n{tokens[-1].markup}" if tokens[-1].type == "fence" else ""
    return _sanitize_outside(text, _code_ranges(text, tokens)) + closing


def _parsed(text: str) -> tuple[str, list[Token]]:
    """The text and its blocks, after changes where Markdown parsers disagree about the blocks.

    They disagree where an empty list item ends, and about a list after rows that may be a table.
    """
    for everywhere in (False, False, True):
        tokens = _blocks(text)
        rows = text.split("\n")
        # Some parsers take a fence with a bar in its info string for a table. GitHub does not show the info string.
        for token in tokens:
            if token.type == "fence" and token.map and "|" in token.info:
                rows[token.map[0]] = rows[token.map[0]].replace("|", "")
        fenced = _rows(token for token in tokens if token.type == "fence")
        tabled = _rows(token for token in tokens if _may_be_table(token))
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
    # The last paragraph is ours: a fence that contains it would also contain the rest of the comment.
    return _MARKDOWN.block.parse(f"{text}\n\nend\n", _MARKDOWN, {}, []) or []


def _rows(tokens: Iterable[Token]) -> set[int]:
    return {row for token in tokens for row in range(*(token.map or (0, 0)))}


def _may_be_table(token: Token) -> bool:
    return token.type == "inline" and any(map(_DELIMITERS.fullmatch, token.content.split("\n")[1:]))


def _sanitize_outside(text: str, kept: Iterator[tuple[int, int]]) -> str:
    """`text`, sanitized except in the ranges `kept`, which are in order."""
    pieces, done = [], 0
    for start, end in kept:
        pieces += [_sanitize_prose(text[done:start]), _FENCED_COMMAND.sub(rf"\1{_JOINER}/", text[start:end])]
        done = end
    return "".join([*pieces, _sanitize_prose(text[done:])])


def _sanitize_prose(text: str) -> str:
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
    """Escape an entity for an ASCII character: GitHub would read `&commat;` as an @."""
    meant = html.unescape(match[0])
    return match[0] if not meant.isascii() or meant in {"<", ">", "&", '"', "'"} else f"&amp;{match[0][1:]}"


def _address(match: re.Match[str]) -> str:
    """Use GitHub's redirect host, which leads to the same page but creates no backlink on the linked issue."""
    return _ISSUE.sub("https://redirect.github.com/", match[0]).replace("@", "%40")


# --- where code is --------------------------------------------------------------------------------


def _code_ranges(text: str, tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """The ranges of `text` that are code, in order. Indented code is not included: parsers disagree about it."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    ends = [*starts[1:], len(text) + 1]
    for token in tokens:
        if token.map is None or token.map[0] >= len(starts):
            continue
        start, end = starts[token.map[0]], ends[min(token.map[1], len(ends)) - 1] - 1
        if token.type == "fence":
            yield start, end
        elif token.type == "inline":
            spans = _code_spans(text, start, end)
            if _may_be_table(token):  # in a table, code ends with its cell: take only what is code in both readings
                cells = {span for cell in _cells(text, start, end) for span in _code_spans(text, *cell)}
                yield from (span for span in spans if span in cells)
            else:
                yield from spans


def _cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for bound in re.finditer(r"(?<!\\)\||\n", text[start:end]):
        yield at, start + bound.start()
        at = start + bound.end()
    yield at, end


def _code_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Code spans: a run of backticks up to the next run of the same length.

    Where parsers disagree there is none: after a run that is never closed (cmark then misses later ones) or that is in
    a bare address, over several lines (a tag may end the paragraph there), and in what may be a link definition.
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
