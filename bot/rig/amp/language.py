"""The scripting language of the stand-in: a request in a prompt holds one instruction a line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line of a request. Only the fields named in the form of its verb are set."""

    verb: str
    path: str = ""
    to: str = ""  # new name, or a link's target
    old: str = ""
    new: str = ""
    text: str = ""  # content, command or message; a block keeps its final newline
    mode: int | None = None  # permission bits
    count: int = 0  # files, steps, or bytes
    seconds: float = 0.0
    line: int = 0
    start_line: int | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    usage: str
    meaning: str
    pattern: re.Pattern[str]
    block: bool  # a fenced code block below may replace TEXT

    @property
    def verb(self) -> str:
        return self.usage.split()[0].rstrip(":")


_STRING = r'"(?:[^"\\]|\\.)*"'
_PATH = rf'(?P<path>{_STRING}|[^\s":]+)'
_TO = rf'(?P<to>{_STRING}|[^\s"]+)'
_MODE = r"(?P<mode>[0-7]{3,4})"
_SIZE = r"(?P<size>\d+(?:\.\d+)?(?:B|[KMG]i?B)?)"
_SECONDS = r"(?P<seconds>\d+(?:\.\d+)?)"
_TEXT = r"(?P<colon>:) ?(?P<text>.*)"

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _form(usage: str, meaning: str, pattern: str, *, block: bool = False) -> _Form:
    return _Form(usage, meaning, re.compile(rf"(?:- )?{pattern}"), block)


def _text_form(verb: str, meaning: str, *, block: bool = False) -> _Form:
    return _form(f"{verb}: TEXT", meaning, rf"{verb}{_TEXT}", block=block)


_FORMS = (
    _form(
        "create PATH [mode 755]: TEXT",
        "a file of this one line, or of a block",
        rf"create {_PATH}(?: mode {_MODE})?(?:{_TEXT})?",
        block=True,
    ),
    _form("append PATH: TEXT", "one more line, or a block", rf"append {_PATH}(?:{_TEXT})?", block=True),
    _form(
        'replace PATH: "old" -> "new"',
        "the first occurrence; a failed tool call when there is none",
        rf"replace {_PATH}: (?P<old>{_STRING}) -> (?P<new>{_STRING})\s*",
    ),
    _form(
        "binary PATH SIZE",
        "a file of SIZE fixed pseudo-random bytes, NUL among them",
        rf"binary {_PATH} {_SIZE}\s*",
    ),
    _form("many N DIR", "N small files, no two alike", rf"many (?P<count>\d+) {_PATH}\s*"),
    _form("delete PATH", "a file, or a folder with all it holds", rf"delete {_PATH}\s*"),
    _form("rename PATH -> PATH", "moves it, making folders as needed", rf"rename {_PATH} -> {_TO}\s*"),
    _form("chmod 755 PATH", "sets the permission bits", rf"chmod {_MODE} {_PATH}\s*"),
    _form("link PATH -> TARGET", "a symbolic link", rf"link {_PATH} -> {_TO}\s*"),
    _form("run: COMMAND", "bash -c in the working directory", rf"run{_TEXT}", block=True),
    _text_form("say", "one message in between", block=True),
    _text_form("delegate", "one message of a sub-agent", block=True),
    _form("recall", "one message: the requests of this thread so far", r"recall\s*"),
    _text_form("answer", "the final answer; several are joined", block=True),
    _text_form("title", "ends the answer with a `pull-request` block under this title"),
    _form(
        "review PATH:[START-]LINE: TEXT",
        "ends the answer with a `review` block holding this comment",
        rf"review {_PATH}:(?:(?P<start_line>\d+)-)?(?P<line>\d+){_TEXT}",
        block=True,
    ),
    _form("steps N SECONDS", "N messages with a pause before each", rf"steps (?P<count>\d+) {_SECONDS}\s*"),
    _form("wait SECONDS", "a command that takes this long", rf"wait {_SECONDS}\s*"),
    _form("flood SIZE", "this much output in many lines", rf"flood {_SIZE}\s*"),
    _form("flood-line SIZE", "this much output in one line", rf"flood-line {_SIZE}\s*"),
    _form(
        "garbage",
        "lines no reader should trust: bad UTF-8, escapes, unknown kinds, half lines",
        r"garbage\s*",
    ),
    _text_form("fail", "ends with error_during_execution, exit 0", block=True),
    _text_form("crash", "TEXT on standard error, exit 1, no result", block=True),
    _form("die", "SIGKILLs itself in the middle of a line", r"die\s*"),
    _form("linger", "does not exit after its result", r"linger\s*"),
    _form("hang", "says nothing more, for ever", r"hang\s*"),
)

