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
from .account import REPORT, UNEXPECTED, ExitError, admit, server
from .options import COMMANDS, VERSIONS, Line, help_text, read, refused_by_server
from .stream import Era, Stream, encode, write
from .turn import CrashError, TurnError, hang, obey

_NO_MESSAGE = """\
User message must be provided through stdin or as argument when using execute mode

Either pass a message as an argument: amp --execute "your message"
Or pipe via stdin: echo "your message" | amp --execute"""
_NOT_UTF8 = (
    "Standard input is not valid UTF-8 and may contain binary data. Amp execute mode only accepts UTF-8 text on stdin."
)
_EXAMPLE = "T-7b1c2d3e-4f50-4a61-8b72-9c83ad94be05"


def main(argv: list[str]) -> int:
    """Runs one command line and returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    era = Era(os.environ.get("AMP_RIG_ERA") or "cur")
    try:
        _run([os.fsencode(word).decode("utf-8", "replace") for word in argv], era)
    except ExitError as end:
        write(2, end.stderr(era))
        return 1
    except CrashError as crash:
        write(2, f"{crash}\n".encode("utf-8", "backslashreplace"))
        return 1
    return 0


def _run(argv: list[str], era: Era) -> None:
    line = read(argv, era)
    if line.has("--version") or line.has("-v"):
        return _print(VERSIONS[era])
    if line.has("--help"):
        return _print(help_text(era, " ".join(line.words[:2])).rstrip())
    match line.words:
        case ["threads"]:
            return _threads("list", [], line, era)
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
        case ["version"] if era is Era.CUR:
            return _print(VERSIONS[era])
        case [word, *_] if word in COMMANDS:
            raise ExitError(f"error: command '{' '.join(line.words)}' is not played by the stand-in")
        case [word, *_]:
            listed = "Run amp --help for a list of available commands."
            raise ExitError(f"Unknown command \"{word}\". Run 'amp --help' for the full list.\n\n{listed}")
        case _:
            return _execute(line, era, None)


def _threads(verb: str, words: list[str], line: Line, era: Era) -> None:
    match verb, words:
        case "continue", _:
            _execute(line, era, _continued(words, line, era))
        case "new", []:
            admit("new", era)
            thread = threads.Thread(threads.new_id(), "", _mode(line, era), _visibility(line), _parent())
            threads.save(thread)
            _print(f"https://ampcode.com/threads/{thread.id}")
        case "list", []:
            admit("list", era)
            _list(line)
        case (("export" | "markdown" | "delete"), [word]):
            wanted = _id(word, era)
            admit(verb, era)
            if verb == "delete":
                threads.delete(wanted)
                _print(f"✓ Thread {_address(wanted, era)} deleted")
            elif verb == "export":
                thread = _load(wanted, era)
                _print(json.dumps({"v": 1, "id": thread.id, "title": thread.title, "messages": thread.messages}))
            else:
                _print("\n\n".join(_markdown(_load(wanted, era))))
        case _:  # another word is not looked at
            admit("list", era)
            _list(line)


def _continued(words: list[str], line: Line, era: Era) -> str:
    if words:
        return _id(words[0], era)
    if found := _last_used():
        return found
    if era is Era.OLD:
        hint = "Provide a thread ID as an argument or run a thread first."
        raise ExitError(f"No thread ID provided and no previously used thread found.\n\n{hint}")
    hint = "Run amp threads continue to pick a thread, provide a thread URL or ID, or start a new thread."
    raise ExitError(f"No previously used thread found in this checkout.\n\n{hint}")


def _id(word: str, era: Era) -> str:
    """The thread id. It is checked before any request to the server."""
    found = threads.id_of(word, server() if era is Era.CUR else "")
    if found is not None:
        return found
    address = f"https://ampcode.com/threads/{_EXAMPLE}"
    if era is Era.OLD:
        hint = f"Provide a valid thread ID (e.g., {_EXAMPLE}) or thread URL (e.g., {address})"
        raise ExitError(f"Invalid thread ID or URL: {word}\n\n{hint}")
    hint = f"Provide a valid thread URL (e.g., {address}) or ID (e.g., {_EXAMPLE})"
    raise ExitError(f"Invalid thread URL or ID: {word}\n\n{hint}")


def _address(thread: str, era: Era) -> str:
    return f"{server()}threads/{thread}" if era is Era.CUR else thread


def _load(thread: str, era: Era) -> threads.Thread:
    """Raises: ExitError. Only its owner may continue a thread, and the program takes the refusal for an old key's."""
    try:
        found = threads.load(thread)
    except threads.ForeignThreadError:
        if era is Era.OLD:
            raise ExitError(UNEXPECTED) from None
        raise ExitError("Access token expired. Run 'amp login' to refresh.") from None
    if found is None:
        raise ExitError(f"Thread {_address(thread, era)} does not exist.", bare=True)
    return found


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
        admit(verb, era, thread=continued or "", waits=era is Era.OLD and continued is None)
    if line.has("--stream-json-input"):
        admit(verb, era, thread=continued or "")
    prompts = _prompts(line, era)
    try:
        first = next(prompts, "")
    except UnicodeDecodeError:
        raise ExitError(_NOT_UTF8) from None
    if not first.strip():
        raise ExitError(_NO_MESSAGE)
    _leave_traces(line, f"{verb} in {Path.cwd()}")
    admit(verb, era, thread=continued or "")
    if reason := refused_by_server(line, era):
        _leave_traces(line, reason)
        raise ExitError(UNEXPECTED + REPORT[era])
    if continued is None:
        title = line.last("--title") or first.strip().split("\n")[0][:80]
        thread = threads.Thread(threads.new_id(), title, _mode(line, era), _visibility(line), _parent())
        thread.labels = [label for label in line.options.get("--label", []) if label]
    else:
        thread = _load(continued, era)
        if thread.archived and era is Era.CUR:
            raise ExitError("This thread is archived and cannot be continued.")
    threads.save(thread)
    _session().write_bytes(encode({"lastThreadId": thread.id}))

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


def _prompts(line: Line, era: Era) -> Iterator[str]:
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
    raw = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    piped = raw.decode("utf-8", "strict" if era is Era.CUR else "replace")
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


def _last_used() -> str | None:
    """The thread that this sandbox has used last."""
    try:
        return str(json.loads(_session().read_bytes())["lastThreadId"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _session() -> Path:
    return Path.home() / ".local/share/amp/session.json"


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
        raise ExitError(UNEXPECTED + REPORT[Era.CUR]) from problem


def _uuid() -> str:
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", secrets.token_hex(16))


def _print(text: str) -> None:
    write(1, f"{text}\n".encode("utf-8", "backslashreplace"))
