"""How Amp's server answers an API key before the turn starts. The prefix of the key selects the answer."""

from __future__ import annotations

import os
import re
import secrets
from typing import NoReturn

from .stream import Era, write
from .turn import hang

UNEXPECTED = "Unexpected error inside Amp CLI.\nIf it happens again, run 'amp feedback'."


class ExitError(Exception):
    """The program exits with 1 and these bytes, if any, on standard error."""

    def __init__(self, text: str, *, raw: bytes | None = None) -> None:
        super().__init__(text)
        self.stderr = f"Error: {text}\n".encode() if raw is None else raw


def admit(verb: str, era: Era) -> None:
    """Check the key in AMP_API_KEY for `verb`. Raises ExitError if it is refused; some keys never get an answer.

    A key that begins with `sgamp_` and 401, 402, 429, 500, offline, malformed or silent gets that answer.
    """
    key = os.environ.get("AMP_API_KEY", "")
    if not key:
        _log_in()
    found = re.match(r"sgamp_(401|402|429|500|offline|malformed|silent)", key)
    fault = found[1] if found else ""
    if fault == "silent":
        hang()
    if text := _fault(fault, verb):
        if fault == "401" and era is Era.OLD and verb in {"execute", "continue"}:
            raise ExitError(text, raw=b"\x1b[?25h\x1b[?2004l\x1b[0m")
        raise ExitError(text)


def _fault(fault: str, verb: str) -> str | None:
    match fault, verb:
        case "", _:
            return None
        case "401", "execute":
            return "Invalid or missing API key. Run 'amp login' to authenticate."
        case "401", "continue":
            return UNEXPECTED
        case "401", "export" | "markdown" | "delete":
            return f"Failed to {verb} thread: Invalid API key"
        case "401", _:
            return "Not logged in. Run 'amp login' to authenticate."
        case "402", _:
            return "getUserInfo error: insufficient-credits"
        case "429", _:
            return "getUserInfo error: rate-limit-exceeded"
        case "500", _:
            return "Amp server returned an error. Try again in a moment."
        case "offline", "list":
            return "Cannot reach Amp servers. Are you offline?"
        case "offline", _:
            server = os.environ.get("AMP_URL") or "https://ampcode.com/"
            return f"Couldn't connect to the Amp server at {server}.\nCheck your network connection."
        case _:
            return UNEXPECTED


def _log_in() -> NoReturn:
    """Without a key the real program starts a login flow, even without a terminal, and waits forever."""
    token = secrets.token_hex(32)
    address = f"https://ampcode.com/auth/cli-login?authToken={token}&callbackPort=35789"
    write(1, f"No API key found. Starting login flow...\n\nOpen this address to log in:\n\n{address}\n".encode())
    hang()
