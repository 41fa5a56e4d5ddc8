"""Finds the commands in a text. Only this module knows their grammar.

A command starts a line with `/amp` or an @mention of the bot. Its text goes on to the next command or the end.
What Markdown renders as code, as a quote or as HTML contains no commands. In a list only an unindented line can start
one, because an indented line belongs to the list item above it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.html_re import close_tag, open_tag
from markdown_it.rules_block import StateBlock, blockquote

from bot.model import Command, Problem

# GitHub's limit for a comment, in characters. We read no more of any text.
MAX_CHARS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Verb:
    """A word that is a command alone, with one of its options, or with any text. Otherwise it begins a request."""

    word: str  # in lower case
    options: tuple[str, ...] = ()  # one of them may follow, as in `stop keep`
    takes_text: bool = False  # everything after the word is the command's text, unchanged


# A command that begins with no other verb. Its text is the request.
REQUEST: Final = Verb("run")

_NOTHING_ASKED = Problem(
    "Nothing was asked, so nothing was started. Write what you want after `/amp`, "
    "for example `/amp fix the login test`, or try `/amp help`."
)

_Found = tuple[Command | Problem, ...]


def parse(text: str, *, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands in a new text, in order, with at most one Problem among them. Never raises.

    `names` are the logins that mention the bot, without @ and without [bot]. `verbs` are those of the handlers; if
    there are none, every command is a request.
    """
    return _with_one_problem(_read(text, names, verbs))


def new_commands(text: str, before: str | None, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands that an edit added. Their indexes are those in `text`, the text after the edit.

    Of several equal commands, the first ones count as the old ones.
    """
    old = Counter(map(_identity, _read(before or "", names, verbs)))
    new = []
    for found in _read(text, names, verbs):
        if old[_identity(found)] > 0:
            old[_identity(found)] -= 1
        else:
            new.append(found)
    return _with_one_problem(new)


def _identity(found: Command | Problem) -> tuple[str, str]:
    return ("", found.message) if isinstance(found, Problem) else (found.verb, found.text)


def _with_one_problem(found: Iterable[Command | Problem]) -> _Found:
    """Keep only the first Problem: one reply is enough, however many mistakes a text has."""
    kept: list[Command | Problem] = []
    for entry in found:
        if isinstance(entry, Command) or not any(isinstance(other, Problem) for other in kept):
            kept.append(entry)
    return tuple(kept)


def _read(text: str, names: Sequence[str], verbs: Sequence[Verb]) -> Iterator[Command | Problem]:
    # Editing a comment in the browser turns its line ends into CRLF. That must not make its commands new.
    lines = text[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    starts = [*_starts(lines, names), (len(lines), 0)]
    seen: Counter[tuple[str, str]] = Counter()
    for (line, column), (end, _) in pairwise(starts):
        found = _parse_one("\n".join([lines[line][column:], *lines[line + 1 : end]]).strip(), verbs)
        if isinstance(found, Command):
            found = replace(found, index=seen[_identity(found)])
            seen[_identity(found)] += 1
        yield found


# --- the text of one command -----------------------------------------------------------------------


def _parse_one(command_text: str, verbs: Sequence[Verb]) -> Command | Problem:
    word, text, *_ = (*command_text.split(maxsplit=1), "", "")
    if not word:
        return _NOTHING_ASKED
    option = " ".join(text.lower().split())
    for verb in verbs:
        if verb.word == word.lower() and (verb.takes_text or not text):
            return Command(verb.word, text)
        if verb.word == word.lower() and option in verb.options:
            return Command(verb.word, option)
    meant = next((verb.word for verb in verbs if _one_edit_apart(word.lower(), verb.word)), None)
    if not text and meant is not None:
        return Problem(
            f"Nothing was started: did you mean `/amp {meant}`? If it is a request, say it in a few words more."
        )
    return Command(REQUEST.word, command_text)


def _one_edit_apart(one: str, other: str) -> bool:
    """Whether the words differ by one letter at most: added, missing, changed or swapped with the next."""
    return any(
        one[:at] == other[:at]
        and (
            one[at + 1 :] == other[at + 1 :]
            or one[at + 1 :] == other[at:]
            or one[at:] == other[at + 1 :]
            or (one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :])
        )
        for at in range(len(other) + 1)
    )


# --- where commands start --------------------------------------------------------------------------


def _starts(lines: list[str], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """For each line that starts a command: its number, and the column after `/amp` or the mention."""
    mentions = "".join(rf"|@{re.escape(name)}(?:\[bot\])?" for name in names)
    # ASCII only: without it, ignoring case makes the Kelvin sign (U+212A) match the letter k.
    start = re.compile(rf"( {{0,3}})(?ai:/amp{mentions})(?=\s|$)")
    if not any(map(start.match, lines)):
        return
    for first, end, in_list in _paragraphs(lines):
        visible = _without_inline_code("\n".join(lines[first:end])).split("\n")
        for number, line in enumerate(visible, first):
            begun = start.match(line)
            if begun and not (in_list and begun[1]):
                yield number, begun.end()


def _paragraphs(lines: list[str]) -> Iterator[tuple[int, int, bool]]:
    """Each block of text outside quotes: its first line, the line after its last, and whether it is in a list."""
    quotes = lists = 0
    # Without a line break at its end, the parser may read past the end of the text and raise an IndexError:
    # https://github.com/executablebooks/markdown-it-py/issues/190
    source = "\n".join([*lines, ""])
    for token in _MARKDOWN.block.parse(source, _MARKDOWN, {}, []) or ():
        if token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
        elif token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        elif token.type == "inline" and token.map and not quotes:
            yield token.map[0], token.map[1], lists > 0


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


_MARKDOWN = MarkdownIt("commonmark")
_MARKDOWN.block.ruler.at("blockquote", _shallow_quote, {"alt": ["paragraph", "reference", "blockquote", "list"]})

_BACKTICKS = re.compile("`+")
_HTML_ENDS = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>", "<!": ">"}
_INLINE = re.compile(
    rf"\\[!-/:-@\[-`{{-~]|(?P<whole><!---?>|{open_tag}|{close_tag})"
    r"|(?P<open>`+|<!--|<\?|<!\[CDATA\[|<!(?=[A-Za-z]))"
)


def _without_inline_code(text: str) -> str:
    """`text` with code spans and HTML blanked out; every line keeps its number and length.

    Takes linear time: it searches for a closing mark only if there is one.
    """
    last = {run.group(): run.start() for run in _BACKTICKS.finditer(text)}
    last |= {end: text.rfind(end) for end in _HTML_ENDS.values()}
    kept, done, position = [], 0, 0
    while mark := _INLINE.search(text, position):
        position = mark.end()
        if opener := mark["open"]:
            closer = _HTML_ENDS.get(opener, opener)
            if last.get(closer, -1) < position:
                continue
            if opener == closer:  # backticks: only a run of the same length closes the span
                runs = _BACKTICKS.finditer(text, position)
                position = next(run.end() for run in runs if run.group() == closer)
            else:
                position = text.index(closer, position) + len(closer)
        elif not mark["whole"]:
            continue
        kept += [text[done : mark.start()], re.sub(r"[^\n]", "\0", text[mark.start() : position])]
        done = position
    return "".join([*kept, text[done:]])
