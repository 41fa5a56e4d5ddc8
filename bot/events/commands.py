"""Finds the commands in a text. Only this module knows their grammar.

A command starts a line that a reader of the rendered text sees as such (bot/events/visible.py), with `/amp` or an
@mention of the bot. Its text goes on to the next command or the end, without HTML comments and without what a mail
program adds below a reply (bot/events/mail.py).

Stopping is safe, starting costs: in doubt a text stops, reads or asks back, and a run is started by `/amp work`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from bot.events import mail, visible
from bot.model import Command, Problem
from bot.text import command_messages

# GitHub's limit for a comment, in characters. We read no more of any text.
MAX_CHARS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Verb:
    """A word that is a command of its own.

    By default its shape is fixed: it is a command if the first line is only the word, or the word and one of its
    options, but for punctuation and courtesy. Otherwise the text is a request. What is below the first line is not
    looked at.
    """

    word: str  # in lower case
    options: tuple[str, ...] = ()  # one of them may follow, as in `stop keep`
    takes_text: bool = False  # whatever follows the word is the command's text, unchanged
    takes_remark: bool = False  # whatever follows the word, it stays this command, which starts nothing
    aliases: tuple[str, ...] = ()  # other words for it, always of fixed shape
    command: str = ""  # what `Command.verb` is, if not the word; run ids are derived from it

    @property
    def name(self) -> str:
        """What `Command.verb` is."""
        return self.command or self.word

    @property
    def words(self) -> tuple[str, ...]:
        """The words that people write for it."""
        return self.word, *self.aliases


# The verbs, in one table. Each is the `verb` of a handler in `handlers/`.
#
# First-word verbs count whatever follows. `work` forces a request; a command without a verb is the same request, and
# has the same run id.
REQUEST: Final = Verb("work", takes_text=True, command="run")
REVIEW: Final = Verb("review", takes_text=True)
STOP: Final = Verb("stop", ("keep",), takes_remark=True, aliases=("cancel", "abort"))
STATUS: Final = Verb("status", takes_remark=True)
HELP: Final = Verb("help", takes_remark=True)
# Fixed-shape verbs, as are `stop keep`, `cancel` and `abort` above.
RETRY: Final = Verb("retry")

_COURTESIES: Final = frozenset(
    {
        *("please", "pls", "plz", "kindly", "thanks", "thank", "you", "thx", "ty", "cheers"),
        *(
            "now",
            "asap",
            "immediately",
            "bitte",
            "danke",
            "merci",
            "gracias",
            "grazie",
            "obrigado",
            "obrigada",
            "por",
            "favor",
        ),
        *("请", "謝謝", "谢谢", "ください", "してください", "お願いします", "ありがとう", "ありがとうございます"),
    }
)
# Behind a verb as good as a courtesy: `cancel that`. In front of one they begin a request: `this review is wrong`.
_OBJECTS: Final = frozenset({"it", "this", "that", "the", "run", "all", "everything"})

# Scripts that write no spaces: Thai, Lao, Tibetan, Myanmar, Khmer, kana, bopomofo, Han.
_SPACELESS: Final = (
    "\u0e01-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# What ends the name: the end, a space, a comma or a colon, the end of a sentence, or text in such a script.
_NAME_ENDS: Final = rf"(?:[,:，：、､]|[.;!?…；。！？]+(?=\s|$)|(?=\s|$|[{_SPACELESS}「『（【《〈]))"

# A word of a script that writes spaces goes on where a hyphen, an apostrophe, a slash or an underscore joins it to the
# next, or where it names a file: `stop-gap`, `review's`, `status/page`, `help.py`. A word of another script goes on to
# the next space.
_LETTER: Final = rf"(?:(?![{_SPACELESS}])[^\W_])"
_FILE: Final = (
    r"\.(?i:[cm]?[jt]sx?|py|go|rs|rb|java|kts?|[ch](?:pp|c|s|h)?|php|swift|sh|bat|ps1|sql|html?|s?css|vue|md|rst|txt|json|"
    r"ya?ml|toml|ini|cfg|conf|xml|csv|log|svg|png)\b"
)
_WORD = re.compile(rf"{_LETTER}+(?:(?:_+|['’/-]){_LETTER}+|{_FILE})*|[{_SPACELESS}]+")
# Before a verb these make it part of something: a quotation, code, a path, an item of a list.
_PART_OF_SOMETHING = re.compile(r"[\"'`“”„«»‘’「『(<\[{/\\#@$]|^\s*[-*+]\s")
_CODE_OR_QUOTE: Final = ("```", "~~~", ">")
_TICKED = re.compile(r"(?m)^([ \t>]*(?:[-*+]|\d+[.)])[ \t]+\[)[xX](?=\]\s)")
_EMOJI_OR_TAG = re.compile(r":[a-z0-9_+-]+:|</?[A-Za-z][A-Za-z0-9-]*\s?/?>")
_AFTER_A_VERB = re.compile(r"[*_]*(?:[.;!?…；。！？]+(?=\s|\Z)|[,:，：、､]+)?[*_]*")

_Found = tuple[Command | Problem, ...]


def parse(text: str, *, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands in a new text, in order, with at most one Problem among them. Never raises.

    `names` are the logins that mention the bot, without @ and without [bot]. `verbs` are those of the handlers; if
    there are none, every command is a request.
    """
    return _with_one_problem(_read(text, names, verbs))


