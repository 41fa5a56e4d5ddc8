"""The durable engine: the only room that knows DBOS. Workflows and steps, queues, and their recovery at start.

Step results and arguments are stored in clear text: only ids and small plain values may pass through here.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import TypeVar

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from bot.store.database import pool_arguments

log = structlog.get_logger()

Plain = TypeVar("Plain", str, int, bool, None)

# A constant: the default is a hash of the sources, and every deploy would strand the runs in flight.
APPLICATION_VERSION = "1"
# Unset it is unbounded, and a thousand live runs fight over the interpreter (measured; engine.md T2).
THREADS = 32
UNENDED = ("PENDING", "ENQUEUED", "DELAYED")
# Seconds to wait before a step that met a database in trouble is begun again; the last is repeated.
DATABASE_WAITS = (1.0, 5.0, 15.0)


@dataclass(frozen=True, slots=True)
class Pending:
    """A workflow that an executor has begun and not ended."""

    key: str
    workflow: str
    executor: str

    @property
    def argument(self) -> str:
        """What it was begun with. Keys are the argument, or `word:argument`, and end in `:number` when begun again."""
        parts = self.key.split(":")
        return parts[1] if parts[0] == "delivery" else parts[0]


class Engine:
    """Durable workflows over one database. One per process."""

    def __init__(self, database_url: str, *, executor: str = "ampbot", poll_seconds: float = 0.05) -> None:
        """`executor` names this process for recovery; `poll_seconds` is how often queues are looked at."""
        self._poll_seconds = poll_seconds
        self._workflows: dict[str, Callable[[str], Awaitable[None]]] = {}
        self._queues: dict[str, tuple[int | None, int | None, float]] = {}
        self._under_way: defaultdict[str, set[str]] = defaultdict(set)
        self._config: DBOSConfig = {
            "name": "ampbot",
            "system_database_url": database_url,
            "db_engine_kwargs": pool_arguments(database_url),
            "application_version": APPLICATION_VERSION,
            "executor_id": executor,
            "max_executor_threads": THREADS,
            "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(),
            "notification_listener_polling_interval_sec": 0.2,
        }
        DBOS(config=self._config)

    def workflow(self, name: str, function: Callable[[str], Awaitable[None]]) -> None:
        """Register `function` under a name that carries its shape (`run_v1`): names outlive deploys."""

        async def logged(argument: str) -> None:
            self._under_way[name].add(argument)
            try:
                await function(argument)
            except Exception:
                log.exception("workflow failed", workflow=name, argument=argument)
                raise
            finally:
                self._under_way[name].discard(argument)

        self._workflows[name] = DBOS.workflow(name=name)(logged)

    def queue(
        self,
        name: str,
        *,
        at_once: int | None = None,
        at_once_per_partition: int | None = None,
        poll_seconds: float | None = None,
    ) -> None:
        """Declare a queue, if need be with limits; they hold over all processes."""
        self._queues[name] = (at_once, at_once_per_partition, poll_seconds or self._poll_seconds)

    async def start(self) -> None:
        """Launch in the running loop: unfinished workflows of this executor go on from their last step."""
        # Without saying so it would take work from every queue of the database, those of newer code too.
        DBOS.listen_queues(list(self._queues))
        DBOS.launch()
        for name, (at_once, per_partition, poll_seconds) in self._queues.items():
            await DBOS.register_queue_async(
                name,
                global_concurrency=at_once,
                partition_concurrency=per_partition,
                polling_interval_sec=poll_seconds,
                on_conflict="always_update",
            )

    async def stop(self) -> None:
        """Detach. Steps in flight are abandoned where they are and run again at the next start."""
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)

    async def begin(self, workflow: str, *, key: str, argument: str) -> None:
        """Start now, outside any queue. Starting a key twice is harmless."""
        with SetWorkflowID(key):
            await DBOS.start_workflow_async(self._workflows[workflow], argument)  # type: ignore[arg-type]  # a coroutine function, seen as Awaitable

    async def enqueue(self, workflow: str, *, queue: str, partition: str, key: str, argument: str) -> None:
        """Start when the queue's limits allow. Enqueueing a key twice is harmless."""
        with SetWorkflowID(key), SetEnqueueOptions(queue_partition_key=partition):
            await DBOS.enqueue_workflow_async(queue, self._workflows[workflow], argument)  # type: ignore[arg-type]  # as above

    async def step(self, name: str, work: Callable[[], Awaitable[Plain]]) -> Plain:
        """Run `work` and remember its result; called again after a crash unless it had ended. Workflows only."""

        async def run() -> Plain:
            for wait in chain(DATABASE_WAITS, repeat(DATABASE_WAITS[-1])):
                try:
                    return await work()
                except sa.exc.OperationalError as error:
                    # Locked, full or restarting: a step's failure would be final, and what was begun would be lost.
                    log.warning("waiting for the database", step=name, seconds=wait, error=type(error.orig).__name__)
                    await asyncio.sleep(wait)
            raise AssertionError("unreachable")

        return await DBOS.run_step_async({"name": name}, run)

    async def unfinished(self) -> int:
        """How many workflows have not ended."""
        rows = await DBOS.list_workflows_async(status=list(UNENDED), load_input=False)
        return len(rows)

    async def alive(self, keys: Sequence[str]) -> Mapping[str, bool]:
        """Of these keys, those that were ever started: whether each has yet to end."""
        found: dict[str, bool] = {}
        for start in range(0, len(keys), 200):
            rows = await DBOS.list_workflows_async(
                workflow_ids=list(keys[start : start + 200]), load_input=False, load_output=False
            )
            found |= {row.workflow_id: row.status in UNENDED for row in rows}
        return found

    async def forget(self, before: float, most: int = 500) -> int:
        """Delete workflows that ended before then (epoch seconds), with their steps: how many, at most `most`."""
        rows = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            limit=most,
            load_input=False,
            load_output=False,
        )
        if rows:
            await DBOS.delete_workflows_async([row.workflow_id for row in rows])
        return len(rows)

    @property
    def under_way(self) -> Mapping[str, frozenset[str]]:
        """Workflow name -> arguments of those that this process works on."""
        return defaultdict(frozenset, {name: frozenset(arguments) for name, arguments in self._under_way.items()})

    async def pending(self) -> tuple[Pending, ...]:
        """What any executor of this database has begun and not ended."""
        rows = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        return tuple(Pending(row.workflow_id, row.name, row.executor_id or "") for row in rows)

    async def resume(self, keys: list[str], *, queue: str) -> None:
        """Let whoever is free go on with workflows whose executor is dead."""
        await DBOS.resume_workflows_async(keys, queue_name=queue)
