"""Starts the agent once and polls its output file until it ends. The agent does not depend on our process."""

from __future__ import annotations

import asyncio
import base64
import math
import re
import time
from dataclasses import dataclass, field, replace

import structlog

from bot.agent.outcome import Failure, conclude
from bot.agent.stream import LINE_CAP, Stream, Text, ToolUse
from bot.caps import Caps
from bot.context import Context
from bot.github.errors import GitHubError
from bot.model import Ending, RunState
from bot.run.prepare import COLLECTING, lifetime
from bot.run.reading import off_loop
from bot.sandbox.client import Sandbox
from bot.sandbox.errors import CommandTimeoutError, OutputError
from bot.sandbox.scripts import AGENT_ERRORS, script
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

# One poll waits this long for output, and returns at most this much of it.
POLL_SECONDS = 15
POLL_BYTES = 512 * 1024
_POLLED = re.compile(r"(?P<state>running|lost|exit [^\n]{0,20})\n(?P<size>[0-9]{1,15})\n(?P<data>[A-Za-z0-9+/=]*)\s*")
# The time a stopped agent has to end.
STOP_SECONDS = 30.0
# The time Amp has to end by itself once it has told its result.
RESULT_SECONDS = 5.0
# Edits of progress comments per second, over all runs: GitHub may count each as new content (500 an hour).
EDITS_PER_SECOND = 10.0
# Bytes and lines. An agent that writes more is stopped.
MAX_OUTPUT = 100 * 1024 * 1024
MAX_LINES = 100_000
MAX_STDERR = 64 * 1024
# Lines of the transcript read at once after a restart. Each may have a megabyte.
LINES_AT_ONCE = 50


@dataclass(slots=True)
class _OutputReader:
    """Our position in the agent's output. After a restart it is rebuilt from the transcript."""

    stream: Stream = field(default_factory=Stream)
    sequence: int = 0  # of the next transcript line
    offset: int = 0  # bytes read so far
    partial_line: bytes = b""  # read, but not yet complete
    tools: int = 0
    last_text: str = ""
    last_output_at: float = 0.0  # monotonic
    last_edit_at: float = 0.0  # monotonic; of the progress comment
    result_at: float = math.inf  # monotonic; when Amp told its result

    def take(self, data: bytes) -> tuple[tuple[int, str], ...]:
        """Add output. Return the lines it completes, each with the offset after it."""
        start = self.offset - len(self.partial_line)
        self.offset += len(data)
        *complete, self.partial_line = (self.partial_line + data).split(b"\n")
        lines: list[tuple[int, str]] = []
        for line in complete:
            start += len(line) + 1
            if not line:  # no row in the database for each of a million newlines
                continue
            self.note(line + b"\n")
            if self.sequence + len(lines) < MAX_LINES:
                lines.append((start, line.decode("utf-8", "replace") if len(line) <= LINE_CAP else ""))
        if len(self.partial_line) > LINE_CAP:
            # The stream drops such a line, too. Keeping it would fill the memory.
            self.note(self.partial_line)
            self.partial_line = b""
        return tuple(lines)

    def note(self, data: bytes) -> None:
        for event in self.stream.feed(data):
            if isinstance(event, ToolUse):
                self.tools += 1
            elif isinstance(event, Text) and not event.nested:
                self.last_text = event.text
        if self.stream.ended is not None:
            self.result_at = min(self.result_at, time.monotonic())