def new_commands(text: str, before: str | None, names: Sequence[str], verbs: Sequence[Verb] = ()) -> _Found:
    """The commands that an edit added. Their indexes are those in `text`, the text after the edit.

    Of several equal commands, the first ones count as the old ones. To tick a box asks for nothing new.
    """
    old = Counter(map(_unticked, _read(before or "", names, verbs)))
    new = []
    for found in _read(text, names, verbs):
        if old[_unticked(found)] > 0:
            old[_unticked(found)] -= 1
        else:
            new.append(found)
    return _with_one_problem(new)


def _identity(found: Command | Problem) -> tuple[str, str]:
    return ("", found.message) if isinstance(found, Problem) else (found.verb, found.text)


def _unticked(found: Command | Problem) -> tuple[str, str]:
    verb, text = _identity(found)
    return verb, _TICKED.sub(r"\1 ", text)


def _with_one_problem(found: Iterable[Command | Problem]) -> _Found:
    """Make one Problem of all: one reply is enough, however many mistakes a text has."""
    entries = tuple(found)
    messages = dict.fromkeys(entry.message for entry in entries if isinstance(entry, Problem))
    first = next((entry for entry in entries if isinstance(entry, Problem)), None)
    merged = Problem("\n\n".join(messages))
    return tuple(
        merged if entry is first else entry for entry in entries if entry is first or isinstance(entry, Command)
    )


