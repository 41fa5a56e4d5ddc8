"""The shell scripts that run in the sandbox. Each is one command, reads its arguments from the environment, and is safe
to run twice. E2B logs their text, so it never contains a secret."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# Paths in the sandbox, relative to the home folder. All are outside the checkout.
OURS = ".ampbot"
PROMPT = f"{OURS}/prompt.txt"
PULL_DIFF = f"{OURS}/pull.diff"
AMP_SETTINGS = f"{OURS}/amp-settings.json"
COMMAND = f"{OURS}/command"
PATHS = f"{OURS}/paths.gz"
ARCHIVE = f"{OURS}/out/change.tar.gz"
MERGED = f"{OURS}/out/merged"
AGENT_ERRORS = f"{OURS}/agent/err"


@cache
def script(name: str) -> str:
    """The text of `bot/sandbox/shell/NAME.sh`."""
    return files("bot.sandbox").joinpath("shell", f"{name}.sh").read_text()