async def work(context: Context, run: Run) -> Ending | None:
    """Start Amp if it is not running, follow its output until it ends, and store the outcome."""
    assert run.sandbox is not None  # noqa: S101 - set by prepare()
    sandbox = await context.sandboxes.open(run.sandbox)
    if not await context.database.write(runs.set_state, run.id, RunState.WORKING):
        return None
    await sandbox.run(script("start"), env={"AMP_API_KEY": context.settings.amp_api_key.get_secret_value()}, seconds=30)
    log.info("agent at work", run=run.id)
    if await _stop_requested(context, run):
        # Whoever stopped the run may have found no agent, because it had not started yet.
        await sandbox.run(script("stop"), seconds=30)
    reader = await _restored_reader(context, run)
    with context.transcripts.live_run():
        exit_code, ended_by = await _follow(context, run, sandbox, reader)
    if await _stop_requested(context, run):
        ended_by = Failure.STOPPED
    if reader.partial_line:
        reader.note(reader.partial_line)
    reader.stream.finish()
    result = reader.stream.ended
    stderr = "" if result is not None and result.ok else await _stderr_tail(sandbox)
    raw = conclude(reader.stream, exit_code, stderr, ended_by=ended_by)
    outcome = replace(raw, answer=context.redact(raw.answer), error=context.redact(raw.error))
    await context.database.write(runs.set_outcome, run, outcome)
    log.info("agent ended", run=run.id, ok=outcome.ok, failure=outcome.failure, turns=outcome.turns)
    return None


def _taken(context: Context, reader: _OutputReader, data: bytes) -> tuple[tuple[int, str], ...]:
    return tuple((until, context.redact(line)) for until, line in reader.take(data))


async def _stop_requested(context: Context, run: Run) -> bool:
    return (await context.database.read(runs.get, run.id)).stop is not None


async def _restored_reader(context: Context, run: Run) -> _OutputReader:
    reader = _OutputReader(last_output_at=time.monotonic(), last_edit_at=time.monotonic())
    reader.sequence, reader.offset = await context.database.read(runs.transcript_position, run.id)
    since = 0
    while lines := await context.database.read(runs.transcript_lines, run.id, since, limit=LINES_AT_ONCE):
        await off_loop(reader.note, "".join(f"{line}\n" for line in lines).encode())
        since += len(lines)
    return reader


async def _follow(
    context: Context, run: Run, sandbox: Sandbox, reader: _OutputReader
) -> tuple[int | None, Failure | None]:
    """Follow the agent until it ends. Return its exit code, if known, and the limit that ended it, if one did."""
    settings, caps = context.settings, context.settings.caps
    idle = settings.idle_minutes * 60
    # The sandbox has to outlive the agent, so that we can collect the changes.
    deadline = min(
        (run.agent_at or now()) + caps.minutes * 60, (run.started_at or now()) + lifetime(settings) - COLLECTING
    )
    editing: asyncio.Task[None] | None = None
    limit_hit: Failure | None = None
    give_up_at = math.inf  # monotonic; set when the agent is stopped
    try:
        while True:
            wait = _poll_seconds(reader, idle, deadline)
            # Close to a cap each message may be the last: do not wait for more.
            gather = 0.0 if _close(reader, caps) else context.transcripts.batch_seconds
            state, size, data = await _poll(sandbox, reader.offset, wait, gather)
            if data:
                reader.last_output_at = time.monotonic()
                first = reader.sequence
                # The output may contain secrets: the agent has Amp's key, and may look for others.
                lines = await off_loop(_taken, context, reader, data)
                reader.sequence += len(lines)
                await context.transcripts.append(context.database, run.id, first, lines)
            await context.progressed()
            if (state != "running" and (reader.offset >= size or not data)) or time.monotonic() > give_up_at:
                found = re.fullmatch(r"exit ([0-9]{1,3})", state)
                code = int(found[1]) if found else None
                return code, limit_hit or _limit_before(reader, code, deadline, caps)
            if give_up_at == math.inf:
                limit_hit = _limit(reader, idle, deadline) or _cap(reader, caps)
                if limit_hit is not None or time.monotonic() - reader.result_at >= RESULT_SECONDS:
                    log.warning("agent stopped", run=run.id, why=limit_hit or "it does not end after its result")
                    give_up_at = time.monotonic() + STOP_SECONDS
                    await sandbox.run(script("stop"), seconds=30)
            interval = max(settings.progress_seconds, context.transcripts.live / EDITS_PER_SECOND)
            if time.monotonic() - reader.last_edit_at >= interval and (editing is None or editing.done()):
                reader.last_edit_at = time.monotonic()
                editing = asyncio.create_task(_show_progress(context, run, reader))
    finally:
        # A progress edit must not come after the final one.
        if editing is not None:
            await asyncio.gather(editing, return_exceptions=True)


