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
# them in lines that each begin with a mark which is new for every command. A line is shorter than what the kernel
# writes to a pipe in one piece (4,096 bytes), so that nobody else's output gets into it:
# https://man7.org/linux/man-pages/man7/pipe.7.html
_WRAPPER = """\
set +e
(
{command}
) > /tmp/{mark}.out 2> /tmp/{mark}.err < /dev/null
ampbot_code=$?
for ampbot_name in out err; do
  [ ! -s /tmp/{mark}.$ampbot_name ] ||
    base64 -w 3000 /tmp/{mark}.$ampbot_name | while read -r ampbot_line || [ -n "$ampbot_line" ]; do
      printf '\\n%s %s %s\\n' {mark} $ampbot_name "$ampbot_line"
    done
done
rm -f /tmp/{mark}.out /tmp/{mark}.err
printf '\\n%s end %s\\n' {mark} $ampbot_code
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
            mark, _, rest = line.partition(" ")
            if mark == self._mark:
                self._take(*rest.partition(" ")[::2])

    def ignore(self, part: str) -> None:
        """Only count it: the agent can make every shell in its sandbox print without end. Raises OutputError."""
        self._size += len(part)
        if self._exit_code is None and self._size > MAX_OUTPUT:
            raise OutputError(f"a command in the sandbox printed more than {MAX_OUTPUT:,} characters")

    def result(self) -> CommandResult:
        """Raises OutputError: the command was not run to its end."""
        if self._exit_code is None:
            raise OutputError("the sandbox's shell did not run the command")
        return CommandResult(self._exit_code, self._decoded("out"), self._decoded("err"))

    def _take(self, kind: str, value: str) -> None:
        if kind in self._encoded:
            self._encoded[kind].append(value)
        elif kind == "end" and value.isdecimal() and len(value) <= 3:
            self._exit_code = int(value)
            self.complete.set()
        else:
            raise OutputError("a command's answer is malformed")

    def _decoded(self, kind: str) -> str:
        try:
            # Each line holds whole groups of four, so that they can be decoded in one.
            return base64.b64decode("".join(self._encoded[kind]), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise OutputError("a command's answer is malformed") from None
