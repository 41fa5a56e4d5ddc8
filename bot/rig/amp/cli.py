"""The stand-in's commands: what they do, the order of their checks, and the files they leave."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import threads
from .account import UNEXPECTED, ExitError, admit
from .options import COMMANDS, VERSIONS, Line, help_text, read, refused_by_server
from .stream import Era, Stream, encode, write
from .turn import CrashError, TurnError, hang, obey

_NO_MESSAGE = "User message must be provided through stdin or as argument when using execute mode"


def main(argv: list[str]) -> int:
    """Runs one command line and returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    era = Era(os.environ.get("AMP_RIG_ERA") or "cur")
    try:
        _run([os.fsencode(word).decode("utf-8", "replace") for word in argv], era)
    except ExitError as end:
        write(2, end.stderr)
        return 1
    except CrashError as crash:
        write(2, f"{crash}\n".encode("utf-8", "backslashreplace"))
        return 1
    return 0


def _run(argv: list[str], era: Era) -> None:
    line = read(argv, era)
    if line.has("--version"):
        return _print(VERSIONS[era])
    if line.has("--help"):
        return _print(help_text(era, " ".join(line.words[:2])).rstrip())
    match line.words:
        case ["threads", verb, *rest]:
            return _threads(verb, rest, line, era)
        case ["usage"]:
            admit("usage", era)
            return _print("Signed in as rig@example.com\nCredits: $10.00 remaining")
        case ["permissions", "list"]:
            return _print("allow *" if _allows_all(line) else "ask *")
        case ["tools", "list"]:
            admit("tools", era)
            return _print("Read\ncreate_file\nedit_file\nTask")
        case [word, *_] if not line.has("--execute"):
            kind = "is not played by the stand-in" if word in COMMANDS else "is unknown"
            raise ExitError(f"error: command '{' '.join(line.words)}' {kind}")
        case _:
            return _execute(line, era, None)


def _threads(verb: str, words: list[str], line: Line, era: Era) -> None:
    match verb, words:
        case "continue", _:
            _execute(line, era, _continued(words, line))
        case "new", []:
            admit("new", era)
            thread = threads.Thread(threads.new_id(), "", _mode(line, era), _visibility(line), _parent())
            threads.save(thread)
            _print(f"https://ampcode.com/threads/{thread.id}")
        case "list", []:
            admit("list", era)
            _list(line)
        case (("export" | "markdown" | "delete"), [word]):
            wanted = _id(word)
            admit(verb, era)
            thread = threads.load(wanted) or _absent(verb)
            if verb == "export":
                _print(json.dumps({"v": 1, "id": thread.id, "title": thread.title, "messages": thread.messages}))
            elif verb == "markdown":
                _print("\n\n".join(_markdown(thread)))
            else:
                (threads.folder() / f"{thread.id}.json").unlink()
        case _:
            raise ExitError(f"error: command 'threads {verb}' is not played by the stand-in")


def _continued(words: list[str], line: Line) -> str:
    if words:
        return _id(words[0])
    if line.has("--last") and (found := threads.newest_first()):
        return found[0].id
    raise ExitError("error: missing required argument 'threadId'")


def _id(word: str) -> str:
    """The thread id. It is checked before any request to the server."""
    found = threads.id_of(word)
    if found is None:
        raise ExitError(f"Invalid thread URL or ID: {word}")
    return found


def _absent(verb: str) -> threads.Thread:
    raise ExitError(f"Failed to {verb} thread: Thread not found")


def _list(line: Line) -> None:
    found = [thread for thread in threads.newest_first() if line.has("--include-archived") or not thread.archived]
    start = int(line.last("--offset") or 0)
    found = found[start : start + int(line.last("--limit") or 50)]
    if line.has("--json"):
        rows = [
            {
                "id": thread.id,
                "title": thread.title,
                "updated": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(thread.updated)),
                "tree": None,
                "messageCount": len(thread.messages),
            }
            for thread in found
        ]
        return _print(json.dumps(rows))
    return _print("\n".join(f"{thread.id}  {thread.title}" for thread in found))


def _markdown(thread: threads.Thread) -> Iterator[str]:
    yield f"# {thread.title}"
    for message in thread.messages:
        for block in message["content"]:
            if block["type"] == "text":
                yield f"## {message['role'].capitalize()}\n\n{block['text']}"


