"""process.Process: start, follow and signal the processes of a sandbox, and write to their input."""

from __future__ import annotations

import asyncio
import base64
import binascii
import signal
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from starlette.routing import Route

from bot.rig.e2b import rpc
from bot.rig.e2b.envd import Call, Gateway
from bot.rig.e2b.machine import Exit, Machine, Order
from bot.rig.e2b.processes import Cut, End, Output, Process, Subscription
from bot.rig.e2b.rpc import BrokenError, Message, RpcError
from bot.rig.e2b.state import State
from bot.rig.e2b.tree import expand

_SIGNALS = {"SIGNAL_SIGKILL": signal.SIGKILL, "SIGNAL_SIGTERM": signal.SIGTERM}


def routes(gateway: Gateway) -> list[Route]:
    calls = {
        "Start": gateway.streaming(start),
        "Connect": gateway.streaming(connect),
        "List": gateway.unary(list_processes),
        "SendSignal": gateway.unary(send_signal),
        "SendInput": gateway.unary(send_input),
        "StreamInput": gateway.client_streaming(stream_input),
        "CloseStdin": gateway.unary(close_stdin),
        "Update": gateway.unary(update),
    }
    return [Route(f"/process.Process/{name}", call, methods=["POST"]) for name, call in calls.items()]


async def start(call: Call, message: dict[str, Any]) -> AsyncGenerator[Message, None]:
    """The timeout of the call applies to the process: at its end the process is killed, even if nobody follows it."""
    seconds = rpc.timeout(call.request)
    order = _order(call, message, seconds)
    cwd = _cwd(call.machine, order.cwd, order.argv)
    starting = asyncio.create_task(call.machine.start(order, cwd))
    try:
        process, subscription = await asyncio.shield(starting)
    except asyncio.CancelledError:  # the process keeps running when its caller disconnects
        starting.add_done_callback(_unwatched)
        raise
    except (OSError, ValueError) as error:
        if call.machine.sandbox.state is not State.RUNNING:
            raise _gone(call.machine) from error
        said = f"error starting process '{' '.join(order.argv)}': {error}"
        raise RpcError("invalid_argument", said) from error
    async for event in _followed(call, process, subscription, seconds, starter=True):
        yield event


async def connect(call: Call, message: dict[str, Any]) -> AsyncGenerator[Message, None]:
    """Follow a running process from now on: earlier output is not repeated."""
    found = _find(call.machine, message)
    if isinstance(found, Exit):
        yield _started(found.pid)
        yield _ended(found.end)
        return
    async for event in _followed(call, found, found.subscribe(), rpc.timeout(call.request)):
        yield event


async def list_processes(call: Call, _message: dict[str, Any]) -> Message:
    processes = [_listed(process) for process in call.machine.processes.values()]
    return {"processes": processes} if processes else {}


async def send_signal(call: Call, message: dict[str, Any]) -> Message:
    name = message.get("signal", "SIGNAL_UNSPECIFIED")
    process = _find_running(call.machine, message)
    if name not in _SIGNALS:  # an unknown name is read as the first of the enumeration
        raise RpcError("unimplemented", "invalid signal: SIGNAL_UNSPECIFIED")
    process.signal(_SIGNALS[name], group=call.machine.kill_group)
    return {}


async def send_input(call: Call, message: dict[str, Any]) -> Message:
    await _feed(_find_running(call.machine, message), message.get("input") or {})
    return {}


async def stream_input(call: Call) -> Message:
    process: Process | None = None
    async for message in rpc.messages(call.request):
        if "start" in message:
            process = _find_running(call.machine, message["start"])
        elif "data" in message and process is not None:
            await _feed(process, message["data"].get("input") or {})
        elif "keepalive" not in message:
            raise RpcError("unimplemented", "invalid event type")
    return {}


async def close_stdin(call: Call, message: dict[str, Any]) -> Message:
    process = _find_running(call.machine, message)
    if process.terminal is not None:
        said = "cannot close stdin for PTY process — send Ctrl+D (0x04) instead"
        raise RpcError("unknown", f"error closing stdin: {said}")
    process.close_stdin()
    return {}


async def update(call: Call, message: dict[str, Any]) -> Message:
    process = _find_running(call.machine, message)
    if size := (message.get("pty") or {}).get("size"):
        if process.terminal is None:
            raise RpcError("internal", "error resizing tty: tty not assigned to process")
        process.resize(*_size(size))
    return {}


