"""The shell that runs in the sandbox. Each script is one command, takes its arguments from the environment, and may
run twice. Their text is visible in the sandbox's logs: no secret is ever part of it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# Paths in the sandbox, relative to its home folder. Ours are outside the checkout.
OURS = ".ampbot"
PROMPT = f"{OURS}/prompt.txt"
PULL_DIFF = f"{OURS}/pull.diff"
AMP_SETTINGS = f"{OURS}/amp-settings.json"
COMMAND = f"{OURS}/command"
PATHS = f"{OURS}/paths.gz"
ARCHIVE = f"{OURS}/out/change.tar.gz"
AGENT_ERRORS = f"{OURS}/agent/err"


@cache
def script(name: str) -> str:
    """The text of `bot/sandbox/shell/NAME.sh`."""
    return files("bot.sandbox").joinpath("shell", f"{name}.sh").read_text()
