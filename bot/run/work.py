"""The agent at work: started once, followed by polling its output file, so that it does not notice when we are gone."""

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
from bot.context import Context
from bot.github.errors import GitHubError
from bot.model import Ending, RunState
from bot.run.prepare import COLLECTING, lifetime
from bot.sandbox.client import Sandbox
from bot.sandbox.errors import OutputError
from bot.sandbox.scripts import AGENT_ERRORS, script
from bot.store import runs
from bot.store.database import now
from bot.store.runs import Run
from bot.text import messages

log = structlog.get_logger()

# One look waits at most this long in the sandbox for something to happen, and brings at most so much.
POLL_SECONDS = 15
POLL_BYTES = 512 * 1024
_POLLED = re.compile(r"(?P<state>running|lost|exit [^\n]{0,20})\n(?P<size>[0-9]{1,15})\n(?P<data>[A-Za-z0-9+/=]*)\s*")
STOP_SECONDS = 30.0
# Edits of progress comments a second, of all runs together: GitHub may count each as new content (500 an hour).
EDITS_PER_SECOND = 10.0
# An agent that writes more than this has run wild.
MAX_OUTPUT = 100 * 1024 * 1024
MAX_ERRORS = 64 * 1024


@dataclass(slots=True)
class _OutputReader:
    """Where we are in the agent's output: rebuilt from the transcript after a restart."""

    stream: Stream = field(default_factory=Stream)
    sequence: int = 0  # of the next transcript line
    offset: int = 0  # read so far
    rest: bytes = b""  # read, but not yet a whole line
    tools: int = 0
    latest: str = ""  # the agent's last words
    heard: float = 0.0  # monotonic time of the last growth
    shown: float = 0.0  # monotonic time of the last edit of the progress comment

    def take(self, data: bytes) -> tuple[tuple[int, str], ...]:
        """The whole lines that `data` completes, each with the offset just after it."""
        start = self.offset - len(self.rest)
        self.offset += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        lines = []
        for line in whole:
            start += len(line) + 1
            self.note(line + b"\n")
            lines.append((start, line.decode("utf-8", "replace") if len(line) <= LINE_CAP else ""))
        if len(self.rest) > LINE_CAP:
            # The stream drops such a line too; keeping it would hold all of a flood in memory.
            self.note(self.rest)
            self.rest = b""
        return tuple(lines)

    def note(self, data: bytes) -> None:
        for event in self.stream.feed(data):
            if isinstance(event, ToolUse):
                self.tools += 1
            elif isinstance(event, Text) and not event.nested:
                self.latest = event.text


async def work(context: Context, run: Run) -> Ending | None:
    """Start Amp if it is not running, follow it to its end, and store what came of it."""
    assert run.sandbox is not None  # noqa: S101 - prepare() has seen to it
    sandbox = await context.sandboxes.open(run.sandbox)
    if not await context.database.write(runs.set_state, run.id, RunState.WORKING):
        return None
    await sandbox.run(script("start"), env={"AMP_API_KEY": context.settings.amp_api_key.get_secret_value()}, seconds=30)
    log.info("agent at work", run=run.id)
    if await _stop_requested(context, run):
        # Whoever said so may have looked for the agent just before it began.
        await sandbox.run(script("stop"), seconds=30)
    following = await _resumed(context, run)
    with context.transcripts.following():
        exit_code, stopped = await _follow(context, run, sandbox, following)
    if await _stop_requested(context, run):
        stopped = Failure.STOPPED
    if following.rest:
        following.note(following.rest)
    following.stream.finish()
    ended = following.stream.ended
    errors = "" if ended is not None and ended.ok else await _errors(sandbox)
    said = conclude(following.stream, exit_code, errors, stopped=stopped)
    outcome = replace(said, answer=context.redact(said.answer), error=context.redact(said.error))
    await context.database.write(runs.set_outcome, run, outcome)
    log.info("agent ended", run=run.id, ok=outcome.ok, failure=outcome.failure, turns=outcome.turns)
    return None


async def _stop_requested(context: Context, run: Run) -> bool:
    return (await context.database.read(runs.get, run.id)).stop is not None


async def _resumed(context: Context, run: Run) -> _OutputReader:
    following = _OutputReader(heard=time.monotonic(), shown=time.monotonic())
    following.sequence, following.offset = await context.database.read(runs.transcript_position, run.id)
    for line in await context.database.read(runs.transcript_lines, run.id):
        following.note(line.encode() + b"\n")
    return following


