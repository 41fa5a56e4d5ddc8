"""Creates, pauses, resumes and ends sandboxes. Everything here runs on the server's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
from collections import deque
from pathlib import Path

from bot.rig.e2b import isolation
from bot.rig.e2b.isolation import Isolation
from bot.rig.e2b.machine import Machine
from bot.rig.e2b.state import CreateOptions, Ending, Sandbox, Settings, State, new_id
from bot.rig.e2b.templates import BUILT_IN, Seed, copy_of

_TICK = 0.1  # seconds between two checks of the timeouts
_DOCS = "https://e2b.dev/docs/billing"


class Refusal(Exception):  # noqa: N818 - an answer of the API, not a failure of the stand-in
    """An error answer of the control API. `retry_after` in seconds."""

    def __init__(self, status: int, message: str, error_code: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_code = error_code
        self.retry_after = retry_after


class Fleet:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.how = isolation.plain("the stand-in is not started")
        self.records: list[Sandbox] = []
        self.machines: dict[str, Machine] = {}  # running and paused sandboxes by id
        self.kind: type[Machine] = Machine  # the class for new sandboxes
        self.templates: dict[str, Seed] = dict(BUILT_IN)
        self.snapshots: dict[str, Path] = {}
        self._folder = Path()
        self._profile = Path()
        self._keys: dict[
            str, tuple[str, Sandbox | None]
        ] = {}  # idempotency key -> request, and its sandbox once created
        self._closed = True
        self._creating = 0
        self._created: deque[float] = deque()
        self._clock: asyncio.Task[None] | None = None
        self._cleaning: set[asyncio.Task[None]] = set()

    def open(self, folder: Path, how: Isolation) -> None:
        """Accept new sandboxes, with their files in `folder`."""
        self.how = how
        self._closed = False
        self._folder = folder
        self._profile = isolation.write_profile(folder)

    def watch_clock(self) -> None:
        self._clock = asyncio.create_task(self._watch_clock())

    async def close(self) -> None:
        """End every sandbox and accept no new ones."""
        self._closed = True
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        await self.end_all()

    async def end_all(self) -> None:
        async def end(sandbox_id: str) -> None:
            with contextlib.suppress(Refusal):  # ended by another request
                await self.end(sandbox_id, Ending.STOPPED)

        await asyncio.gather(*(end(sandbox_id) for sandbox_id in list(self.machines)))
        await asyncio.gather(*self._cleaning)

    async def forget(self) -> None:
        """End every sandbox and remove all records, snapshots and added templates."""
        await self.end_all()
        self.records.clear()
        self.snapshots.clear()
        self.templates = dict(BUILT_IN)
        self._keys.clear()
        self._created.clear()

    @property
    def sandboxes(self) -> dict[str, Sandbox]:
        """Running and paused sandboxes by id."""
        return {sandbox_id: machine.sandbox for sandbox_id, machine in list(self.machines.items())}

    def find(self, sandbox_id: str) -> Machine:
        """Raises Refusal: 404."""
        try:
            return self.machines[sandbox_id]
        except KeyError:
            raise not_found(sandbox_id) from None

    async def create(self, options: CreateOptions) -> Sandbox:
        """A new sandbox, or the one created before with this idempotency key. Raises Refusal."""
        key = options.idempotency_key
        if key is None or not self.settings.idempotent:
            return await self._create(options)
        request = json.dumps(options.body, sort_keys=True)
        known = self._keys.get(key)
        if known is not None:
            return self._known(known, request)
        self._keys[key] = (request, None)
        try:
            sandbox = await self._create(options)
        except BaseException:
            del self._keys[key]
            raise
        self._keys[key] = (request, sandbox)
        return sandbox

    def _known(self, known: tuple[str, Sandbox | None], request: str) -> Sandbox:
        first, sandbox = known
        if first != request:
            said = "Idempotency-Key was already used with a different request"
            raise Refusal(422, said, "idempotency_request_mismatch")
        if sandbox is None:
            said = "A request with this Idempotency-Key is still in progress"
            raise Refusal(409, said, "idempotency_in_progress")
        if self.settings.outcomes_unknown:
            said = "The outcome of an earlier request with this Idempotency-Key is unknown"
            raise Refusal(409, said, "idempotency_outcome_unknown")
        return sandbox

    async def fork(self, machine: Machine, seconds: int, count: int) -> list[Sandbox]:
        """New sandboxes with a copy of this one's files, but not of its processes."""
        made = []
        for _ in range(count):
            self._admit()
            made.append(self._make(machine.sandbox.options, copy_of(machine.sandbox.home), seconds))
        return made

    def add_snapshot(self, machine: Machine, name: str) -> str:
        snapshot_id = f"{name or secrets.token_hex(10)}:default"
        folder = self._folder / "snapshots" / secrets.token_hex(8)
        shutil.copytree(machine.sandbox.home, folder, symlinks=True)
        self.snapshots[snapshot_id] = folder
        self.templates[snapshot_id] = copy_of(folder)
        return snapshot_id

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Raises Refusal: 404."""
        folder = self.snapshots.pop(snapshot_id, None)
        if folder is None:
            raise Refusal(404, f"template '{snapshot_id}' not found")
        del self.templates[snapshot_id]
        shutil.rmtree(folder, ignore_errors=True)

    def set_timeout(self, machine: Machine, seconds: float, *, only_longer: bool = False) -> None:
        """Set the timeout, counted from now. Raises Refusal if it is longer than allowed."""
        self.check_timeout(seconds)
        ends = self.settings.clock() + max(seconds, 0)
        machine.sandbox.ends = max(ends, machine.sandbox.ends) if only_longer else ends

    def check_timeout(self, seconds: float) -> None:
        if seconds > self.settings.max_hours * 3600:
            raise Refusal(400, f"Timeout cannot be greater than {self.settings.max_hours} hours")

    async def pause(self, machine: Machine, *, memory: bool) -> None:
        """Break all streams and stop the processes (`memory`), or end them. Raises Refusal (409) if it is paused."""
        sandbox = machine.sandbox
        if sandbox.state is State.PAUSED:
            raise Refusal(409, f"Error pausing sandbox - sandbox '{sandbox.id}' is already paused")
        sandbox.state = State.PAUSED
        sandbox.ends = self.settings.clock()
        if memory:
            machine.cut(silent=False)
            await machine.freeze()
        else:
            await machine.shut_down()

    async def resume(self, machine: Machine, seconds: float, *, memory: bool = True) -> None:
        """Raises Refusal if too many sandboxes run already."""
        self._admit()
        sandbox = machine.sandbox
        sandbox.state = State.RUNNING
        sandbox.ends = self.settings.clock() + seconds
        if memory:
            await machine.thaw()
        else:
            await machine.shut_down()

    async def end(self, sandbox_id: str, ending: Ending) -> None:
        """Break all streams and end every process, then remove the files in the background. Raises Refusal."""
        machine = self.find(sandbox_id)
        del self.machines[sandbox_id]
        sandbox = machine.sandbox
        sandbox.state, sandbox.ending = State.ENDED, ending
        await machine.shut_down(silent=ending is Ending.VANISHED)
        cleaning = asyncio.create_task(asyncio.to_thread(shutil.rmtree, sandbox.folder, ignore_errors=True))
        self._cleaning.add(cleaning)
        cleaning.add_done_callback(self._cleaning.discard)

    async def expire(self, machine: Machine) -> None:
        """Pause or kill a sandbox whose timeout is over, depending on its options."""
        if machine.sandbox.on_timeout == "pause":
            await self.pause(machine, memory=machine.sandbox.options.pause_memory)
        else:
            await self.end(machine.sandbox.id, Ending.EXPIRED)

    async def _watch_clock(self) -> None:
        while True:
            now = self.settings.clock()
            for machine in list(self.machines.values()):
                if machine.sandbox.state is State.RUNNING and machine.sandbox.ends <= now:
                    with contextlib.suppress(Refusal):  # ended by another request
                        await self.expire(machine)
            await asyncio.sleep(_TICK)

    async def _create(self, options: CreateOptions) -> Sandbox:
        seed = self._seed(options.template)
        self.check_timeout(options.timeout)
        self._admit()
        self._pace()
        self._creating += 1
        try:
            await asyncio.sleep(self.settings.create_delay_seconds)
        finally:
            self._creating -= 1
        return self._make(options, seed, options.timeout)

    def _make(self, options: CreateOptions, seed: Seed, seconds: float) -> Sandbox:
        if self._closed:
            raise Refusal(503, "the stand-in is stopping")
        now = round(self.settings.clock(), 6)  # the precision of the API's timestamps
        sandbox_id = new_id()
        sandbox = Sandbox(
            id=sandbox_id,
            number=len(self.records) + 1,
            options=options,
            token=secrets.token_hex(32),
            folder=self._folder / "sandboxes" / sandbox_id,
            started=now,
            ends=now + seconds,
            network=options.network,
            allow_internet=options.allow_internet,
        )
        isolation.make_folder(sandbox.folder)
        seed(sandbox.home)
        isolation.give(sandbox.home, self.how.owner)
        self.records.append(sandbox)
        self.machines[sandbox_id] = self.kind(sandbox, self.how, self.settings, self._profile)
        return sandbox

    def _seed(self, template: str) -> Seed:
        name, _, tag = template.partition(":")
        if template in self.templates:
            return self.templates[template]
        if name not in self.templates:
            raise Refusal(404, f"template '{name}' not found")
        if tag not in ("", "default"):
            raise Refusal(404, f"template '{name}' with tag '{tag}' not found")
        return self.templates[name]

    def _admit(self) -> None:
        running = sum(1 for machine in self.machines.values() if machine.sandbox.state is State.RUNNING)
        limit = self.settings.max_concurrent
        if running + self._creating >= limit:
            said = f"you have reached the maximum number of concurrent E2B sandboxes ({limit})."
            raise Refusal(429, f"{said} If you need more, please visit '{_DOCS}'", retry_after=1)

    def _pace(self) -> None:
        if not self.settings.create_rate:
            return
        now = asyncio.get_running_loop().time()
        while self._created and self._created[0] <= now - 1:
            self._created.popleft()
        if len(self._created) >= self.settings.create_rate:
            raise Refusal(429, "Rate limit exceeded, please try again later.", retry_after=1)
        self._created.append(now)


def not_found(sandbox_id: str) -> Refusal:
    return Refusal(404, f"Sandbox \"{sandbox_id}\" doesn't exist or you don't have access to it")
