"""The commands in a text, and the only place that knows their grammar.

A command starts a line: `/amp`, or an @mention of the bot, then its text up to the next command or the end.
Where Markdown says code, quote or HTML, nothing is a command. In a list only an unindented line can be one,
since an indented line belongs to the item above it.
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

# GitHub's own limit for a comment, in characters; what is beyond is not read.
MOST: Final = 65_536


@dataclass(frozen=True, slots=True)
class Verb:
    """A word that is a command by itself, or with what it takes. With anything else behind it, it begins a request."""

    word: str  # in small letters
    options: tuple[str, ...] = ()  # the words of which one may follow, as in `stop keep`
    takes_text: bool = False  # whatever follows is the command's text, as it was written


# The command that is no other: its text is what somebody wants done.
REQUEST: Final = Verb("run")

_NOTHING_ASKED = Problem(
    "Nothing was asked, so nothing was started. Write what you want after `/amp`, "
    "for example `/amp fix the login test`, or try `/amp help`."
)

_Found = tuple[Command | Problem, ...]


def parse(text: str, *, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands of a newly written text, in order, with at most one Problem among them. Never raises.

    `names` are the logins by which the bot is mentioned, without @ and without [bot]. `verbs` are those of the
    handlers; without one, every command is a request.
    """
    return _with_one_problem(_read(text, names, verbs))


def new_commands(text: str, before: str | None, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands of an edited text that were not in it before the edit; indexes are those of `text`.

    Two equal commands are told apart by their number alone: the first ones are the old ones.
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
    """One text gets one useful reply, however many mistakes are in it."""
    kept: list[Command | Problem] = []
    for each in found:
        if isinstance(each, Command) or not any(isinstance(other, Problem) for other in kept):
            kept.append(each)
    return tuple(kept)


def _read(text: str, names: Sequence[str], verbs: Sequence[Verb]) -> Iterator[Command | Problem]:
    # Editing a comment in the browser turns all its line ends into CRLF; that must not make its commands new.
    lines = text[:MOST].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    starts = [*_starts(lines, names), (len(lines), 0)]
    seen: Counter[tuple[str, str]] = Counter()
    for (line, column), (end, _) in pairwise(starts):
        found = _understand("\n".join([lines[line][column:], *lines[line + 1 : end]]).strip(), verbs)
        if isinstance(found, Command):
            found = replace(found, index=seen[_identity(found)])
            seen[_identity(found)] += 1
        yield found


# --- what is asked ---------------------------------------------------------------------------------


def _understand(asked: str, verbs: Sequence[Verb]) -> Command | Problem:
    word, text, *_ = (*asked.split(maxsplit=1), "", "")
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
    return Command(REQUEST.word, asked)


def _one_edit_apart(one: str, other: str) -> bool:
    """Whether a letter added, left out, changed or swapped with its neighbour is all that differs."""
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
    """The number of each line that starts a command, and the column behind `/amp` or the mention."""
    mentions = "".join(rf"|@{re.escape(name)}(?:\[bot\])?" for name in names)
    # ASCII only, so that no look-alike letter folds to one of the name.
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
    """The line ranges of running text outside quotes, and whether each is in a list."""
    quotes = lists = 0
    # The last line is ended, else the parser may look behind the text's end and raise an IndexError:
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
    """Markdown's rule for quotes, to four levels: each level costs another pass over the text, and what
    is quoted more deeply is quoted all the same."""
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
    """`text` with code spans and HTML blanked out, each line staying where it is.

    Takes time in proportion to the text: nothing is looked for that is not known to be there.
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
            if opener == closer:  # backticks: a run of the same length, not a part of a longer one
                runs = _BACKTICKS.finditer(text, position)
                position = next(run.end() for run in runs if run.group() == closer)
            else:
                position = text.index(closer, position) + len(closer)
        elif not mark["whole"]:
            continue
        kept += [text[done : mark.start()], re.sub(r"[^\n]", "\0", text[mark.start() : position])]
        done = position
    return "".join([*kept, text[done:]])
