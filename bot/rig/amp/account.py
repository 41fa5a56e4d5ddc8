"""How Amp's server answers an API key before the turn starts. The prefix of the key selects the answer.

What is said in each case is recorded of the real program, in tests/oracles/.
"""

from __future__ import annotations

import os
import re
import secrets
import sys

from .stream import Era, write
from .turn import hang

UNEXPECTED = "Unexpected error inside Amp CLI."
# The second line where it is said during a run.
REPORT = {
    Era.CUR: "\nUse 'feedback: report bug' from the command palette to send this to Amp.",
    Era.OLD: "",
}
_LOGIN_FAILED = "\nLogin failed: That code looks incomplete. Copy the full code from the browser and try again.\n"
_CODES = {"402": "insufficient-credits", "429": "rate-limit-exceeded"}
_UNREACHABLE = "Cannot reach Amp servers. Are you offline?"
_SERVER_ERROR = "Amp server returned an error. Try again in a moment."


class ExitError(Exception):
    """The program exits with 1 and this on standard error: an error, or with `bare` just these words."""

    def __init__(self, text: str, *, bare: bool = False) -> None:
        super().__init__(text)
        self._bare = bare

    def stderr(self, era: Era) -> bytes:
        """The old program ends its errors with what puts a terminal right, and often says nothing else."""
        if self._bare:
            return f"{self}\n".encode()
        said = f"Error: {self}\n".encode() if str(self) else b""
        return said + (b"\x1b[=0u\x1b[<u\x1b[?25h" if era is Era.OLD else b"")


def server() -> str:
    """The address of Amp's server, with a slash at its end."""
    return (os.environ.get("AMP_URL") or "https://ampcode.com/").rstrip("/") + "/"


def admit(verb: str, era: Era, *, thread: str = "", waits: bool = False) -> None:
    """Check the key in AMP_API_KEY for `verb`. Raises ExitError if it is refused; some keys never get an answer.

    A key that begins with `sgamp_` and 401, 402, 429, 500, offline, malformed or silent gets that answer.
    `thread`: the one to be continued. `waits`: without a key it waits for a code, whatever is on standard input.
    """
    key = os.environ.get("AMP_API_KEY", "")
    if not key:
        _log_in(waits=waits)
    found = re.match(r"sgamp_(401|402|429|500|offline|malformed|silent)", key)
    fault = found[1] if found else ""
    if fault == "silent":
        hang()
    if fault:
        raise ExitError(_old(fault, verb, thread) if era is Era.OLD else _current(fault, verb))


def _current(fault: str, verb: str) -> str:
    code = _CODES.get(fault)
    match fault, verb:
        case "401", "execute":
            return "Invalid or missing API key. Run 'amp login' to authenticate."
        case (("402" | "429"), "execute"):
            return f"getUserInfo error: {code}"
        case "offline", "execute":
            hint = "Check your network connection or the server URL and try again."
            return f"Couldn't connect to the Amp server at {server()}.\n\n{hint}"
        case (("401" | "402" | "429"), "continue"):
            return UNEXPECTED + REPORT[Era.CUR]
        case (("401" | "402" | "429" | "500"), ("export" | "markdown" | "delete")):
            method = "deleteThread" if verb == "delete" else "getThreadTail"
            reasons = {"401": "Invalid API key", "500": f"API request for {method} failed: 500"}
            return f"{failed(verb)}: {code or reasons[fault]}"
        case "401", _:
            return "Not logged in. Run 'amp login' to authenticate."
        case (("402" | "429"), _):
            return code or ""
        case "500", _:
            return _SERVER_ERROR
        case "offline", _:
            return _UNREACHABLE
        case _:
            return UNEXPECTED


def _old(fault: str, verb: str, thread: str) -> str:
    """It says what is wrong where it shows the balance, and where it does not know what is wrong."""
    if fault == "malformed" and verb in {"execute", "continue"}:
        shared = f"{thread} --support".lstrip()
        return f"{UNEXPECTED}\nUse 'amp threads share {shared}' to share this with the Amp team."
    if verb != "usage":
        return ""
    said = {"401": "Invalid or missing API key. Run 'amp login' to authenticate.", "offline": _UNREACHABLE}
    return said.get(fault, UNEXPECTED)


def failed(verb: str) -> str:
    return "Failed to render thread as markdown" if verb == "markdown" else f"Failed to {verb} thread"


def _log_in(*, waits: bool) -> None:
    """Without a key the real program starts a login flow, even without a terminal. It takes whatever it finds on
    standard input for the code, and where it finds nothing it waits forever."""
    address = f"{server()}auth/cli-login?authToken={secrets.token_hex(32)}"
    said = "No API key found. Starting login flow...\nIf your browser does not open automatically, visit:"
    write(1, f"{said}\n\n{address}\n\nWhen prompted, paste your code here: ".encode())
    if waits or sys.stdin is None or not sys.stdin.buffer.read(1):
        hang()
    raise ExitError(_LOGIN_FAILED.removesuffix("\n"), bare=True)
