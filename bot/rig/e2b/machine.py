"""The running part of a sandbox: its namespace and its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.rig.e2b import isolation
from bot.rig.e2b.isolation import Isolation, Namespace
from bot.rig.e2b.processes import Cut, End, Process, Subscription
from bot.rig.e2b.state import Command, Sandbox, Settings, State
from bot.rig.e2b.tree import HOME, Tree, is_own

# Prints the process id inside the sandbox before the command's own output, then execs the command.
_START = 'cd "$1" || exit 126; shift; unset OLDPWD; echo $$; exec "$@"'


@dataclass(frozen=True, slots=True)
class Order:
    """The process that a `Start` call asks for."""

    argv: tuple[str, ...]
    envs: Mapping[str, str]
    cwd: str | None
    user: str
    stdin: bool
    tag: str | None
    terminal: tuple[int, int] | None  # rows, columns
    seconds: float | None  # after which it is killed


@dataclass(frozen=True, slots=True)
class Exit:
    pid: int
    tag: str | None
    end: End
    until: float  # time of the event loop


class Machine:
    def __init__(self, sandbox: Sandbox, how: Isolation, settings: Settings, profile: Path) -> None:
        self.sandbox = sandbox
        self.tree = Tree(sandbox.folder, how.owner)
        self.processes: dict[int, Process] = {}
        self.watches: set[Subscription] = set()
        self._how = how
        self._settings = settings
        self._profile = profile
        self._namespace: Namespace | None = None
        self._opening = asyncio.Lock()
        self._exits: dict[int, Exit] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, order: Order, cwd: str) -> tuple[Process, Subscription]:
        """Start a process. Returns it with a subscription from its first byte on. Raises OSError or ValueError."""
        prefix = (await self._open()).enter if self._how.private else ()
        if self.sandbox.state is not State.RUNNING:
            raise OSError("the sandbox is not running")
        if order.user != "root":
            prefix = (*prefix, *self._how.as_user)
        process = self._spawn(prefix, order, cwd)
        try:
            rest = await process.announced()
        except OSError:
            process.handle.kill()
            await isolation.wait(process.handle)
            process.close()
            raise
        if self._namespace is not None:
            process.host_pid = isolation.child_of(process.handle.pid)
        self._exits.pop(process.pid, None)
        self.processes[process.pid] = process
        record = Command(process.pid, process.argv, process.envs, cwd, order.user)
        self.sandbox.commands.append(record)
        subscription = process.subscribe()
        task = asyncio.create_task(self._follow(process, rest, record, order.seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return process, subscription

    def exit(self, *, pid: int | None = None, tag: str | None = None) -> Exit | None:
        """How a process ended, if that is not too long ago."""
        now = asyncio.get_running_loop().time()
        self._exits = {each.pid: each for each in self._exits.values() if each.until > now}
        if pid is not None:
            return self._exits.get(pid)
        return next((each for each in self._exits.values() if each.tag == tag), None)

    def cut(self, *, silent: bool) -> None:
        """Break every stream."""
        for process in self.processes.values():
            process.cut(Cut(silent))
        for watch in self.watches:
            watch.cut(Cut(silent))

    @property
    def kill_group(self) -> bool:
        return self._settings.kill_group

    def exists(self, path: str) -> bool:
        if not is_own(path):
            return Path(path).exists()
        try:
            with self.tree.spot(path) as spot:
                spot.stat()
        except OSError:
            return False
        return True

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory inside the sandbox, which sees the host's files outside its own top directories."""
        if not is_own(path):
            return Path(path).is_dir()
        try:
            with self.tree.spot(path + "/."):
                return True
        except OSError:
            return False

    async def freeze(self) -> None:
        """Stop every process. nsenter is stopped first: it would stop itself later, at an unknown time."""
        self._signal_outside(signal.SIGSTOP)
        await self._signal_inside(signal.SIGSTOP)

    async def thaw(self) -> None:
        await self._signal_inside(signal.SIGCONT)
        self._signal_outside(signal.SIGCONT)

    async def shut_down(self, *, silent: bool = False) -> None:
        """End every process. Streams are broken first, so that none reports an ordinary exit."""
        self.cut(silent=silent)
        async with self._opening:
            if self._namespace is not None:
                closing = asyncio.create_task(self._namespace.close())
                while not closing.done():
                    # In a paused sandbox nsenter is stopped, but it has to reap its child before process 1 can
                    # end. Killing nsenter instead takes the kernel a second and a half.
                    self._signal_outside(signal.SIGCONT)
                    await asyncio.wait([closing], timeout=0.01)
                await closing
                self._namespace = None
            elif not self._how.private:
                await isolation.kill_all(self._seen(HOME), [process.host_pid for process in self.processes.values()])
        for process in self.processes.values():
            process.abandon()
        await asyncio.gather(*self._tasks)

    async def _open(self) -> Namespace:
        async with self._opening:
            if self.sandbox.state is not State.RUNNING:
                raise OSError("the sandbox is not running")
            if self._namespace is None:
                self._namespace = await Namespace.open(self._how, self.sandbox.folder, self._profile)
            return self._namespace

    def _spawn(self, prefix: tuple[str, ...], order: Order, cwd: str) -> Process:
        ours, theirs = os.openpty() if order.terminal else (None, None)
        session = (isolation.program("setsid"), *(("--ctty",) if order.terminal else ()))
        pipe = subprocess.PIPE if theirs is None else theirs
        try:
            handle = subprocess.Popen(
                [*prefix, *session, "/bin/sh", "-c", _START, "sh", self._seen(cwd), *order.argv],
                bufsize=0,
                stdin=pipe if order.stdin or theirs is not None else subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                env=self._environment(order),
                # nsenter runs outside of the sandbox; Ctrl-C at the stand-in's terminal must not reach it.
                start_new_session=self._how.private,
            )
        except (OSError, ValueError):
            if ours is not None:
                os.close(ours)
            raise
        finally:
            if theirs is not None:
                os.close(theirs)
        for pipe_end in (handle.stdin, handle.stdout, handle.stderr):
            if pipe_end is not None:
                os.set_blocking(pipe_end.fileno(), False)
        process = Process(handle, argv=order.argv, envs=order.envs, cwd=order.cwd, tag=order.tag, terminal=ours)
        if ours is not None and order.terminal is not None:
            os.set_blocking(ours, False)
            process.resize(*order.terminal)
        return process

    async def _follow(self, process: Process, rest: bytes, record: Command, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        deadline = None
        if seconds is not None:
            deadline = loop.call_later(seconds, self._overrun, process)
        end = await process.run(rest)
        if deadline is not None:
            deadline.cancel()
        record.status = end.status
        self.processes.pop(process.pid, None)
        until = loop.time() + self._settings.exit_event_seconds
        self._exits[process.pid] = Exit(process.pid, process.tag, end, until)

    def _overrun(self, process: Process) -> None:
        process.overran = True
        process.signal(signal.SIGKILL, group=self._settings.kill_group)

    def _environment(self, order: Order) -> dict[str, str]:
        home = "/root" if order.user == "root" else HOME
        return {
            "PATH": isolation.host_path(),
            "HOME": self._seen(home),
            "USER": order.user,
            "LOGNAME": order.user,
            "E2B_SANDBOX": "true",
            **({"AMP_RIG_SERVER": self._settings.amp_server} if self._settings.amp_server else {}),
            **self.sandbox.options.env,
            **order.envs,
        }

    def _seen(self, path: str) -> str:
        """The path under which the sandbox's processes see `path`."""
        return f"{self.sandbox.folder}{path}" if is_own(path) and not self._how.private else path

    async def _signal_inside(self, number: signal.Signals) -> None:
        if self._namespace is not None:
            await self._namespace.send_all(number)

    def _signal_outside(self, number: signal.Signals) -> None:
        """Signal the processes started from here: nsenter, or without namespaces the commands themselves."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                if self._how.private:
                    os.kill(process.handle.pid, number)
                else:
                    os.killpg(process.host_pid, number)
