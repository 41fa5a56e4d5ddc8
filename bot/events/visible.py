"""What a reader of the rendered text sees at the start of its lines. Only this module reads Markdown for commands.

GitHub renders GitHub Flavored Markdown (https://github.github.com/gfm/) and then drops elements and attributes that it
does not know, among them `hidden` and `style`
(https://github.com/gjtorikian/html-pipeline/blob/main/lib/html_pipeline/sanitization_filter.rb). So these are not seen:

- code, quotes, tables, footnotes, formulas and comments;
- link targets and titles, alternative texts, link definitions and the inside of tags;
- what is folded away in `<details>` without `open`, and what HTML shows as code, as a quote or in a cell;
- in HTML, a line that the one before runs into.

In a list only an unindented line is seen: an indented one belongs to the list item above it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.common.html_re import close_tag, open_tag
from markdown_it.common.utils import normalizeReference
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.rules_block import StateBlock, blockquote, table
from markdown_it.token import Token

_HIDING = frozenset({"details", "blockquote", "pre", "code", "tt", "td", "th"})
_BREAKING = frozenset(
    {
        *("details", "summary", "div", "p", "blockquote", "pre", "table", "ul", "ol", "dl", "hr", "br"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "figure", "figcaption", "picture", "img"),
    }
)
# What they hold is shown as something else than a line: struck out, quoted, as a key, as an item. Or the tag is shown:
# https://github.github.com/gfm/#disallowed-raw-html-extension-. A tag of any other name shows nothing.
_SETTING_APART = frozenset(
    {
        *("del", "s", "strike", "q", "kbd", "samp", "li", "dt", "dd"),
        *("title", "textarea", "style", "xmp", "iframe", "noembed", "noframes", "script", "plaintext"),
    }
)
_MAX_LABEL = 999  # https://spec.commonmark.org/0.31.2/#link-label

_BACKTICKS = re.compile("`+")
_NOT_A_LINE_END = re.compile(r"[^\n]")
_LABEL = re.compile(rf"\[((?:\\.|[^\\\[\]]){{0,{_MAX_LABEL}}})\]", re.DOTALL)
_ENDS = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>", "<!": ">", "$$": "$$"}
_INLINE = re.compile(
    rf"\\[!-/:-@\[-`{{-~]|(?P<tag>{open_tag}|{close_tag})|(?P<empty><!---?>)"
    r"|(?P<open>`+|<!--|<\?|<!\[CDATA\[|<!(?=[A-Za-z])|(?<![^\n])\$\$)|(?P<bracket>!?\[|\])"
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)(.*)>", re.DOTALL)
_HTML = re.compile(
    r"<!---?>|(?P<open><!--|<\?|<!\[CDATA\[|<!(?=[A-Za-z]))"
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9-]*(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*+>)"
)
_SILENT = True  # a rule then only says whether it applies
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_OPEN = re.compile(r"\sopen(?=[\s=/]|$)", re.IGNORECASE)
_COMMENT_OR_CODE = re.compile(r"<!--|^ {0,3}(?:`{3,}|~{3,})|`+", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:")


def shown(lines: Sequence[str]) -> list[str]:
    """The lines with NUL for each character that a reader does not see as plain text. Never raises.

    Each line keeps its length. Takes time linear in the text.
    """
    rows = [_blank(line) for line in lines]
    # Without a line break at its end, the parser may read past the end of the text and raise an IndexError:
    # https://github.com/executablebooks/markdown-it-py/issues/190
    env: dict[str, object] = {}
    tokens = _MARKDOWN.block.parse("\n".join([*lines, ""]), _MARKDOWN, env, []) or []
    references = env.get("references")
    labels = frozenset(references) if isinstance(references, dict) else frozenset()
    for first, end, seen in _blocks(tokens, lines, labels):
        rows[first:end] = seen
    return rows


def without_comments(text: str) -> str:
    """The text without its HTML comments, which a reader does not see; those in code stay. Never raises.

    Takes linear time: a comment that does not end ends the search.
    """
    kept, at = [], 0
    begun = 0
    while mark := _COMMENT_OR_CODE.search(text, at):
        closer = "-->" if mark[0] == "<!--" else mark[0].strip()
        end = text.find(closer, mark.end())
        if closer == "-->":
            if end < 0:
                break
            kept.append(text[begun : mark.start()])
            begun = end + len(closer)
        at = mark.end() if end < 0 else end + len(closer)
    return "".join([*kept, text[begun:]])


def _blocks(tokens: Iterable[Token], lines: Sequence[str], labels: Collection[str]) -> Iterator[_Rows]:
    """The lines outside quotes and tables that Markdown does not take for code, as a reader sees them."""
    elements, opened = _Elements(), [0]
    nested: Counter[str] = Counter()
    for token in tokens:
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind in ("blockquote", "list_item"):
            nested[kind] += token.nesting
            if token.nesting > 0:
                opened.append(len(elements))
            else:
                elements.cut(opened.pop())
        if token.map is None:
            continue
        first, end = token.map
        if token.type == "heading_open" and token.markup in ("-", "=") and not nested["blockquote"]:
            yield end - 1, end, [lines[end - 1]]  # what underlines a heading may begin a signature
        if token.type not in ("inline", "html_block"):
            continue
        text = "\n".join(lines[first:end])
        seen = _inline(text, labels, elements) if token.type == "inline" else _html(text, elements)
        if not nested["blockquote"]:
            rows = seen.split("\n")
            yield first, end, [_blank(row) if nested["list_item"] and row[:1] in (" ", "\t") else row for row in rows]


_Rows = tuple[int, int, list[str]]


class _Elements:
    """The HTML elements that are open and hide what is in them, or hold such elements."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._count: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._names)

    @property
    def hide(self) -> bool:
        return len(self._names) > self._count["table"]

    def read(self, tag: str) -> str:
        """Open or close what `tag` opens or closes. Returns the name of its element."""
        parts = _TAG.fullmatch(tag)
        assert parts is not None  # noqa: S101 - both patterns that find tags are narrower
        name = parts[2].lower()
        if parts[1]:
            while self._count[name]:
                if self._pop() == name:
                    break
        elif name == "table" or (
            name in _HIDING
            and not (name == "details" and _OPEN.search(_QUOTED.sub("''", parts[3])))
            and not (name in ("td", "th") and not self._count["table"])  # a browser ignores a cell without a table
        ):
            self._names.append(name)
            self._count[name] += 1
        return name

    def cut(self, length: int) -> None:
        """Close what was opened beyond `length`."""
        while len(self._names) > length:
            self._pop()

    def _pop(self) -> str:
        name = self._names.pop()
        self._count[name] -= 1
        return name