async def _follow(
    context: Context, run: Run, sandbox: Sandbox, following: _OutputReader
) -> tuple[int | None, Failure | None]:
    """Until the agent has ended or a limit has ended it: (exit code if anybody saw one, the limit if one did)."""
    settings = context.settings
    idle = settings.idle_minutes * 60
    # The sandbox has to outlive the agent, so that what it did can be collected.
    deadline = min(
        (run.agent_at or now()) + settings.run_minutes * 60, (run.started_at or now()) + lifetime(settings) - COLLECTING
    )
    editing: asyncio.Task[None] | None = None
    stopped: Failure | None = None
    patience_ends = math.inf  # monotonic: how long a stopped agent is given to be seen ended
    try:
        while True:
            wait = _poll_seconds(following, idle, deadline)
            state, size, data = await _poll(sandbox, following.offset, wait, context.transcripts.gather_seconds)
            if data:
                following.heard = time.monotonic()
                first = following.sequence
                # The agent knows its own key, and may have been told to find others.
                lines = tuple((until, context.redact(line)) for until, line in following.take(data))
                following.sequence += len(lines)
                await context.transcripts.append(context.database, run.id, first, lines)
            if (state != "running" and (following.offset >= size or not data)) or time.monotonic() > patience_ends:
                code = re.fullmatch(r"exit ([0-9]{1,3})", state)
                return (int(code[1]) if code else None), stopped
            if stopped is None:
                stopped = _limit(following, idle, deadline)
                if stopped is not None:
                    log.warning("agent stopped", run=run.id, why=stopped)
                    patience_ends = time.monotonic() + STOP_SECONDS
                    await sandbox.run(script("stop"), seconds=30)
            apart = max(settings.progress_seconds, context.transcripts.live / EDITS_PER_SECOND)
            if time.monotonic() - following.shown >= apart and (editing is None or editing.done()):
                following.shown = time.monotonic()
                editing = asyncio.create_task(_show_progress(context, run, following))
    finally:
        # A late edit must not come after the final one.
        if editing is not None:
            await asyncio.gather(editing, return_exceptions=True)


def _limit(following: _OutputReader, idle_seconds: float, deadline: float) -> Failure | None:
    if now() >= deadline:
        return Failure.WALL
    if following.offset > MAX_OUTPUT:
        return Failure.FLOOD
    return Failure.IDLE if time.monotonic() - following.heard >= idle_seconds else None


def _poll_seconds(following: _OutputReader, idle_seconds: float, deadline: float) -> int:
    """Seconds that a look may wait: not beyond the next limit."""
    left = min(deadline - now(), following.heard + idle_seconds - time.monotonic())
    return max(1, min(POLL_SECONDS, math.ceil(left)))


async def _poll(sandbox: Sandbox, offset: int, wait: int, gather: float) -> tuple[str, int, bytes]:
    """(state, size of the output, what follows `offset`); the state is "running", "lost" or "exit CODE"."""
    try:
        return await _poll_once(sandbox, offset, wait, gather)
    except OutputError:
        # An answer may be cut short by the sandbox's end: then a second look finds nobody there, and says so.
        return await _poll_once(sandbox, offset, wait, gather)


async def _poll_once(sandbox: Sandbox, offset: int, wait: int, gather: float) -> tuple[str, int, bytes]:
    env = {
        "AMPBOT_OFFSET": str(offset),
        "AMPBOT_WAIT": str(wait),
        "AMPBOT_GATHER": str(int(gather * 1000)),
        "AMPBOT_MOST": str(POLL_BYTES),
    }
    ran = await sandbox.run(script("follow"), env=env, seconds=POLL_SECONDS + gather + 45)
    said = _POLLED.fullmatch(ran.stdout)
    if said is None:
        raise OutputError("the look at the agent's output came back garbled")
    try:
        return said["state"], int(said["size"]), base64.b64decode(said["data"], validate=True)
    except ValueError:
        raise OutputError("the look at the agent's output came back garbled") from None


async def _errors(sandbox: Sandbox) -> str:
    """The end of what the agent said on standard error."""
    ran = await sandbox.run(f'tail -c {MAX_ERRORS} "$HOME/{AGENT_ERRORS}"', seconds=30)
    return ran.stdout if ran.exit_code == 0 else ""


async def _show_progress(context: Context, run: Run, following: _OutputReader) -> None:
    """Bring the progress comment up to date. It is a courtesy: trouble with it never stops the work."""
    row = await context.database.read(runs.get, run.id)
    if not row.comment or row.ending is not None:
        return
    # Before it is cut: of half a secret nothing can be recognised.
    latest = context.redact(following.latest)
    body = messages.progress(run.request, RunState.WORKING, latest=latest, tools=following.tools)
    repository = await context.github.conversation(run.request.issue.repo)
    try:
        await repository.show_progress(row.comment, body)
    except GitHubError as error:
        log.warning("progress not shown", run=run.id, status=error.status)