LANGUAGE_HELP = "\n".join(
    (
        "The scripted agent obeys the lines of a request that read like these, in order:",
        "",
        *(f"  {form.usage:<32}  {form.meaning}" for form in _FORMS),
        "",
        "A line may start with '- '. A path with spaces or colons is a JSON string, as old and new are.",
        "SIZE is a number of B, KB, MB, GB (powers of 1000), KiB, MiB or GiB. For TEXT or COMMAND (but not of a",
        "title) a fenced code block may follow instead: leave the line empty after the colon.",
        "Lines inside other code blocks, and lines that fit no form exactly, are prose. In place of a request of",
        "prose alone the file AMP-SCRIPT.md of the working directory is obeyed; where it holds no instruction,",
        "the request is added to AMP-REQUEST.md, and the answer says that the agent is scripted.",
    )
)

_TAG = re.compile(r'<(?P<name>[A-Za-z][\w-]*)(?:\s(?:[^<>"]|"[^"]*")*)?>')
_FENCE = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})[^`]*")


def request_of(prompt: str) -> str:
    """The content of the prompt's `<request…>` element, or the whole prompt if it has none.

    Other elements are skipped, so a request quoted in, say, an issue's text is not executed.
    """
    position = 0
    while tag := _TAG.search(prompt, position):
        end = prompt.find(f"</{tag['name']}>", tag.end())
        if end == -1:
            position = tag.end()
        elif tag["name"] == "request" or tag["name"].startswith("request-"):
            return prompt[tag.end() : end].strip("\n")
        else:
            position = end
    return prompt


def parse(request: str) -> tuple[Instruction, ...]:
    """The instructions of a request in order; everything else in it is prose."""
    lines = request.replace("\r\n", "\n").split("\n")
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        if fence := _FENCE.fullmatch(lines[at]):
            _, at = _block(lines, at, fence)
            continue
        match = _read(lines[at])
        at += 1
        if match is None:
            continue
        form, parts = match
        text = parts.get("text") or ""
        if form.block and not text.strip():
            below = at
            while below < len(lines) and not lines[below].strip():
                below += 1
            fence = _FENCE.fullmatch(lines[below]) if below < len(lines) else None
            if fence is not None:
                text, at = _block(lines, below, fence)
            elif parts.get("colon") is None:
                continue
        elif form.verb in {"create", "append"}:
            text += "\n"
        instruction = _instruction(form.verb, parts, text)
        if instruction is not None:
            found.append(instruction)
    return tuple(found)


def _read(line: str) -> tuple[_Form, dict[str, str | None]] | None:
    for form in _FORMS:
        if match := form.pattern.fullmatch(line):
            return form, match.groupdict()
    return None


def _block(lines: list[str], at: int, fence: re.Match[str]) -> tuple[str, int]:
    """The content of the fenced block that opens at `lines[at]`, and the index of the line after it."""
    marks = fence["marks"]
    closing = re.compile(rf" {{0,3}}{re.escape(marks[0])}{{{len(marks)},}}\s*")
    indent = re.compile(rf" {{0,{fence.start('marks')}}}")
    content: list[str] = []
    for index in range(at + 1, len(lines)):
        if closing.fullmatch(lines[index]):
            return "".join(content), index + 1
        content.append(indent.sub("", lines[index], count=1) + "\n")
    return "".join(content), len(lines)


def _instruction(verb: str, parts: dict[str, str | None], text: str) -> Instruction | None:
    """None if a quoted string is not valid JSON: then the line is prose."""
    number = parts.get("count")
    size = parts.get("size")
    mode = parts.get("mode")
    start = parts.get("start_line")
    try:
        return Instruction(
            verb=verb,
            path=_unquoted(parts.get("path")),
            to=_unquoted(parts.get("to")),
            old=_unquoted(parts.get("old")),
            new=_unquoted(parts.get("new")),
            text=text,
            mode=int(mode, 8) if mode else None,
            count=_bytes(size) if size else int(number or 0),
            seconds=float(parts.get("seconds") or 0),
            line=int(parts.get("line") or 0),
            start_line=int(start) if start else None,
        )
    except ValueError:
        return None


def _unquoted(word: str | None) -> str:
    if word and word.startswith('"'):
        return str(json.loads(word))
    return word or ""


def _bytes(size: str) -> int:
    number = re.match(r"[\d.]+", size)
    assert number is not None
    return int(float(number[0]) * _UNITS[size[number.end() :]])