def _read(text: str, names: Sequence[str], verbs: Sequence[Verb]) -> Iterator[Command | Problem]:
    # Editing a comment in the browser turns its line ends into CRLF. That must not make its commands new.
    lines = text[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    mentions = "".join(rf"|@{re.escape(name)}(?:\[bot\])?" for name in names)
    # ASCII only: without it, ignoring case makes the Kelvin sign (U+212A) match the letter k.
    name = rf"(?ai:/amp{mentions}){_NAME_ENDS}"
    start = re.compile(rf" {{0,3}}{name}(?:\s*{name})*")  # who says our name twice means it once
    if not any(map(start.match, lines)):
        return
    seen = visible.shown(lines)
    starts = [(number, match.end()) for number, line in enumerate(seen) if (match := start.match(line))]
    end = mail.original(lines, seen, frozenset(number for number, _ in starts))
    starts = [(number, column) for number, column in starts if number < end]
    count: Counter[tuple[str, str]] = Counter()
    for (line, column), (after, _) in pairwise([*starts, (end, 0)]):
        below = lines[line + 1 : mail.signature(lines, seen, line, after)]
        written = "\n".join([lines[line][column:], *below])
        for found in _parse_one(visible.without_comments(written).strip(), verbs):
            yield replace(found, index=count[_identity(found)]) if isinstance(found, Command) else found
            count[_identity(found)] += 1


# --- the text of one command -----------------------------------------------------------------------


def _parse_one(text: str, verbs: Sequence[Verb]) -> Iterator[Command | Problem]:
    text = _without_slash(text, verbs)
    line, words = _first_line(text)
    if not words:
        yield Problem(command_messages.nothing_asked())
        return
    if text.startswith(_CODE_OR_QUOTE):
        yield Command(REQUEST.name, text)
        return
    said = tuple(_plain(word) for word in words)
    said = (_first_of(said[0], verbs), *said[1:])
    for verb in verbs:
        option = _option(verb, said)
        if option is None and not (said[0] == verb.word and _counts(verb, text, line, words[0])):
            continue
        rest = text[words[0 if option is None else -1].end() :]
        if verb.takes_text and not option:
            rest = _AFTER_A_VERB.sub("", rest, count=1).strip() if _asks(rest) else ""
            yield Command(verb.name, rest) if rest or verb != REQUEST else Problem(command_messages.nothing_asked())
            return
        yield Command(verb.name, option or "")
        if verb.takes_remark and _asks(rest):
            yield Problem(command_messages.starts_nothing(verb.word, stops=verb == STOP))
        elif verb == RETRY and _asks(rest):  # it starts a run, which would not see these words
            yield Problem(command_messages.not_taken_along(verb.word))
        return
    alone = len(said) == 1 and not _asks(text[words[0].end() :].partition("\n")[2].partition("\n")[0])
    meant = (word for verb in verbs for word in verb.words if alone and _one_edit_apart(said[0], word))
    word = next(meant, None)
    yield Command(REQUEST.name, text) if word is None else Problem(command_messages.did_you_mean(word))


def _without_slash(text: str, verbs: Sequence[Verb]) -> str:
    """The text without the slash before a verb, as in `/amp /stop`; `/stop answers 500` is about an address."""
    word = _WORD.match(text, 1) if text.startswith("/") else None
    known = word is not None and any(word[0].casefold() in verb.words for verb in verbs)
    return text[1:] if known and not _asks(text.partition("\n")[0][word.end() if word else 0 :]) else text


def _first_line(text: str) -> tuple[int, list[re.Match[str]]]:
    """The first line that says more than a courtesy: where it begins, and its words without the courtesies."""
    begin, bare = 0, _without_pictures(text)
    for line in text.split("\n"):
        words = [word for word in _WORD.finditer(bare, begin, begin + len(line)) if _plain(word) not in _COURTESIES]
        if words:
            return begin, [words[0], *(word for word in words[1:] if _plain(word) not in _OBJECTS)]
        begin += len(line) + 1
    return 0, []


def _asks(text: str) -> bool:
    """Whether the text behind a verb is more than a courtesy."""
    return any(_plain(word) not in _COURTESIES | _OBJECTS for word in _WORD.finditer(_without_pictures(text)))


def _without_pictures(text: str) -> str:
    """The text with spaces for what a reader does not see as words: the names of emoji, and tags."""
    return _EMOJI_OR_TAG.sub(lambda found: " " * len(found[0]), text)


def _plain(word: re.Match[str]) -> str:
    """The word in lower case; an input method may have written it in wide letters."""
    return unicodedata.normalize("NFKC", word[0]).casefold()


def _first_of(word: str, verbs: Sequence[Verb]) -> str:
    """The verb that `stop/cancel` begins with, where all its parts are verbs; else the word itself."""
    parts = word.split("/")
    return parts[0] if all(any(part in verb.words for verb in verbs) for part in parts) else word


def _option(verb: Verb, said: tuple[str, ...]) -> str | None:
    """The option, or nothing, if these words are one of the verb's fixed shapes; else None."""
    option = " ".join(said[1:])
    return option if said[0] in verb.words and option in ("", *verb.options) else None


def _counts(verb: Verb, text: str, line: int, word: re.Match[str]) -> bool:
    """Whether the verb's word at the start of a line is the verb, whatever follows it."""
    return (verb.takes_text or verb.takes_remark) and not _PART_OF_SOMETHING.search(text[line : word.start()])


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