def _limit(reader: _OutputReader, idle_seconds: float, deadline: float) -> Failure | None:
    if now() >= deadline:
        return Failure.TIMEOUT
    if reader.offset > MAX_OUTPUT or reader.sequence >= MAX_LINES:
        return Failure.OUTPUT_LIMIT
    return Failure.IDLE if time.monotonic() - reader.last_output_at >= idle_seconds else None


def _cap(reader: _OutputReader, caps: Caps) -> Failure | None:
    """The cap of a run that Amp's stream has reached; None also if Amp is done."""
    if reader.stream.ended is not None and reader.stream.ended.ok:
        return None
    if reader.stream.usage.uncached >= caps.tokens:
        return Failure.TOKENS
    return Failure.TURNS if reader.stream.turns >= caps.turns else None


def _limit_before(reader: _OutputReader, code: int | None, deadline: float, caps: Caps) -> Failure | None:
    """The limit at which an attempt before this one ended Amp, and died before it could store that."""
    if reader.stream.ended is not None or (code is not None and code <= 128):
        return None
    return Failure.TIMEOUT if now() >= deadline else _cap(reader, caps)


def _close(reader: _OutputReader, caps: Caps) -> bool:
    """Whether a message or a few more may reach a cap."""
    return reader.stream.usage.uncached >= 0.8 * caps.tokens or reader.stream.turns >= caps.turns - 3


def _poll_seconds(reader: _OutputReader, idle_seconds: float, deadline: float) -> int:
    """Seconds that a poll may wait, so that no limit passes meanwhile."""
    until = min(reader.last_output_at + idle_seconds, reader.result_at + RESULT_SECONDS)
    left = min(deadline - now(), until - time.monotonic())
    return max(1, min(POLL_SECONDS, math.ceil(left)))


async def _poll(sandbox: Sandbox, offset: int, wait: int, gather: float) -> tuple[str, int, bytes]:
    """(state, size of the output, output after `offset`). The state is "running", "lost" or "exit CODE"."""
    try:
        return await _poll_once(sandbox, offset, wait, gather)
    except (OutputError, CommandTimeoutError):
        # If the sandbox ended while it answered, the second poll raises SandboxGoneError. One that is overloaded may
        # be in time with the second.
        return await _poll_once(sandbox, offset, wait, gather)


async def _poll_once(sandbox: Sandbox, offset: int, wait: int, gather: float) -> tuple[str, int, bytes]:
    env = {
        "AMPBOT_OFFSET": str(offset),
        "AMPBOT_WAIT": str(wait),
        "AMPBOT_GATHER": str(int(gather * 1000)),
        "AMPBOT_MOST": str(POLL_BYTES),
    }
    result = await sandbox.run(script("follow"), env=env, seconds=POLL_SECONDS + gather + 45)
    polled = _POLLED.fullmatch(result.stdout)
    if polled is None:
        raise OutputError("a poll of the agent's output is malformed")
    try:
        return polled["state"], int(polled["size"]), base64.b64decode(polled["data"], validate=True)
    except ValueError:
        raise OutputError("a poll of the agent's output is malformed") from None


async def _stderr_tail(sandbox: Sandbox) -> str:
    """The end of the agent's standard error."""
    path = f'"$HOME/{AGENT_ERRORS}"'  # the agent may have made a pipe of it
    result = await sandbox.run(f"test -f {path} && tail -c {MAX_STDERR} {path}", seconds=30)
    return result.stdout if result.exit_code == 0 else ""


async def _show_progress(context: Context, run: Run, reader: _OutputReader) -> None:
    """Update the progress comment. A failure does not stop the run."""
    row = await context.database.read(runs.get, run.id)
    if not row.comment or row.ending is not None:
        return
    # Redact before the text is shortened: half a secret is not recognised.
    latest = await off_loop(context.redact, reader.last_text)
    tokens = reader.stream.usage.total
    body = messages.progress(run.request, RunState.WORKING, latest=latest, tools=reader.tools, tokens=tokens)
    repository = await context.github.conversation(run.request.issue.repo)
    try:
        await repository.show_progress(row.comment, body)
    except GitHubError as error:
        log.warning("progress not shown", run=run.id, status=error.status)
