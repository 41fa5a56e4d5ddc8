"""Formats runs for a terminal. Control characters in agents' output are removed or escaped."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from typing import assert_never

from bot.agent.stream import Dropped, Ended, Started, Stream, Text, ToolResult, ToolUse, cleaned
from bot.changes.changeset import SUBMODULE, SYMLINK, Change, ChangeSet
from bot.store.history import RunEvent
from bot.store.runs import Run

MAX_RESULT_LINES = 12

# C0 except tab, DEL, C1, bidirectional controls and surrogates.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def run_table(found: Iterable[Run], now: float) -> Iterator[str]:
    """A line for each run, after a line of headings. `now`: epoch seconds."""
    rows = [("RUN", "WHERE", "STATE", "AGE", "TOOK", "PR", "REQUEST")]
    for run in found:
        issue = run.request.issue
        took = duration((run.ended_at or now) - run.started_at) if run.started_at is not None else ""
        pull = f"#{run.pull}" if run.pull is not None else ""
        where = f"{issue.repo.full_name}#{issue.number}"
        rows.append((run.id[:8], where, run.state, duration(now - run.created_at), took, pull, _line(run.request.text)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def run_details(run: Run, events: Iterable[RunEvent], kept: Iterable[tuple[str, int]], thread_url: str | None) -> str:
    """Everything about one run. `kept`: (what is stored, its size in the unit it names)."""
    issue, request = run.request.issue, run.request
    fields: list[tuple[str, object]] = [
        ("run", run.id),
        ("state", run.state),
        ("where", f"{issue.repo.full_name}#{issue.number}  {issue.url}"),
        ("asked by", f"{request.actor.login} at {request.at}"),
        ("request", request.text),
        ("asked for", timestamp(run.created_at)),
        ("started", run.started_at and timestamp(run.started_at)),
        ("ended", run.ended_at and timestamp(run.ended_at)),
        ("base", run.pinned and f"{run.pinned.base_sha} ({run.pinned.base_branch})"),
        ("sandbox", run.sandbox),
        ("thread", thread_url),
        ("commit", run.commit),
        ("branch", run.branch),
        ("pull request", run.pull and f"#{run.pull}"),
        ("ending", run.ending and run.ending.message),
    ]
    lines = [f"{name:<13} {_indented(str(value), 14)}" for name, value in fields if value]
    lines += ["", "what happened"]
    lines += [f"  {timestamp(one.at)}  {one.event:<11} {_line(one.detail)}".rstrip() for one in events]
    lines += ["", "kept", *(f"  {name}: {size:,}" for name, size in kept)]
    return "\n".join(lines)


def transcript(line: str) -> Iterator[str]:
    """One line of Amp's stream as readable lines; none if it has nothing to show."""
    stream = Stream()
    for event in (*stream.feed(line.encode("utf-8", "replace") + b"\n"), *stream.finish()):
        match event:
            case Started(thread):
                yield f"* Amp began{f' ({thread})' if thread else ''}"
            case Text(text, nested):
                yield _indented(text, _depth(nested), first=True)
            case ToolUse(name, summary, nested):
                yield f"{' ' * _depth(nested)}> {name} {summary}".rstrip()
            case ToolResult(is_error, text, nested):
                yield from _result(text, is_error, _depth(nested))
            case Ended(ok, text, turns, milliseconds):
                how = "ended" if ok else f"failed: {text}"
                yield f"* Amp {how} ({turns} turns, {duration(milliseconds / 1000)})"
            case Dropped(size):
                yield f"* a line of {size:,} bytes was not read"
            case _:
                assert_never(event)
    if stream.stray.strip():
        yield f"? {stream.stray.strip()}"


def raw(line: str) -> str:
    """The stored line with control characters as JSON escapes, so JSON keeps its meaning."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def diff(changes: ChangeSet) -> Iterator[str]:
    """The change set, with new contents in full. Old contents are not stored."""
    for change in changes.changes:
        path = cleaned(_text(change.path)).replace("\n", " ")
        old, new = change.old_mode or "000000", change.mode
        yield f"{change.status}: {path}{'' if old == new else f' (mode {old} -> {new})'}"
        yield from _content(change)
    for path in changes.left_out:
        yield f"left out: {cleaned(_text(path))}"


def _content(change: Change) -> Iterator[str]:
    if change.content is None:
        if change.mode == SUBMODULE:
            yield f"  a submodule at {change.blob}"
        return
    if change.mode == SYMLINK:
        yield f"  a link to {cleaned(_text(change.content.decode('utf-8', 'surrogateescape')))}"
        return
    try:
        text = change.content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        yield f"  binary, {len(change.content):,} bytes"
        return
    for line in text.splitlines():
        yield f"+{cleaned(line)}"


def duration(seconds: float) -> str:
    """Seconds as 42s, 5m 03s, 2h 10m or 3d 4h."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if not minutes:
        return f"{whole}s"
    if not hours:
        return f"{minutes}m {whole % 60:02}s"
    return f"{hours}h {minutes % 60:02}m" if not days else f"{days}d {hours % 24}h"


def timestamp(at: float) -> str:
    """Epoch seconds as UTC date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def _result(text: str, is_error: bool, depth: int) -> Iterator[str]:
    lines = text.splitlines()
    mark = "!" if is_error else "|"
    yield from (f"{' ' * depth}  {mark} {line}" for line in lines[:MAX_RESULT_LINES])
    if len(lines) > MAX_RESULT_LINES:
        yield f"{' ' * depth}  {mark} … {len(lines) - MAX_RESULT_LINES} more lines"


def _depth(nested: bool) -> int:
    return 2 if nested else 0


def _indented(text: str, by: int, *, first: bool = False) -> str:
    shown = cleaned(text).replace("\n", "\n" + " " * by)
    return " " * by + shown if first else shown


def _line(text: str, limit: int = 60) -> str:
    line = " ".join(cleaned(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
