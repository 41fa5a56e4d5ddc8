"""One process of a sandbox: its output for subscribers, its input, its signals and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.rig.e2b import isolation

CHUNK = 32 * 1024  # bytes of output in one event
PTY_CHUNK = 16 * 1024
_PIPE = 64 * 1024  # bytes that a pipe holds
_QUEUE = 64  # events a subscriber may lag behind before the process is blocked


@dataclass(frozen=True, slots=True)
class Output:
    kind: str  # "stdout", "stderr" or "pty"
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, worded as Go and so envd words it."""

    code: int
    exited: bool
    status: str

    @classmethod
    def of(cls, code: int) -> End:
        if code < 0:
            return cls(-1, exited=False, status=f"signal: {_SIGNALS.get(-code, f'signal {-code}')}")
        return cls(code, exited=True, status=f"exit status {code}")


@dataclass(frozen=True, slots=True)
class Cut:
    """The sandbox ended during a stream. `silent`: the connection breaks without an error message."""

    silent: bool


Event = Output | End | Cut

# https://pkg.go.dev/syscall#Signal (String)
_SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    6: "aborted",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}


class Subscription:
    """The events of a process from now on; earlier ones are not replayed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        self._closed = False

    async def next(self) -> Event:
        return await self._queue.get()

    async def offer(self, event: Event) -> None:
        if not self._closed:
            await self._queue.put(event)

    def cut(self, event: Cut) -> None:
        """Deliver this event next, and drop all that were not read."""
        self.close()
        self._queue.put_nowait(event)

    def close(self) -> None:
        self._closed = True
        while not self._queue.empty():  # also wakes a process that is blocked by the full queue
            self._queue.get_nowait()


class Process:
    """One running command. `pid` is the process id inside the sandbox."""

    def __init__(
        self,
        handle: subprocess.Popen[bytes],
        *,
        argv: Sequence[str],
        envs: Mapping[str, str],
        cwd: str | None,
        tag: str | None,
        terminal: int | None,
    ) -> None:
        self.argv = tuple(argv)
        self.envs = dict(envs)
        self.cwd = cwd
        self.tag = tag
        self.pid = 0
        self.host_pid = handle.pid
        self.handle = handle
        self.terminal = terminal
        self.end: End | None = None
        self.overran = False  # killed at the deadline of the call that started it
        self._subscriptions: set[Subscription] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._exited = False
        self._signalled = False
        self._abandoned = False

    def subscribe(self) -> Subscription:
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        subscription.close()

    def cut(self, event: Cut) -> None:
        for subscription in self._subscriptions:
            subscription.cut(event)
        self._subscriptions.clear()

    async def announced(self) -> bytes:
        """Read the process id from the first line of output. Returns the rest. Raises OSError: not started."""
        source = self._source
        head = b""
        while b"\n" not in head:
            await self._readable(source)
            with contextlib.suppress(BlockingIOError):
                piece = os.read(source, CHUNK)
                if not piece:
                    break
                head += piece
        line, _, rest = head.partition(b"\n")
        if not line.strip().isdigit():
            raise OSError("the process did not start")
        self.pid = int(line)
        return rest

    async def run(self, rest: bytes) -> End:
        """Publish the output until everybody who holds it has closed it, then the end. Returns the end.

        As in envd, whose Wait() waits for both readers first: a child in the background holds the end up, unless the
        command is signalled (or overruns, for which it is killed): then what is still in its pipes is the last.
        """
        sources = [("pty", self.terminal)] if self.terminal is not None else self._pipes()
        pumps = [
            asyncio.create_task(self._pump(kind, source, rest if place == 0 else b""))
            for place, (kind, source) in enumerate(sources)
        ]
        code = await isolation.wait(self.handle)
        self._exited = True
        if self._signalled:
            self.abandon()
        await asyncio.gather(*pumps)
        self.close_stdin()
        self.end = End.of(code)
        await self._publish(self.end)
        return self.end

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Signal the process alone, as envd does, or its group. What it prints until its end goes on."""
        self._signalled = True
        if self._exited:  # its id may belong to another process by now
            self.abandon()
            return
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.host_pid, number)
            else:
                os.kill(self.host_pid, number)

    def abandon(self) -> None:
        """Wait no longer for those who hold the output."""
        self._abandoned = True
        for waiting in self._waiting:
            _wake(waiting)

    async def write(self, data: bytes) -> None:
        """Write to standard input or the terminal. Raises BrokenPipeError if nothing reads it any more."""
        target = self.terminal if self.terminal is not None else self._input()
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(target, view) :]
            except BlockingIOError:
                room: asyncio.Future[None] = loop.create_future()
                loop.add_writer(target, _wake, room)
                try:
                    await room
                finally:
                    loop.remove_writer(target)

    def close_stdin(self) -> None:
        if self.handle.stdin is not None and not self.handle.stdin.closed:
            self.handle.stdin.close()

    def close(self) -> None:
        """Close the pipes of a process that did not start."""
        for pipe in (self.handle.stdin, self.handle.stdout, self.handle.stderr):
            if pipe is not None:
                pipe.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    @property
    def takes_stdin(self) -> bool:
        return self.handle.stdin is not None and not self.handle.stdin.closed

    def resize(self, rows: int, columns: int) -> None:
        assert self.terminal is not None
        termios.tcsetwinsize(self.terminal, (rows, columns))

    @property
    def _source(self) -> int:
        if self.terminal is not None:
            return self.terminal
        assert self.handle.stdout is not None
        return self.handle.stdout.fileno()

    def _pipes(self) -> list[tuple[str, int]]:
        assert self.handle.stdout is not None
        assert self.handle.stderr is not None
        return [("stdout", self.handle.stdout.fileno()), ("stderr", self.handle.stderr.fileno())]

    def _input(self) -> int:
        if self.handle.stdin is None or self.handle.stdin.closed:
            raise BrokenPipeError("stdin not enabled or closed")
        return self.handle.stdin.fileno()

    async def _pump(self, kind: str, source: int, rest: bytes) -> None:
        """Publish one stream until nobody holds its other end."""
        size = PTY_CHUNK if kind == "pty" else CHUNK
        if rest:
            await self._publish(Output(kind, rest))
        last = _PIPE  # bytes to read yet, once nobody is waited for
        while last > 0:
            await self._readable(source)
            try:
                data = os.read(source, size)
            except BlockingIOError:
                if self._abandoned:
                    break
                continue
            except OSError:  # EIO: the terminal's other end is closed
                break
            if not data:
                break
            last -= len(data) if self._abandoned else 0
            await self._publish(Output(kind, data))
        for pipe in (self.handle.stdout, self.handle.stderr):
            if pipe is not None and not pipe.closed and pipe.fileno() == source:
                pipe.close()
        if kind == "pty":
            os.close(source)
            self.terminal = None

    async def _publish(self, event: Event) -> None:
        for subscription in tuple(self._subscriptions):
            await subscription.offer(event)

    async def _readable(self, descriptor: int) -> None:
        if self._abandoned:
            return
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        self._waiting.add(ready)
        loop.add_reader(descriptor, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(descriptor)
            self._waiting.discard(ready)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