async def _followed(
    call: Call, process: Process, subscription: Subscription, seconds: float | None, *, starter: bool = False
) -> AsyncGenerator[Message, None]:
    silence = rpc.keepalive(call.request)
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    try:
        yield _started(process.pid)
        while True:
            until = loop.time() + silence
            try:
                async with asyncio.timeout_at(until if deadline is None else min(until, deadline)):
                    event = await subscription.next()
            except TimeoutError:
                if deadline is not None and loop.time() >= deadline:
                    raise RpcError("deadline_exceeded", "context deadline exceeded") from None
                yield {"event": {"keepalive": {}}}
                continue
            match event:
                case Output(kind, data):
                    yield {"event": {"data": {kind: base64.b64encode(data).decode()}}}
                case End() if starter and process.overran:
                    # The kill and the deadline of the call coincide; the answer must not depend on which is seen first.
                    raise RpcError("deadline_exceeded", "context deadline exceeded")
                case End():
                    yield _ended(event)
                    return
                case Cut(silent=True):
                    raise BrokenError
                case Cut():
                    raise _gone(call.machine)
    finally:
        process.unsubscribe(subscription)


def _unwatched(starting: asyncio.Task[tuple[Process, Subscription]]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        process, subscription = starting.result()
        process.unsubscribe(subscription)


def _order(call: Call, message: dict[str, Any], seconds: float | None) -> Order:
    config = message.get("process") or {}
    command = config.get("cmd")
    if not command:
        raise RpcError("invalid_argument", "error starting process '': exec: no command")
    pty = message.get("pty")
    return Order(
        argv=(command, *config.get("args", ())),
        envs=config.get("envs") or {},
        cwd=config.get("cwd"),
        user=call.user,
        stdin=message.get("stdin") is not False,
        tag=message.get("tag"),
        terminal=_size(pty.get("size") or {}) if pty is not None else None,
        seconds=seconds,
    )


def _size(size: dict[str, Any]) -> tuple[int, int]:
    return (int(size.get("rows", 0)), int(size.get("cols", 0)))


def _cwd(machine: Machine, asked: str | None, argv: Sequence[str]) -> str:
    try:
        path = expand(asked or "")
    except ValueError as error:
        raise RpcError("invalid_argument", str(error)) from error
    if machine.is_directory(path):
        return path
    if machine.exists(path):
        said = f"error starting process '{' '.join(argv)}': fork/exec /bin/sh: not a directory"
        raise RpcError("invalid_argument", said)
    raise RpcError("invalid_argument", f"cwd '{path}' does not exist")


def _find(machine: Machine, message: dict[str, Any]) -> Process | Exit:
    selector = message.get("process") or {}
    pid, tag = selector.get("pid"), selector.get("tag")
    if pid is not None:
        found = machine.processes.get(int(pid)) or machine.exit(pid=int(pid))
    elif tag is not None:
        tagged = (process for process in machine.processes.values() if process.tag == tag)
        found = next(tagged, None) or machine.exit(tag=tag)
    else:
        raise RpcError("unimplemented", "invalid input type *process.ProcessSelector")
    if found is None:
        said = f"process with pid {pid} not found" if pid is not None else f"process with tag {tag} not found"
        raise RpcError("not_found", said)
    return found


def _find_running(machine: Machine, message: dict[str, Any]) -> Process:
    found = _find(machine, message)
    if isinstance(found, Exit):
        raise RpcError("not_found", f"process with pid {found.pid} not found")
    return found


async def _feed(process: Process, given: dict[str, Any]) -> None:
    kind = "pty" if "pty" in given else "stdin"
    if kind not in given:
        raise RpcError("unimplemented", "invalid input type <nil>")
    if kind == "pty" and process.terminal is None:
        said = "tty not assigned to process — input should be written to the stdin, not the tty"
        raise RpcError("failed_precondition", f"error writing to tty: {said}")
    if kind == "stdin" and process.terminal is not None:
        said = "tty assigned to process — input should be written to the pty, not the stdin"
        raise RpcError("failed_precondition", f"error writing to stdin: {said}")
    try:
        await process.write(base64.b64decode(given[kind]))
    except binascii.Error as error:
        raise RpcError("invalid_argument", f"unmarshal message: {error}") from error
    except OSError as error:
        raise RpcError("internal", f"error writing to {kind}: {error}") from error


def _started(pid: int) -> Message:
    return {"event": {"start": {"pid": pid}}}


def _ended(end: End) -> Message:
    told: dict[str, Any] = {"status": end.status}
    if end.code:
        told |= {"exitCode": end.code, "error": end.status}
    if end.exited:
        told["exited"] = True
    return {"event": {"end": told}}


def _listed(process: Process) -> Message:
    config: dict[str, Any] = {"cmd": process.argv[0], "args": list(process.argv[1:])}
    if process.envs:
        config["envs"] = process.envs
    if process.cwd is not None:
        config["cwd"] = process.cwd
    return {"config": config, "pid": process.pid, **({"tag": process.tag} if process.tag is not None else {})}


def _gone(machine: Machine) -> RpcError:
    said = f"the connection to sandbox {machine.sandbox.id} ended before the stream completed"
    return RpcError("unavailable", said)
