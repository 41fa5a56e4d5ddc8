"""Instructions that are tool calls: their effect on the working directory, and how Amp shows them."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .language import Instruction
from .stream import SHELL, Era

OUTPUT_CAP = 50_000  # bytes of a command's output kept in the tool result


class ToolError(Exception):
    """A tool call that ends in an error result; the run goes on."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as shown, and its effect: returns the result's text or raises ToolError or OSError."""

    tool: str
    arguments: dict[str, Any]
    effect: Callable[[], str]


def call(instruction: Instruction, era: Era) -> Call | None:
    """The tool call of an instruction; None if it is a message or ends the run."""
    i = instruction
    quoted = shlex.quote(i.path)

    def shell(command: str, effect: Callable[[Instruction], str]) -> Call:
        tool, argument = SHELL[era]
        return Call(tool, {argument: command}, lambda: effect(i))

    match i.verb:
        case "create":
            shown = {"path": str(Path.cwd() / i.path), "content": i.text}
            return Call("create_file", shown, lambda: _create(i))
        case "replace":
            shown = {"path": str(Path.cwd() / i.path), "old_str": i.old, "new_str": i.new}
            return Call("edit_file", shown, lambda: _replace(i))
        case "append":
            return shell(f"printf %s {shlex.quote(i.text)} >> {quoted}", _append)
        case "binary":
            return shell(f"head -c {i.count} /dev/urandom > {quoted}", _binary)
        case "many":
            return shell(f"for n in $(seq {i.count}); do echo $n > {quoted}/$n.txt; done", _many)
        case "delete":
            return shell(f"rm -r {quoted}", _delete)
        case "rename":
            return shell(f"mv {quoted} {shlex.quote(i.to)}", _rename)
        case "chmod":
            return shell(f"chmod {i.mode or 0:o} {quoted}", _chmod)
        case "link":
            return shell(f"ln -s {shlex.quote(i.to)} {quoted}", _link)
        case "run":
            return shell(i.text, _run)
        case "wait":
            return shell(f"sleep {i.seconds:g}", _wait)
        case _:
            return None


def _content(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _file(path: str) -> Path:
    """The path, after creating its parent folders."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _create(i: Instruction) -> str:
    place = _file(i.path)
    place.write_bytes(_content(i.text))
    if i.mode is not None:
        place.chmod(i.mode)
    return f"Successfully created file {i.path}"


def _replace(i: Instruction) -> str:
    place, old = Path(i.path), _content(i.old)
    before = place.read_bytes()
    if old not in before:
        raise ToolError(f"Could not find exact match for old_str in {i.path}")
    place.write_bytes(before.replace(old, _content(i.new), 1))
    return f"Edited {i.path}"


def _append(i: Instruction) -> str:
    with _file(i.path).open("ab") as file:
        file.write(_content(i.text))
    return ""


def _binary(i: Instruction) -> str:
    noise = b"\x00\xff" + random.Random(f"{i.path} {i.count}").randbytes(min(i.count, 1 << 20))
    _file(i.path).write_bytes((noise * (i.count // len(noise) + 1))[: i.count])
    return ""


def _many(i: Instruction) -> str:
    for number in range(1, i.count + 1):
        _file(f"{i.path}/file-{number:05d}.txt").write_bytes(_content(f"{i.path}: {number} of {i.count}\n"))
    return ""


def _delete(i: Instruction) -> str:
    place = Path(i.path)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
    return ""


def _rename(i: Instruction) -> str:
    Path(i.path).rename(_file(i.to))
    return ""


def _chmod(i: Instruction) -> str:
    Path(i.path).chmod(i.mode or 0)
    return ""


def _link(i: Instruction) -> str:
    _file(i.path).symlink_to(i.to)
    return ""


def _wait(i: Instruction) -> str:
    time.sleep(i.seconds)
    return ""


def _run(i: Instruction) -> str:
    # To a file, not a pipe: a background process of the command would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        ended = subprocess.run(
            ["bash", "-c", _content(i.text)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - OUTPUT_CAP))
        text = output.read().decode("utf-8", "replace")
    if size > OUTPUT_CAP:
        text = f"[{size - OUTPUT_CAP} bytes left out]\n{text}"
    if ended.returncode:
        raise ToolError(f"{text.rstrip()}\n\nExit code: {ended.returncode}".lstrip())
    return text
