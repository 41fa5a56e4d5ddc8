"""Detects which version of the Amp CLI a sandbox has, and builds its command line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bot.model import Problem


@dataclass(frozen=True, slots=True)
class CliVersion:
    """A generation of the CLI, recognised by its help, with the flags for an unattended run in a private thread."""

    name: str
    flags: tuple[str, ...]


_FLAGS = ("--dangerously-allow-all", "--visibility", "private")
_CURRENT_ONLY = "--no-archive-after-execute"
LEGACY = CliVersion("old", _FLAGS)
CURRENT = CliVersion("cur", (*_FLAGS, _CURRENT_ONLY))


@dataclass(frozen=True, slots=True)
class Installation:
    """The Amp CLI of one sandbox. `note` is a sentence for the operator, or empty."""

    binary: str
    version: str
    cli: CliVersion
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
"""Amp's settings file for a run: no self-update, and no trailers in commits."""

_SEPARATOR = "--- ampbot ---"

PROBE = f"""\
if binary=$(command -v amp); then :
elif [ -x "$HOME/.local/bin/amp" ]; then binary=$HOME/.local/bin/amp; echo off-path
elif [ -d "$HOME/.local/bin" ]; then echo bare; exit 0
else echo missing; exit 0
fi
echo "binary $binary"
echo '{_SEPARATOR}'; "$binary" --version </dev/null 2>&1
echo '{_SEPARATOR}'; "$binary" --help </dev/null 2>&1
exit 0
"""
"""A shell script that finds Amp and prints its version and help, for `read_probe`."""

_MISSING = Problem(
    "The sandbox template has no `amp`: neither on PATH nor in ~/.local/bin. Install @ampcode/cli in it."
)
_NOTHING_INSTALLED = Problem(
    "The sandbox template has no `amp`: ~/.local/bin is bare, and PATH has none. Install @ampcode/cli in it."
)
_OFF_PATH = "`amp` is only in ~/.local/bin, which is not on the sandbox's PATH; it is started by its full path."


def read_probe(probe: str) -> Installation | Problem:
    """Parse the output of PROBE."""
    location, _, answers = probe.partition(_SEPARATOR)
    version_text, _, help_text = answers.partition(_SEPARATOR)
    lines = location.split("\n")
    binary = next((line.removeprefix("binary ").strip() for line in lines if line.startswith("binary ")), "")
    if not binary:
        return _NOTHING_INSTALLED if "bare" in lines else _MISSING
    cli = identify(version_text, help_text)
    if isinstance(cli, Problem):
        return cli
    return Installation(binary, _version(version_text), cli, _OFF_PATH if "off-path" in lines else "")


def identify(version_text: str, help_text: str) -> CliVersion | Problem:
    """The generation of an Amp CLI, from its `--version` and `--help` (each with standard output and error)."""
    output = f"{version_text}\n{help_text}"
    if re.search(r"native binary not installed", output, re.IGNORECASE):
        return Problem(
            "The sandbox's `amp` is a wrapper without its native binary. "
            "Pin a version of @ampcode/cli in the template whose linux-x64 package exists.",
            _excerpt(output),
        )
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text))
    if {"--execute", "--stream-json"} <= options:
        if _CURRENT_ONLY in options:
            return CURRENT
        if "--dangerously-allow-all" in options:
            return LEGACY
    elif re.search(r"not found|no such file", output, re.IGNORECASE) and not options:
        return Problem(_MISSING.message, _excerpt(output))
    return Problem(
        f"The sandbox's `amp` ({_version(version_text) or 'version unknown'}) is of no kind ampbot knows. "
        "Pin another version of @ampcode/cli in the template, or update ampbot.",
        _excerpt(output),
    )


def run_command(cli: CliVersion, *, binary: str, settings_file: str, thread: str | None) -> list[str]:
    """The argv of a run; Amp reads the prompt from standard input. `thread`: the id of a thread to continue."""
    subcommand = ["threads", "continue", thread] if thread else []
    return [binary, *subcommand, "-x", "--stream-json", *cli.flags, "--settings-file", settings_file]


def _version(text: str) -> str:
    match = re.search(r"\d{1,9}\.\d{1,9}\.\d{1,20}[\w.+-]{0,100}", text)
    return match[0] if match else ""


def _excerpt(text: str) -> str:
    return text.strip()[:500]
