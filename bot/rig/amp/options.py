"""The command line of each era: which options exist, which the help shows, how they are parsed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from .account import ExitError
from .stream import Era

VERSIONS = {
    Era.CUR: "0.0.1790142911-g7618fb (released 2026-09-23T05:55:11.000Z, 2mo ago)",
    Era.OLD: "0.0.1775390627-g406649 (released 2026-04-05T12:07:23.973Z, 7mo ago)",
}
MODES = {Era.CUR: ("low", "medium", "high", "ultra"), Era.OLD: ("deep", "free", "large", "rush", "smart")}
VISIBILITIES = {
    Era.CUR: ("private", "unlisted", "workspace", "group"),
    Era.OLD: ("private", "public", "workspace", "group"),
}
COMMANDS = {
    "threads": "Work with threads: new, continue, list, markdown, export, delete",
    "usage": "Show the credit balance",
    "permissions": "Show the tool permissions",
    "tools": "Show the tools",
}


class Help(Enum):
    SHOWN = "shown"
    HIDDEN = "hidden"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    short: str = ""
    value: str = ""  # "<x>" is required, "[x]" optional
    meaning: str = ""
    cur: Help = Help.SHOWN
    old: Help = Help.SHOWN
    only: str = ""  # the one subcommand that takes it

    def shown(self, era: Era) -> Help:
        return self.cur if era is Era.CUR else self.old

    @property
    def usage(self) -> str:
        return ", ".join(part for part in (self.short, f"{self.name} {self.value}".rstrip()) if part)


def _cur(name: str, value: str = "", meaning: str = "", short: str = "", cur: Help = Help.SHOWN) -> Option:
    return Option(name, short, value, meaning, cur=cur, old=Help.ABSENT)


OPTIONS = (
    Option("--version", "-V", "", "Print the version"),
    _cur("-v", cur=Help.HIDDEN),
    Option("--help", "-h", "", "Print this help", cur=Help.HIDDEN, old=Help.HIDDEN),
    Option("--execute", "-x", "[message]", "Run one message without a terminal interface, then exit"),
    Option("--stream-json", "", "", "With --execute: print JSON lines in Claude Code's shape"),
    Option("--stream-json-thinking", "", "", "The same with thinking blocks"),
    Option("--stream-json-input", "", "", "With --stream-json: read JSON lines from standard input"),
    Option("--visibility", "", "<visibility>", "Who sees a new thread"),
    Option("--mode", "-m", "<value>", "The agent's mode"),
    Option("--settings-file", "", "<value>", "Settings to use in place of the user's"),
    Option("--log-level", "", "<value>", "error, warn, info, debug"),
    Option("--log-file", "", "<value>", "Where the log goes"),
    Option("--mcp-config", "", "<value>", "MCP servers, as JSON or as a file's path"),
    Option("--ide", "", "", "Connect to an editor"),
    Option("--no-ide", "", "", "Do not connect to an editor"),
    Option("--jetbrains", "", "", "Connect to a JetBrains editor", cur=Help.HIDDEN),
    Option("--no-jetbrains", "", "", "Do not connect to a JetBrains editor", cur=Help.HIDDEN),
    Option("--color", "", "", "Colours"),
    Option("--no-color", "", "", "No colours"),
    Option("--notifications", "", "", "Sounds and notifications"),
    Option("--no-notifications", "", "", "No sounds or notifications"),
    Option("--dangerously-allow-all", "", "", "Run every tool without asking", cur=Help.HIDDEN),
    Option("--stats", "", "", "With --execute: print figures", cur=Help.HIDDEN, old=Help.HIDDEN),
    Option("--archive", "", "", "Archive the thread at the end", cur=Help.ABSENT),
    _cur("--no-archive-after-execute", meaning="With --execute: leave a new thread unarchived"),
    _cur("--title", "<title>", "The title of a new thread"),
    Option("--label", "-l", "<label>", "A label of a new thread; may be repeated"),
    _cur("--plugin-ready-timeout", "[seconds]", "How long to wait for plugins"),
    _cur("--executor", "<executor>", "local, orb or runner:<id>"),
    _cur("-ox", "", "Run one message in an orb"),
    _cur("--project", "<project>", "The project of a new thread"),
    _cur("--attach", "<path>", "A file to send along"),
    _cur("--features", "<features>", "Features to switch on"),
    _cur("--fast", "", "Prefer speed"),
    _cur("--no-tui", "", "No terminal interface"),
    _cur("--orb-size", "<size>", "The size of an orb"),
    _cur("--runner-dir", "<value>", "A directory that a runner serves"),
    _cur("--amp-env", "", "The account's variables for the agent"),
    _cur("--remote-control-terminal", "", "Let the web page use the terminal"),
    _cur("--no-remote-control-terminal", "", "Keep the terminal to itself"),
    _cur("--model", "<model>", cur=Help.HIDDEN),
    Option("--json", only="threads list", meaning="Print JSON"),
    Option("--limit", value="<n>", only="threads list", meaning="How many"),
    Option("--offset", value="<n>", only="threads list", meaning="From which"),
    Option("--include-archived", only="threads list", meaning="Archived ones too", old=Help.ABSENT),
    Option("--last", only="threads continue", meaning="The thread used last"),
    Option("--pick", only="threads continue", meaning="Choose a thread"),
)


@dataclass(slots=True)
class Line:
    """A command line, read: option name to its values (an optional value left out is None), and the rest."""

    options: dict[str, list[str | None]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return name in self.options

    def last(self, name: str) -> str | None:
        return self.options.get(name, [None])[-1]


def read(argv: list[str], era: Era) -> Line:
    """Reads a command line. Raises ExitError where the real program fails before any request to the server."""
    line = Line()
    used: list[Option] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            line.words += rest
            break
        if not word.startswith("-") or word == "-":
            line.words.append(word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = _find(name, era)
        if option is None and not word.startswith("--"):
            option, equals, value = _find(word[:2], era), "=", word[2:]  # -mlow
        if option is None or (equals and not option.value):
            raise ExitError(f"error: unknown option '{word}'")
        taken: str | None = value if equals else None
        if option.value and not equals and rest and (option.value[0] == "<" or not rest[0].startswith("-")):
            taken = rest.pop(0)
        elif option.value.startswith("<") and not equals:
            raise ExitError(f"error: option '{option.usage}' argument missing")
        line.options.setdefault(option.name, []).append(taken)
        used.append(option)
    for option in used:
        if option.only and option.only != " ".join(line.words[:2]):
            raise ExitError(f"error: unknown option '{option.name}'")
    _check(line, era)
    return line


def _find(name: str, era: Era) -> Option | None:
    for option in OPTIONS:
        if name in {option.name, option.short} and option.shown(era) is not Help.ABSENT:
            return option
    return None


_EXECUTE = 'amp --execute "your message"'
_SIZES = ("a1.tiny", "a1.small", "a1.medium", "a1.large", "a1.xxlarge", "a1.3xlarge")
# An option, another that it needs, and what the program says where that is missing.
_NEEDS = (
    ("--stream-json", "--execute", "The --stream-json flag requires --execute mode", f"{_EXECUTE} --stream-json"),
    (
        "--stream-json-input",
        "--stream-json",
        "The --stream-json-input flag requires --stream-json",
        "amp --execute --stream-json --stream-json-input",
    ),
)


def _check(line: Line, era: Era) -> None:
    """Refuse what the program refuses itself; the rest it leaves to the server."""
    servers = line.last("--mcp-config")
    if servers is not None and not Path(servers).is_file():
        try:
            json.loads(servers)
        except ValueError as problem:
            raise ExitError(f"Failed to parse --mcp-config as JSON: {problem}") from problem
    for option, wanted, why, use in _NEEDS:
        if line.has(option) and not line.has(wanted):
            raise ExitError(f"{why}\n\nUse: {use}")
    mode = line.last("--mode")
    if era is Era.OLD and mode is not None and mode not in MODES[era]:
        choices = ", ".join((*MODES[era], "large", "deep", "internal"))
        given = f"option '-m, --mode <value>' argument '{mode}'"
        raise ExitError(f"error: {given} is invalid. Allowed choices are {choices}.")
    if era is Era.CUR:
        _check_current(line)
    _check_settings(line.last("--settings-file"))


def _check_current(line: Line) -> None:
    size = line.last("--orb-size")
    if size is not None and size not in _SIZES:
        given = f"option '--orb-size <size>' argument '{size}'"
        raise ExitError(f"error: {given} is invalid. Allowed choices are {', '.join(_SIZES)}.")
    if line.has("--stats") and line.has("--stream-json"):
        why = "The --stats and --stream-json flags are mutually exclusive output formats"
        raise ExitError(f"{why}\n\nUse one or the other: {_EXECUTE} --stats OR {_EXECUTE} --stream-json")
    if not line.has("--execute"):
        return
    if line.has("--no-tui"):
        raise ExitError("Cannot use --no-tui together with --execute")
    if line.has("--attach"):
        raise ExitError("The --attach flag requires remote execute mode, such as amp -ox.")
    if line.has("--project"):
        use = "amp --executor orb --project namespace/name"
        raise ExitError(f"The --project flag requires the orb executor\n\nUse: {use}")
    if line.has("--runner-dir"):
        raise ExitError("--runner-dir requires --execute and --executor runner:<id>.")


def _check_settings(path: str | None) -> None:
    """They may be missing, but not be something else."""
    if path is None or not Path(path).exists():
        return
    try:
        json.loads(Path(path).read_bytes())
    except ValueError as problem:
        hint = "Fix the JSON syntax errors. Errors found on lines [0]."
        raise ExitError(f"Invalid JSON in settings file {path}\n\n{hint}") from problem


def refused_by_server(line: Line, era: Era) -> str | None:
    """Why the server refuses a command line that was parsed without an error; for the log."""
    visibility = line.last("--visibility")
    if visibility is not None and visibility not in VISIBILITIES[era]:
        return f"visibility {visibility!r} is none of {', '.join(VISIBILITIES[era])}"
    mode = line.last("--mode")
    if mode is not None and mode not in MODES[era]:
        return f"mode {mode!r} is none of {', '.join(MODES[era])}"
    if line.has("--model"):
        return "--model: what it does is unknown"
    if line.has("-ox") or (line.last("--executor") or "local") != "local":
        return "there are no orbs and no runners here"
    for label in line.options.get("--label", []):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", label or ""):
            return f"label {label!r} is not 1 to 32 letters, digits and hyphens"
    return None


def help_text(era: Era, scope: str = "") -> str:
    """The help of the program, or of one subcommand."""
    shown = [option for option in OPTIONS if option.only in {"", scope} and option.shown(era) is Help.SHOWN]
    choices = {"--mode": MODES[era], "--visibility": VISIBILITIES[era]}
    options = "\n".join(
        f"  {option.usage:<34}  {option.meaning}"
        + (f" ({', '.join(choices[option.name])})" if option.name in choices else "")
        for option in shown
    )
    commands = "\n".join(f"  {name:<34}  {meaning}" for name, meaning in COMMANDS.items())
    return f"Usage: amp [options] [command]\n\nAmp CLI\n\nOptions:\n{options}\n\nCommands:\n{commands}\n"