# --- a paragraph -------------------------------------------------------------------------------------


def _inline(text: str, labels: Collection[str], elements: _Elements) -> str:
    """A paragraph as a reader sees it."""
    kept, done = [], 0
    for start, end in sorted(_hidden(text, labels, elements)):
        if end > done:
            kept += [text[done:start], _blank(text[max(start, done) : end])]
            done = end
    return "".join([*kept, text[done:]])


def _hidden(text: str, labels: Collection[str], elements: _Elements) -> Iterator[tuple[int, int]]:
    """The ranges of a paragraph that a reader does not see, in no order; some may be inside others.

    Takes linear time: it searches for a closing mark only if there is one, and links have limits.
    """
    last = {run.group(): run.start() for run in _BACKTICKS.finditer(text)}
    last |= {end: text.rfind(end) for end in _ENDS.values()}
    brackets: list[tuple[int, bool]] = []  # position after it, whether it is a picture's
    inactive = 0  # links cannot contain links: the first of the brackets that are not pictures' begin none
    position, since = 0, 0 if elements.hide else None
    while mark := _INLINE.search(text, position):
        position = mark.end()
        if opener := mark["open"]:
            closer = _ENDS.get(opener, opener)
            if last.get(closer, -1) < position:
                continue
            if opener[0] == "`":  # only a run of the same length closes the span
                runs = _BACKTICKS.finditer(text, position)
                position = next(run.end() for run in runs if run.group() == closer)
            else:
                position = text.index(closer, position) + len(closer)
        elif tag := mark["tag"]:
            elements.read(tag)
            if elements.hide and since is None:
                since = mark.start()
            elif not elements.hide and since is not None:
                yield since, position
                since = None
        elif mark["bracket"] and mark["bracket"] != "]":
            brackets.append((position, mark["bracket"][0] == "!"))
            continue
        elif mark["bracket"]:
            begun, picture = brackets.pop() if brackets else (position, False)
            active = picture or len(brackets) >= inactive
            inactive = min(inactive, len(brackets))
            end = _link_end(text, begun, position, labels) if active and begun != position else None
            if end is None:
                continue
            position = end
            if picture:
                yield begun, end
            else:
                yield mark.end(), end
                inactive = len(brackets)
            continue
        elif not mark["empty"]:
            continue
        yield mark.start(), position
    if since is not None:
        yield since, len(text)


