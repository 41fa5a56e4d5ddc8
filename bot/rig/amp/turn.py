"""One turn: executes the instructions of a prompt in order, and builds the final answer."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import NoReturn

from . import actions
from .language import Instruction, parse, request_of
from .stream import SHELL, Stream

REQUESTS = "AMP-REQUEST.md"
SCRIPT = "AMP-SCRIPT.md"

_SCRIPTED = (
    "I am the scripted stand-in for Amp and understood no instruction in this request, "
    f"so I added its text to {REQUESTS}. `ampbot rig --help` lists what I understand."
)

# Lines that a reader has to tolerate: none is an event, and none may end the run or hide what follows.
_GARBAGE = (
    b"\xff\xfe\x80 not UTF-8, not JSON\n",
    b"\x1b[31mred\x1b[0m \x1b]0;a window title\x07\x1bP1$q\x1b\\\n",
    b"\r\n\n   \n",
    b"null\n[]\n42\n{}\n",
    b'{"type":"telemetry","payload":[1,2,3]}\n{"type":["assistant"]}\n',
    b'{"type":"assistant","message":null}\n{"type":"assistant","message":{"content":7,"usage":[]}}\n',
    b'{"type":"assistant","message":{"content":[null,{"type":"tool_use"},{"type":"hologram"}]}}\n',
    b'{"type":"result","subtype":"suc\n',
    b'cess","is_error":false,"result":"half a line"}\n',
    b"[" * 100_000 + b"\n",
    b'{"type":"user","n":' + b"9" * 5_000 + b"}\n",
)


class TurnError(Exception):
    """The turn ends with an error event; the program still exits with 0."""


class CrashError(Exception):
    """The program exits with this text on standard error and without a last event."""


def obey(prompt: str, stream: Stream, *, allow_all: bool) -> str:
    """Execute one prompt. Returns the final answer, after sending it as a message. Raises TurnError, CrashError."""
    stream.prompt(prompt)
    request = request_of(prompt)
    script = parse(request) or parse(_script_in_checkout())
    if script:
        answer = _perform(script, stream, allow_all)
    else:
        text = request.replace("\r\n", "\n").strip() + "\n"
        if Path(REQUESTS).exists():
            note = Instruction("append", path=REQUESTS, text=f"\n{text}")
        else:
            note = Instruction("create", path=REQUESTS, text=f"# Requests to Amp\n\n{text}")
        _perform((note,), stream, allow_all)
        answer = _SCRIPTED
    stream.say(answer)
    return answer


def _script_in_checkout() -> str:
    """The instructions in the checkout's script, for reviews and labels, whose prompts hold none."""
    try:
        return Path(SCRIPT).read_text("utf-8", "replace")
    except OSError:
        return ""


def _perform(script: tuple[Instruction, ...], stream: Stream, allow_all: bool) -> str:
    done: list[str] = []
    failed: list[str] = []
    answers: list[str] = []
    comments: list[Instruction] = []
    title: str | None = None
    for step in script:
        if call := actions.call(step, stream.era):
            shown = f"{step.verb} {step.path or step.text.strip()}".strip()
            (done if _use(call, stream, allow_all) else failed).append(shown)
            continue
        match step.verb:
            case "answer":
                answers.append(step.text.strip())
            case "title":
                title = step.text.strip()
            case "review":
                comments.append(step)
            case _:
                _act(step, stream)
    answer = "\n\n".join(answers) or _account(done, failed)
    if comments:
        return _block("review", json.dumps(_review(answer, comments), ensure_ascii=False, indent=2))
    if title is not None:
        description = _block("pull-request", f"{title}\n\n{answer}")
        return f"{answer}\n\n{description}"
    return answer


def _use(call: actions.Call, stream: Stream, allow_all: bool) -> bool:
    """Do a tool call between the two events that show it. Returns whether it worked."""
    shown = stream.call(call.tool, call.arguments)
    if not allow_all:
        stream.answer(shown, f"Tool {call.tool} rejected by user: approval needed", is_error=True)
        why = "The following tools require user approval, which is not supported in stream JSON mode"
        raise TurnError(f"{why}: {call.tool}")
    try:
        text = call.effect()
    # ValueError: a NUL or a lone surrogate in a path
    except (actions.ToolError, OSError, ValueError) as problem:
        stream.answer(shown, str(problem), is_error=True)
        return False
    stream.answer(shown, text, is_error=False)
    return True


def _act(step: Instruction, stream: Stream) -> None:
    """Execute an instruction that is a message, noise, or an end of the run."""
    match step.verb:
        case "say":
            stream.say(step.text.strip())
        case "recall":
            stream.say("\n---\n".join(_requests(stream)) or "This thread is new.")
        case "delegate":
            call = stream.call("Task", {"description": "Delegated", "prompt": step.text.strip()})
            stream.say(step.text.strip(), parent=call)
            stream.answer(call, step.text.strip(), is_error=False)
        case "steps":
            for number in range(1, step.count + 1):
                time.sleep(step.seconds)
                stream.say(f"Step {number} of {step.count}.")
        case "flood":
            line = "All work and no play makes a long log. " * 25
            for _ in range(step.count // len(line) + 1):
                stream.say(line, keep=False)
        case "flood-line":
            call = stream.call(SHELL[stream.era][0], {SHELL[stream.era][1]: "tr -dc a-z < /dev/urandom"})
            stream.answer(call, "z" * step.count, is_error=False)
        case "garbage":
            for line_of_garbage in _GARBAGE:
                stream.raw(line_of_garbage)
            stream.say("\x1b[1mBold\x1b[0m\x00\x07 words\r\nafter \ud800 garbage\x1b]8;;x:\x07")
        case "fail":
            raise TurnError(step.text.strip())
        case "crash":
            raise CrashError(step.text)
        case "die":
            stream.raw(b'{"type":"assistant","message":{"type":"mess')
            os.kill(os.getpid(), signal.SIGKILL)
        case "linger":
            stream.lingers = True
        case "hang":
            hang()


def _requests(stream: Stream) -> list[str]:
    """What was asked for in this thread before."""
    asked = [message for message in stream.messages[:-1] if message["role"] == "user"]
    texts = [block["text"] for message in asked for block in message["content"] if block["type"] == "text"]
    return [request_of(text).strip() for text in texts]


def hang() -> NoReturn:
    """Waits for a signal that ends the program."""
    while True:
        signal.pause()


def _account(done: list[str], failed: list[str]) -> str:
    """The answer of a script that gives none."""
    parts = [f"Done: {'; '.join(done)}."] if done else []
    if failed:
        parts.append(f"Failed: {'; '.join(failed)}.")
    return " ".join(parts) or "There was nothing to change."


def _review(summary: str, comments: list[Instruction]) -> dict[str, object]:
    def shown(comment: Instruction) -> dict[str, object]:
        start = {} if comment.start_line is None else {"start_line": comment.start_line}
        return {
            "path": comment.path,
            "line": comment.line,
            **start,
            "side": "RIGHT",
            "body": comment.text.strip(),
        }

    return {"summary": summary, "comments": [shown(comment) for comment in comments]}


def _block(info: str, content: str) -> str:
    """A fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{content}\n{fence}"
