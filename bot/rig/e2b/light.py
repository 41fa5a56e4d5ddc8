"""Sandboxes without processes, for measuring a bot that has a thousand of them.

Control API, envd's streams and files on disk are as usual; only the inside of the sandbox is simulated. Its shell knows
ampbot's own scripts and nothing else. Its agent prints one line a second until `Settings.agents_end` is set.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import itertools
import json
import re
import signal
import subprocess
import tarfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

from bot.agent.cli import PROBE
from bot.rig.amp.options import VERSIONS, help_text
from bot.rig.amp.stream import Era
from bot.rig.e2b.machine import Machine, Order
from bot.rig.e2b.processes import End, Output, Process, Subscription
from bot.rig.e2b.state import Command
from bot.sandbox.scripts import ARCHIVE, PATHS, script

# How ampbot has a command's answer printed (bot/sandbox/answer.py).
_MARK = re.compile(r"/tmp/(ampbot-[0-9a-f]{32})\.out")
_POLL_SECONDS = 1.0  # how late the agent's end may be noticed

Answer = tuple[str, int]  # standard output and exit code


class _NoHandle:
    """Takes the place of a process's handle."""

    pid = 0
    stdin = stdout = stderr = None


class _SimulatedProcess(Process):
    """A command that is answered instead of run."""

    task: asyncio.Task[None]

    def __init__(self, pid: int, order: Order) -> None:
        handle = cast("subprocess.Popen[bytes]", _NoHandle())
        super().__init__(handle, argv=order.argv, envs=order.envs, cwd=order.cwd, tag=order.tag, terminal=None)
        self.pid = pid

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        self.task.cancel()

    async def emit(self, kind: str, text: str) -> None:
        if text:
            await self._publish(Output(kind, text.encode()))

    async def finish(self, code: int) -> None:
        self.end = End.of(code)
        await self._publish(self.end)