def _link_end(text: str, begun: int, closed: int, labels: Collection[str]) -> int | None:
    """The end of the link or picture whose text is between these positions. None if it is neither."""
    end = _target_end(text, closed)
    if end is not None:
        return end
    label = _LABEL.match(text, closed)
    name = label[1] if label and label[1].strip() else text[begun : min(closed - 1, begun + _MAX_LABEL)]
    known = bool(labels) and normalizeReference(name) in labels
    return (label.end() if label else closed) if known else None


def _target_end(text: str, position: int) -> int | None:
    """The end of `(target "title")` at `position`, if it is there."""
    if not text.startswith("(", position):
        return None
    at = _skip_space(text, position + 1)
    target = parseLinkDestination(text, at, len(text))
    if target.ok:
        at = _skip_space(text, target.pos)
        title = parseLinkTitle(text, at, len(text)) if at > target.pos else None
        if title is not None and title.ok:
            at = _skip_space(text, title.pos)
    return at + 1 if text.startswith(")", at) else None


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\n"):
        position += 1
    return position


# --- a block of HTML ---------------------------------------------------------------------------------


def _html(text: str, elements: _Elements) -> str:
    """A block of HTML as a reader sees it: its lines run on, except after what breaks them."""
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text) + 1]
    seen = set(_line_starts(text, elements))
    return "\n".join(
        line if at in seen else _blank(line)
        for at, line in ((start, text[start : end - 1]) for start, end in pairwise(starts))
    )


def _line_starts(text: str, elements: _Elements) -> Iterator[int]:
    """Where the lines begin whose text begins a line for the reader too."""
    position, at_start = 0, True
    while True:
        mark = _HTML.search(text, position)
        gap = text[position : mark.start() if mark else len(text)]
        words = gap.lstrip()
        if words:
            begin = position + len(gap) - len(words)
            line = text.rfind("\n", 0, begin) + 1
            if at_start and line >= position and not elements.hide:
                yield line
            at_start = False
        if mark is None:
            return
        position = mark.end()
        if opener := mark["open"]:
            closed = text.find(_ENDS[opener], position)
            if closed < 0:
                return
            position = closed + len(_ENDS[opener])
        elif tag := mark["tag"]:
            name = elements.read(tag)
            at_start = name in _BREAKING or (at_start and name not in _SETTING_APART)


# --- Markdown's rules --------------------------------------------------------------------------------


def _blank(text: str) -> str:
    return _NOT_A_LINE_END.sub("\0", text)


def _shallow_quote(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Markdown's rule for quotes, limited to four levels, because each level costs another pass over the text.

    A deeper quote is still inside a quote, so it contains no commands either.
    """
    depth = state.env.get("quotes", 0)
    if depth == 4:
        return False
    state.env["quotes"] = depth + 1
    try:
        return blockquote(state, first, end, silent)
    finally:
        state.env["quotes"] = depth


def _footnote(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """A footnote with the lines that belong to it. GitHub shows it elsewhere, or not at all.

    https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#footnotes
    """
    at = state.bMarks[first] + state.tShift[first]
    if state.is_code_block(first) or not _FOOTNOTE.match(state.src, at, state.eMarks[first]):
        return False
    if silent:
        return True
    others = state.md.block.ruler.getRules("paragraph")
    line = first + 1
    while line < end:
        if state.isEmpty(line):
            after = line + 1
            while after < end and state.isEmpty(after):
                after += 1
            if after == end or not state.is_code_block(after):
                break
            line = after
        elif not state.is_code_block(line) and any(rule(state, line, end, _SILENT) for rule in others):
            break
        line += 1
    state.line = line
    return True


def _table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """A table without its cells, which contain no commands.

    Markdown-it makes three tokens of each cell, also of those that a short row lacks: gigabytes for one comment.
    """
    if not table(state, first, end, _SILENT):
        return False
    if silent:
        return True
    others = state.md.block.ruler.getRules("blockquote")
    line = first + 2
    while line < end and not (
        state.isEmpty(line)
        or state.sCount[line] < state.blkIndent
        or state.is_code_block(line)
        or any(rule(state, line, end, _SILENT) for rule in others)
    ):
        line += 1
    state.line = line
    return True


_MARKDOWN = MarkdownIt("commonmark")
_MARKDOWN.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
_MARKDOWN.enable("table")
_MARKDOWN.block.ruler.at("blockquote", _shallow_quote, {"alt": ["paragraph", "reference", "blockquote", "list"]})
_MARKDOWN.block.ruler.before("reference", "footnote", _footnote, {"alt": ["paragraph", "reference"]})