def _execute(line: Line, era: Era, continued: str | None) -> None:
    if not line.has("--execute") and sys.stdout.isatty():
        raise ExitError("The stand-in has no terminal interface; use -x")
    verb = "execute" if continued is None else "continue"
    if not os.environ.get("AMP_API_KEY"):
        admit(verb, era)
    prompts = _prompts(line)
    first = next(prompts, "")
    if not first.strip():
        raise ExitError(_NO_MESSAGE)
    _leave_traces(line, f"{verb} in {Path.cwd()}")
    admit(verb, era)
    if reason := refused_by_server(line, era):
        _leave_traces(line, reason)
        raise ExitError(UNEXPECTED)
    if continued is None:
        title = line.last("--title") or first.strip().split("\n")[0][:80]
        thread = threads.Thread(threads.new_id(), title, _mode(line, era), _visibility(line), _parent())
        thread.labels = [label for label in line.options.get("--label", []) if label]
    else:
        thread = threads.load(continued) or _absent(verb)
    threads.save(thread)

    thinking = line.has("--stream-json-thinking")
    as_json = thinking or line.has("--stream-json")
    stream = Stream(
        thread=thread.id,
        era=era,
        mode=thread.mode,
        messages=thread.messages,
        shown=as_json,
        thinking=thinking,
    )
    stream.init()
    try:
        answer = obey(first, stream, allow_all=_allows_all(line))
        for prompt in prompts:
            answer = obey(prompt, stream, allow_all=_allows_all(line))
        stream.succeed(answer)
    except TurnError as failure:
        stream.fail(str(failure))
        if not as_json:
            raise ExitError(str(failure)) from failure
        return
    finally:
        archives = not line.has("--no-archive-after-execute") if era is Era.CUR else line.has("--archive")
        thread.archived = thread.archived or (continued is None and archives)
        threads.save(thread)
    if not as_json:
        _print(answer)
    if stream.lingers:
        hang()


def _prompts(line: Line) -> Iterator[str]:
    """The message of the argument and standard input together; or, with --stream-json-input, one a line."""
    given = line.last("--execute") or ""
    if line.has("--stream-json-input"):
        if given:
            yield given
        for row in sys.stdin.buffer:
            if row.strip():
                yield _message(row)
        return
    # Read to its end even if there is an argument: the real program, too, hangs on a pipe that nobody closes.
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "replace")
    yield "\n".join(part for part in (given, piped) if part)


def _message(row: bytes) -> str:
    try:
        content = json.loads(row)["message"]["content"]
        return "\n".join(block["text"] for block in content if block["type"] == "text")
    except (ValueError, KeyError, TypeError) as problem:
        raise ExitError(f"Invalid JSON input: {problem}") from problem


def _mode(line: Line, era: Era) -> str:
    return line.last("--mode") or ("medium" if era is Era.CUR else "smart")


def _visibility(line: Line) -> str:
    return line.last("--visibility") or "private"


def _parent() -> str | None:
    return os.environ.get("AMP_THREAD_ID") or None


def _allows_all(line: Line) -> bool:
    if line.has("--dangerously-allow-all"):
        return True
    place = line.last("--settings-file") or os.environ.get("AMP_SETTINGS_FILE")
    try:
        settings = json.loads(Path(place or Path.home() / ".config/amp/settings.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("amp.dangerouslyAllowAll") is True


def _leave_traces(line: Line, text: str) -> None:
    """Write the files that the real program writes outside the working directory: its log and a device id."""
    home = Path.home()
    place = line.last("--log-file") or os.environ.get("AMP_LOG_FILE")
    log = Path(place) if place else home / ".cache/amp/logs/cli.log"
    device = home / ".local/share/amp/device-id.json"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(encode({"level": "info", "message": text, "pid": os.getpid()}) + b"\n")
        device.parent.mkdir(parents=True, exist_ok=True)
        if not device.exists():
            device.write_bytes(encode({"installationID": _uuid()}))
    except OSError as problem:
        raise ExitError(UNEXPECTED) from problem


def _uuid() -> str:
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", secrets.token_hex(16))


def _print(text: str) -> None:
    write(1, f"{text}\n".encode("utf-8", "backslashreplace"))