class LightMachine(Machine):
    """Looks like Machine over HTTP, but understands only ampbot's own scripts."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]  # passed on as they came
        self._pids = itertools.count(100)
        self._agent: _Agent | None = None
        self._scripts: dict[str, Callable[[Order], Awaitable[Answer]]] = {
            script("fetch"): self._nothing,
            script("checkout"): self._check_out,
            script("start"): self._start_agent,
            script("follow"): self._follow_agent,
            script("stop"): self._stop_agent,
            script("collect"): self._collect,
            PROBE: self._probe,
        }

    async def start(self, order: Order, cwd: str) -> tuple[Process, Subscription]:
        process = _SimulatedProcess(next(self._pids), order)
        self.processes[process.pid] = process
        record = Command(process.pid, process.argv, process.envs, cwd, order.user)
        self.sandbox.commands[:] = [*self.sandbox.commands[-20:], record]  # the bot polls thousands of times
        subscription = process.subscribe()
        process.task = asyncio.create_task(self._simulate(process, order, record))
        return process, subscription

    async def shut_down(self, *, silent: bool = False) -> None:
        self.cut(silent=silent)
        for process in list(self.processes.values()):
            cast("_SimulatedProcess", process).task.cancel()

    async def freeze(self) -> None:
        raise OSError("a light sandbox cannot be paused")

    async def thaw(self) -> None:
        raise OSError("a light sandbox cannot be paused")

    async def _simulate(self, process: _SimulatedProcess, order: Order, record: Command) -> None:
        try:
            text = order.argv[-1]
            found = _MARK.search(text)
            known = (answer for name, answer in self._scripts.items() if name in text)
            said, code = await next(known, self._unknown)(order)
            if found:
                output = said.encode()
                encoded = base64.b64encode(output).decode()
                said = f"\n{found[1]} out {encoded}\n\n{found[1]} end {code} {len(output)}\n"
            await process.emit("stdout", said)
            record.status = End.of(code).status
            await process.finish(code)
        finally:
            self.processes.pop(process.pid, None)

    # --- what the scripts do ---

    async def _unknown(self, _order: Order) -> Answer:
        return "", 127

    async def _nothing(self, _order: Order) -> Answer:
        return "", 0

    async def _probe(self, _order: Order) -> Answer:
        cut = "--- ampbot ---"
        return f"binary /usr/bin/amp\n{cut}\n{VERSIONS[Era.CUR]}\n{cut}\n{help_text(Era.CUR, '')}\n", 0

    async def _check_out(self, _order: Order) -> Answer:
        self._write(PATHS, gzip.compress(b"README.md\0"))
        return "", 0

    async def _start_agent(self, _order: Order) -> Answer:
        self._agent = self._agent or _Agent(asyncio.get_running_loop().time(), self.sandbox.number)
        return "", 0

    async def _stop_agent(self, _order: Order) -> Answer:
        if self._agent is not None:
            self._agent.end(asyncio.get_running_loop().time())
        return "", 0

    async def _follow_agent(self, order: Order) -> Answer:
        if self._agent is None:
            return "lost\n0\n", 0
        loop = asyncio.get_running_loop()
        offset = int(order.envs["AMPBOT_OFFSET"])
        spoken = self._agent
        await self._while(lambda: spoken.size(loop.time()) <= offset, float(order.envs["AMPBOT_WAIT"]))
        await self._while(lambda: True, int(order.envs["AMPBOT_GATHER"]) / 1000)
        state = "running" if self._live() else "exit 0"
        size = self._agent.size(loop.time())
        data = self._agent.read(offset, min(size, offset + int(order.envs["AMPBOT_MOST"])))
        return f"{state}\n{size}\n{base64.b64encode(data).decode()}", 0

    async def _collect(self, order: Order) -> Answer:
        """Nothing was changed."""
        members = {"tree": f"{order.envs['AMPBOT_TREE']}\n", "raw": "", "left": "", "attrs": "", "blobs": ""}
        members["ignored"] = "0\0"
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))
        self._write(ARCHIVE, packed.getvalue())
        return "ok 0 0\n", 0

    async def _while(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait while the agent runs and `holds` returns true, but no longer than `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        for _ in itertools.takewhile(lambda _: self._live() and holds() and loop.time() < until, itertools.count()):
            await asyncio.sleep(min(_POLL_SECONDS, max(until - loop.time(), 0.01)))

    def _live(self) -> bool:
        """Whether the agent runs. One that was told to end prints its last line now."""
        assert self._agent is not None
        if self._settings.agents_end:
            self._agent.end(asyncio.get_running_loop().time())
        return self._agent.ended is None

    def _write(self, path: str, content: bytes) -> None:
        target: Path = self.sandbox.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


class _Agent:
    """An agent's output as a function of time: a line a second, all of the same length, not stored."""

    def __init__(self, started: float, number: int) -> None:
        self._started = started
        self._thread = f"T-{uuid.UUID(int=number)}"
        self._first = self._line({"type": "system", "subtype": "init", "tools": ["Read"], "mcp_servers": []})
        self._length = len(self._event(0))
        self._last = b""
        self.ended: int | None = None  # number of events before the last line

    def end(self, now: float) -> None:
        if self.ended is None:
            self.ended = self._events(now)
            words = {"duration_ms": self.ended * 1000, "is_error": False, "num_turns": self.ended}
            self._last = self._line({"type": "result", "subtype": "success", **words, "result": "Nothing to change."})

    def size(self, now: float) -> int:
        return len(self._first) + self._events(now) * self._length + len(self._last)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, which must have been printed already."""
        skipped = max(0, (start - len(self._first)) // self._length)
        behind = len(self._first) + skipped * self._length
        count = max(0, -(-(stop - behind) // self._length))
        if self.ended is not None:
            count = min(count, self.ended - skipped)
        text = b"".join(self._event(index) for index in range(skipped, skipped + count))
        at = behind
        if skipped == 0:
            text, at = self._first + text, 0
        return (text + self._last)[start - at : stop - at]

    def _events(self, now: float) -> int:
        return int(now - self._started) if self.ended is None else self.ended

    def _event(self, index: int) -> bytes:
        words = f"Step {index:07d}: read the next file, compared it with the last one, and noted what is different."
        call = {"type": "tool_use", "id": f"toolu_{index:012d}", "name": "Read", "input": {"path": f"a/{index:07d}.py"}}
        message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": words}, call]}
        usage = {"input_tokens": 4, "output_tokens": 40, "cache_read_input_tokens": 9000}
        return self._line({"type": "assistant", "message": {**message, "usage": usage}, "parent_tool_use_id": None})

    def _line(self, event: dict[str, object]) -> bytes:
        return json.dumps({**event, "session_id": self._thread}, separators=(",", ":")).encode() + b"\n"
