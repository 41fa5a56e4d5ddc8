"""What a command answers, told apart from all else that its shell and the processes behind it print."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from dataclasses import dataclass

from bot.sandbox.errors import OutputError

# Characters that a command and its shell may print. Our largest output is a part of the agent's output in base64.
MAX_OUTPUT = 2_000_000

# Characters of a line of the answer.
MAX_LINE = 4_096

# E2B runs commands in login shells, whose profile the agent may have changed: it can print, and leave processes that go
# on printing and hold the output open. So a command's output goes to files, and when it has ended, the shell prints
# them in lines, each with a mark which is new for every command. From its mark to its end, a line is shorter than what
# the kernel writes to a pipe in one piece (4,096 bytes), so that nobody else's output gets into it:
# https://man7.org/linux/man-pages/man7/pipe.7.html
# Before its mark, somebody else's may stand: bash writes the line break in front on its own. The last line tells how
# many bytes there were, so that no line is lost unseen.
_WRAPPER = """\
set +e
(
{command}
) > /tmp/{mark}.out 2> /tmp/{mark}.err < /dev/null
ampbot_code=$?
ampbot_size=$(cat /tmp/{mark}.out /tmp/{mark}.err | wc -c)
for ampbot_name in out err; do
  [ ! -s /tmp/{mark}.$ampbot_name ] ||
    base64 -w 3000 /tmp/{mark}.$ampbot_name | while read -r ampbot_line || [ -n "$ampbot_line" ]; do
      printf '\\n%s %s %s\\n' {mark} $ampbot_name "$ampbot_line"
    done
done
rm -f /tmp/{mark}.out /tmp/{mark}.err
printf '\\n%s end %s %s\\n' {mark} $ampbot_code $ampbot_size
"""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ended."""

    exit_code: int
    stdout: str
    stderr: str


class Answer:
    """Collects one command's answer from what its shell prints."""

    def __init__(self) -> None:
        self._mark = f"ampbot-{secrets.token_hex(16)}"
        self._size = 0
        self._incomplete = ""  # the last line so far
        self._encoded: dict[str, list[str]] = {"out": [], "err": []}
        self._exit_code: int | None = None
        self._bytes = 0  # that the command printed
        self.complete = asyncio.Event()

    def wrap(self, command: str) -> str:
        """The text to run in place of the command."""
        return _WRAPPER.format(command=command, mark=self._mark)

    def feed(self, part: str) -> None:
        """Take a part of the shell's output. Raises OutputError: it is too long, or damaged."""
        if self._exit_code is not None:
            return  # somebody else's
        self.ignore(part)
        *lines, incomplete = (self._incomplete + part).split("\n")
        self._incomplete = incomplete[:MAX_LINE]  # a longer one is not ours
        for line in lines:
            _, mark, rest = line.partition(f"{self._mark} ")
            if mark:
                self._take(rest.split(" "))

    def ignore(self, part: str) -> None:
        """Only count it: the agent can make every shell in its sandbox print without end. Raises OutputError."""
        self._size += len(part)
        if self._exit_code is None and self._size > MAX_OUTPUT:
            raise OutputError(f"a command in the sandbox printed more than {MAX_OUTPUT:,} characters")

    def result(self) -> CommandResult:
        """Raises OutputError: the command was not run to its end, or a part of what it printed is missing."""
        if self._exit_code is None:
            raise OutputError("the sandbox's shell did not run the command")
        out, err = self._decoded("out"), self._decoded("err")
        if len(out) + len(err) != self._bytes:
            raise OutputError("a part of a command's answer is missing")
        return CommandResult(self._exit_code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def _take(self, words: list[str]) -> None:
        match words:
            case ["out" | "err" as kind, encoded]:
                self._encoded[kind].append(encoded)
            case ["end", code, size] if _is_number(code, 3) and _is_number(size, 10):
                self._exit_code, self._bytes = int(code), int(size)
                self.complete.set()
            case _:
                raise OutputError("a command's answer is malformed")

    def _decoded(self, kind: str) -> bytes:
        try:
            # Each line holds whole groups of four, so that they can be decoded in one.
            return base64.b64decode("".join(self._encoded[kind]), validate=True)
        except binascii.Error:
            raise OutputError("a command's answer is malformed") from None


def _is_number(text: str, most_digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= most_digits
