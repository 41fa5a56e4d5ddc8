"""filesystem.Filesystem: watching a directory by polling it, with a stream of events or by request."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Route

from bot.rig.e2b import rpc
from bot.rig.e2b.envd import Call, Gateway
from bot.rig.e2b.envd_files import entry, where
from bot.rig.e2b.processes import Cut, Subscription
from bot.rig.e2b.rpc import BrokenError, Message, RpcError
from bot.rig.e2b.tree import Tree

_POLL_SECONDS = 0.05  # seconds between two polls
_MAX_DEPTH = 64  # levels of a recursive watch

_Seen = dict[str, tuple[int, int, int, int]]  # name -> inode, mode, size, time of change of the content
_Info = dict[str, os.stat_result]


@dataclass(slots=True)
class Watch:
    """Finds what changed in a directory since the last poll."""

    tree: Tree
    path: str
    depth: int
    entries: bool  # whether an event includes the entry
    seen: _Seen = field(default_factory=dict)

    def poll(self) -> Iterator[Message]:
        infos: _Info = {}
        try:
            infos |= dict(self.tree.walk(self.path, self.depth))
        except OSError:  # the directory itself is gone
            infos = {}
        now = {name: _facts(info) for name, info in infos.items()}
        before, self.seen = self.seen, now
        moved = {facts[0] for name, facts in now.items() if name not in before}
        for name, facts in before.items():
            if name not in now:
                yield self._event(name, "RENAME" if facts[0] in moved else "REMOVE", infos)
        for name, facts in now.items():
            if name not in before:
                yield self._event(name, "CREATE", infos)
                if facts[2] and not stat.S_ISDIR(facts[1]) and facts[0] not in {old[0] for old in before.values()}:
                    yield self._event(name, "WRITE", infos)
            elif before[name] != facts:
                content = before[name][2:] != facts[2:] and not stat.S_ISDIR(facts[1])
                if content:
                    yield self._event(name, "WRITE", infos)
                elif before[name][1] != facts[1]:
                    yield self._event(name, "CHMOD", infos)

    def _event(self, name: str, kind: str, infos: _Info) -> Message:
        event: dict[str, Any] = {"name": name, "type": f"EVENT_TYPE_{kind}"}
        if self.entries and name in infos:
            event["entry"] = entry(self.tree, f"{self.path}/{name}", infos[name])
        return event


def routes(gateway: Gateway) -> list[Route]:
    polled = _PolledWatches()
    calls = {
        "WatchDir": gateway.streaming(watch_directory),
        "CreateWatcher": gateway.unary(polled.create),
        "GetWatcherEvents": gateway.unary(polled.events),
        "RemoveWatcher": gateway.unary(polled.remove),
    }
    return [Route(f"/filesystem.Filesystem/{name}", call, methods=["POST"]) for name, call in calls.items()]


async def watch_directory(call: Call, message: dict[str, Any]) -> AsyncGenerator[Message, None]:
    watch = _watch(call, message)
    seconds, silence = rpc.timeout(call.request), rpc.keepalive(call.request)
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    spoken = loop.time()
    cut = Subscription()
    call.machine.watches.add(cut)
    try:
        yield {"start": {}}
        while deadline is None or loop.time() < deadline:
            for event in watch.poll():
                yield {"filesystem": event}
                spoken = loop.time()
            if loop.time() - spoken >= silence:
                yield {"keepalive": {}}
                spoken = loop.time()
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    broken = await cut.next()
            except TimeoutError:
                continue
            if isinstance(broken, Cut) and broken.silent:
                raise BrokenError
            said = f"the connection to sandbox {call.machine.sandbox.id} ended before the stream completed"
            raise RpcError("unavailable", said)
    finally:
        call.machine.watches.discard(cut)
    raise RpcError("deadline_exceeded", "context deadline exceeded")


class _PolledWatches:
    """Watches whose events are fetched by request, for clients that cannot use streams."""

    def __init__(self) -> None:
        self._watches: dict[tuple[str, str], Watch] = {}  # by sandbox and watcher

    async def create(self, call: Call, message: dict[str, Any]) -> Message:
        watcher = "w" + secrets.token_hex(10)
        self._watches[call.machine.sandbox.id, watcher] = _watch(call, message)
        return {"watcherId": watcher}

    async def events(self, call: Call, message: dict[str, Any]) -> Message:
        return {"events": list(self._find(call, message).poll())}

    async def remove(self, call: Call, message: dict[str, Any]) -> Message:
        self._find(call, message)
        del self._watches[call.machine.sandbox.id, message["watcherId"]]
        return {}

    def _find(self, call: Call, message: dict[str, Any]) -> Watch:
        watcher = message.get("watcherId", "")
        found = self._watches.get((call.machine.sandbox.id, watcher))
        if found is None:
            raise RpcError("not_found", f"watcher with id {watcher} not found")
        return found


def _watch(call: Call, message: dict[str, Any]) -> Watch:
    path = where(message.get("path", "")).rstrip("/")
    depth = _MAX_DEPTH if message.get("recursive") else 1
    watch = Watch(call.machine.tree, path, depth, bool(message.get("includeEntry")))
    try:
        for name, info in call.machine.tree.walk(path, depth):
            watch.seen[name] = _facts(info)
    except FileNotFoundError as error:
        raise RpcError("not_found", f"path {path} not found: stat {path}: no such file or directory") from error
    except OSError as error:
        raise RpcError("invalid_argument", f"path {path} not a directory") from error
    return watch


def _facts(info: os.stat_result) -> tuple[int, int, int, int]:
    return (info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns)
