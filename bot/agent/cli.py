"""Which Amp a sandbox has, and the command line it takes: one table of eras, asked for once a sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bot.model import Problem


@dataclass(frozen=True, slots=True)
class CliVersion:
    """A generation of the CLI, told by its help, and the flags that make it run headless and private."""

    name: str
    flags: tuple[str, ...]


_FLAGS = ("--dangerously-allow-all", "--visibility", "private")
_CUR_ONLY = "--no-archive-after-execute"
OLD = CliVersion("old", _FLAGS)
CUR = CliVersion("cur", (*_FLAGS, _CUR_ONLY))


@dataclass(frozen=True, slots=True)
class Installation:
    """The Amp of one sandbox. `note` is a sentence for the operator, or empty."""

    binary: str
    version: str
    era: CliVersion
    note: str = ""


SETTINGS = json.dumps(
    {
        "amp.updates.mode": "disabled",
        "amp.notifications.enabled": False,
        "amp.git.commit.coauthor.enabled": False,
        "amp.git.commit.ampThread.enabled": False,
    },
    indent=2,
)
"""The settings file a run is given: no self-update, no trailers of Amp's own in commits."""

_CUT = "--- ampbot ---"

PROBE = f"""\
if binary=$(command -v amp); then :
elif [ -x "$HOME/.local/bin/amp" ]; then binary=$HOME/.local/bin/amp; echo off-path
elif [ -d "$HOME/.local/bin" ]; then echo bare; exit 0
else echo missing; exit 0
fi
echo "binary $binary"
echo '{_CUT}'; "$binary" --version </dev/null 2>&1
echo '{_CUT}'; "$binary" --help </dev/null 2>&1
exit 0
"""
"""A shell script that finds Amp and asks it for version and help; `installed` reads what it prints."""

_MISSING = Problem(
    "The sandbox template has no `amp`: neither on PATH nor in ~/.local/bin. Install @ampcode/cli in it."
)
_BARE = Problem(
    "The sandbox template has no `amp`: ~/.local/bin is bare, and PATH has none. Install @ampcode/cli in it."
)
_OFF_PATH = "`amp` is only in ~/.local/bin, which is not on the sandbox's PATH; it is started by its full path."


def read_probe(probe: str) -> Installation | Problem:
    """Reads what PROBE printed."""
    where, _, answers = probe.partition(_CUT)
    version_text, _, help_text = answers.partition(_CUT)
    words = where.split("\n")
    binary = next((line.removeprefix("binary ").strip() for line in words if line.startswith("binary ")), "")
    if not binary:
        return _BARE if "bare" in words else _MISSING
    era = identify(version_text, help_text)
    if isinstance(era, Problem):
        return era
    return Installation(binary, _version(version_text), era, _OFF_PATH if "off-path" in words else "")


def identify(version_text: str, help_text: str) -> CliVersion | Problem:
    """The era of the Amp that answered `--version` and `--help` with these texts (both outputs, joined)."""
    said = f"{version_text}\n{help_text}"
    if re.search(r"native binary not installed", said, re.IGNORECASE):
        return Problem(
            "The sandbox's `amp` is a wrapper without its native binary. "
            "Pin a version of @ampcode/cli in the template whose linux-x64 package exists.",
            _excerpt(said),
        )
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text))
    if {"--execute", "--stream-json"} <= options:
        if _CUR_ONLY in options:
            return CUR
        if "--dangerously-allow-all" in options:
            return OLD
    elif re.search(r"not found|no such file", said, re.IGNORECASE) and not options:
        return Problem(_MISSING.message, _excerpt(said))
    return Problem(
        f"The sandbox's `amp` ({_version(version_text) or 'version unknown'}) is of no kind ampbot knows. "
        "Pin another version of @ampcode/cli in the template, or update ampbot.",
        _excerpt(said),
    )


def run_command(era: CliVersion, *, binary: str, settings_file: str, thread: str | None) -> list[str]:
    """The argv of a run; the prompt goes to standard input. `thread` is the id of a thread to go on with."""
    goes_on = ["threads", "continue", thread] if thread else []
    return [binary, *goes_on, "-x", "--stream-json", *era.flags, "--settings-file", settings_file]


def _version(text: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+[\w.+-]*", text)
    return found[0] if found else ""


def _excerpt(text: str) -> str:
    return text.strip()[:500]
