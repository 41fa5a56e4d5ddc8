"""The boxes: created, paused, resumed, ended, and ended by the clock. Everything here runs on the server's loop."""

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
from bot.rig.e2b.state import Box, Ending, Given, Settings, State, new_id
from bot.rig.e2b.templates import BUILT_IN, Seed, copy_of

_TICK = 0.1  # seconds between two looks at the clock
_DOCS = "https://e2b.dev/docs/billing"


class Refusal(Exception):  # noqa: N818 - it is the answer, not a failure of the stand-in
    """An answer of the control API that is an error. `retry_after` in seconds."""

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
        self.records: list[Box] = []
        self.machines: dict[str, Machine] = {}  # of running and paused boxes
        self.kind: type[Machine] = Machine  # of the boxes made from now on
        self.templates: dict[str, Seed] = dict(BUILT_IN)
        self.snapshots: dict[str, Path] = {}
        self._folder = Path()
        self._profile = Path()
        self._keys: dict[str, tuple[str, Box | None]] = {}  # idempotency key -> request, its box once made
        self._closed = True
        self._creating = 0
        self._created: deque[float] = deque()
        self._clock: asyncio.Task[None] | None = None
        self._cleaning: set[asyncio.Task[None]] = set()

    def open(self, folder: Path, how: Isolation) -> None:
        """Boxes are kept in `folder` from now on."""
        self.how = how
        self._closed = False
        self._folder = folder
        self._profile = isolation.write_profile(folder)

    def watch_clock(self) -> None:
        self._clock = asyncio.create_task(self._watch_clock())

    async def close(self) -> None:
        """End every box and make no more."""
        self._closed = True
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        await self.end_all()

    async def end_all(self) -> None:
        async def end(box_id: str) -> None:
            with contextlib.suppress(Refusal):  # somebody else ended it first
                await self.end(box_id, Ending.STOPPED)

        await asyncio.gather(*(end(box_id) for box_id in list(self.machines)))
        await asyncio.gather(*self._cleaning)

    async def forget(self) -> None:
        """End every box, and be as if none had ever been."""
        await self.end_all()
        self.records.clear()
        self.snapshots.clear()
        self.templates = dict(BUILT_IN)
        self._keys.clear()
        self._created.clear()

    @property
    def boxes(self) -> dict[str, Box]:
        """Running and paused ones, by id."""
        return {box_id: machine.box for box_id, machine in list(self.machines.items())}

    def find(self, box_id: str) -> Machine:
        """Raises Refusal: 404."""
        try:
            return self.machines[box_id]
        except KeyError:
            raise not_found(box_id) from None

    async def create(self, given: Given) -> Box:
        """A running box, or the one this idempotency key made before. Raises Refusal."""
        key = given.idempotency_key
        if key is None:
            return await self._create(given)
        request = json.dumps(given.body, sort_keys=True)
        known = self._keys.get(key)
        if known is not None:
            return _known(known, request)
        self._keys[key] = (request, None)
        try:
            box = await self._create(given)
        except BaseException:
            del self._keys[key]
            raise
        self._keys[key] = (request, box)
        return box

    async def fork(self, machine: Machine, seconds: int, count: int) -> list[Box]:
        """Boxes with a copy of this one's files. Its processes are not copied."""
        made = []
        for _ in range(count):
            self._admit()
            made.append(self._make(machine.box.given, copy_of(machine.box.home), seconds))
        return made

    def add_snapshot(self, machine: Machine, name: str) -> str:
        snapshot_id = f"{name or secrets.token_hex(10)}:default"
        folder = self._folder / "snapshots" / secrets.token_hex(8)
        shutil.copytree(machine.box.home, folder, symlinks=True)
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
        """From now. Raises Refusal when it is longer than allowed."""
        self.check_timeout(seconds)
        ends = self.settings.clock() + max(seconds, 0)
        machine.box.ends = max(ends, machine.box.ends) if only_longer else ends

    def check_timeout(self, seconds: float) -> None:
        if seconds > self.settings.max_hours * 3600:
            raise Refusal(400, f"Timeout cannot be greater than {self.settings.max_hours} hours")

    async def pause(self, machine: Machine, *, memory: bool) -> None:
        """Streams break; processes stand still, or end when memory is not kept. Raises Refusal: 409."""
        box = machine.box
        if box.state is State.PAUSED:
            raise Refusal(409, f"Error pausing sandbox - sandbox '{box.id}' is already paused")
        box.state = State.PAUSED
        box.ends = self.settings.clock()
        if memory:
            machine.cut(silent=False)
            await machine.freeze()
        else:
            await machine.shut_down()

    async def resume(self, machine: Machine, seconds: float, *, memory: bool = True) -> None:
        """Raises Refusal when too many boxes run already."""
        self._admit()
        box = machine.box
        box.state = State.RUNNING
        box.ends = self.settings.clock() + seconds
        if memory:
            await machine.thaw()
        else:
            await machine.shut_down()

    async def end(self, box_id: str, ending: Ending) -> None:
        """Streams break and every process ends before this returns; the files go afterwards. Raises Refusal."""
        machine = self.find(box_id)
        del self.machines[box_id]
        box = machine.box
        box.state, box.ending = State.ENDED, ending
        await machine.shut_down(silent=ending is Ending.VANISHED)
        cleaning = asyncio.create_task(asyncio.to_thread(shutil.rmtree, box.folder, ignore_errors=True))
        self._cleaning.add(cleaning)
        cleaning.add_done_callback(self._cleaning.discard)

    async def expire(self, machine: Machine) -> None:
        """What E2B does when a box's time is up."""
        if machine.box.on_timeout == "pause":
            await self.pause(machine, memory=machine.box.given.pause_memory)
        else:
            await self.end(machine.box.id, Ending.EXPIRED)

    async def _watch_clock(self) -> None:
        while True:
            now = self.settings.clock()
            for machine in list(self.machines.values()):
                if machine.box.state is State.RUNNING and machine.box.ends <= now:
                    with contextlib.suppress(Refusal):  # somebody else ended it first
                        await self.expire(machine)
            await asyncio.sleep(_TICK)

    async def _create(self, given: Given) -> Box:
        seed = self._seed(given.template)
        self.check_timeout(given.timeout)
        self._admit()
        self._pace()
        self._creating += 1
        try:
            await asyncio.sleep(self.settings.create_delay_seconds)
        finally:
            self._creating -= 1
        return self._make(given, seed, given.timeout)

    def _make(self, given: Given, seed: Seed, seconds: float) -> Box:
        if self._closed:
            raise Refusal(503, "the stand-in is stopping")
        now = round(self.settings.clock(), 6)  # what the API's timestamps can tell
        box_id = new_id()
        box = Box(
            id=box_id,
            number=len(self.records) + 1,
            given=given,
            token=secrets.token_hex(32),
            folder=self._folder / "boxes" / box_id,
            started=now,
            ends=now + seconds,
            network=given.network,
            allow_internet=given.allow_internet,
        )
        isolation.make_folder(box.folder)
        seed(box.home)
        self.records.append(box)
        self.machines[box_id] = self.kind(box, self.how, self.settings, self._profile)
        return box

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
        running = sum(1 for machine in self.machines.values() if machine.box.state is State.RUNNING)
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


def _known(known: tuple[str, Box | None], request: str) -> Box:
    first, box = known
    if first != request:
        said = "Idempotency-Key was already used with a different request"
        raise Refusal(422, said, "idempotency_request_mismatch")
    if box is None:
        said = "A request with this Idempotency-Key is still in progress"
        raise Refusal(409, said, "idempotency_in_progress")
    return box


def not_found(box_id: str) -> Refusal:
    return Refusal(404, f"Sandbox \"{box_id}\" doesn't exist or you don't have access to it")
