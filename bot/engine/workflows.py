"""The durable engine: workflows, steps, queues and recovery. The only module that imports DBOS.

DBOS stores arguments and step results in clear text: pass ids and small plain values only.
https://docs.dbos.dev/python/programming-guide
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

Plain = TypeVar("Plain", str, int, bool, None, bool | None)

# Constant: the default is a hash of the source, and DBOS recovers only workflows of its own version.
APPLICATION_VERSION = "1"
# Unbounded by default: the threads of a thousand live runs would contend for the GIL.
MAX_THREADS = 32
ACTIVE_STATUSES = ("PENDING", "ENQUEUED", "DELAYED")
# Seconds between retries of a step while the database fails; the last is repeated.
DATABASE_WAITS = (1.0, 5.0, 15.0)


@dataclass(frozen=True, slots=True)
class PendingWorkflow:
    """A workflow that an executor has started and not ended."""

    key: str
    workflow: str
    executor: str

    @property
    def argument(self) -> str:
        """Its argument, from a key such as `RUN`, `delivery:GUID` or, when requeued, `RUN:1`."""
        parts = self.key.split(":")
        return parts[1] if parts[0] == "delivery" else parts[0]


class Engine:
    """Durable workflows over one database. One per process."""

    def __init__(self, database_url: str, *, executor: str = "ampbot", poll_seconds: float = 0.05) -> None:
        """`executor` identifies this process for recovery; `poll_seconds` is the time between two polls of a queue."""
        self._poll_seconds = poll_seconds
        self._workflows: dict[str, Callable[[str], Awaitable[None]]] = {}
        self._queues: dict[str, tuple[int | None, int | None, float]] = {}
        self._running: defaultdict[str, set[str]] = defaultdict(set)
        self._config: DBOSConfig = {
            "name": "ampbot",
            "system_database_url": database_url,
            "db_engine_kwargs": pool_arguments(database_url),
            "application_version": APPLICATION_VERSION,
            "executor_id": executor,
            "max_executor_threads": MAX_THREADS,
            "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(),
            "notification_listener_polling_interval_sec": 0.2,
        }
        DBOS(config=self._config)

    def workflow(self, name: str, function: Callable[[str], Awaitable[None]]) -> None:
        """Register `function` under a versioned name (`run_v1`): stored workflows refer to it after a deploy."""

        async def logged(argument: str) -> None:
            self._running[name].add(argument)
            try:
                await function(argument)
            except Exception:
                log.exception("workflow failed", workflow=name, argument=argument)
                raise
            finally:
                self._running[name].discard(argument)

        self._workflows[name] = DBOS.workflow(name=name)(logged)

    def queue(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        partition_concurrency: int | None = None,
        poll_seconds: float | None = None,
    ) -> None:
        """Declare a queue. The concurrency limits hold across all processes."""
        self._queues[name] = (concurrency, partition_concurrency, poll_seconds or self._poll_seconds)

    async def start(self) -> None:
        """Launch in the running loop. Unfinished workflows of this executor resume after their last completed step."""
        # By default DBOS takes work from every queue in the database, also from those of newer code.
        DBOS.listen_queues(list(self._queues))
        DBOS.launch()
        for name, (concurrency, partition_concurrency, poll_seconds) in self._queues.items():
            await DBOS.register_queue_async(
                name,
                global_concurrency=concurrency,
                partition_concurrency=partition_concurrency,
                polling_interval_sec=poll_seconds,
                on_conflict="always_update",
            )

    async def stop(self) -> None:
        """Stop at once. Steps in flight are abandoned and run again at the next start."""
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)

    async def start_workflow(self, workflow: str, *, key: str, argument: str) -> None:
        """Start now, outside any queue. Idempotent by `key`."""
        with SetWorkflowID(key):
            await DBOS.start_workflow_async(self._workflows[workflow], argument)  # type: ignore[arg-type]  # a coroutine function, seen as Awaitable

    async def enqueue(self, workflow: str, *, queue: str, partition: str, key: str, argument: str) -> None:
        """Start when the queue's limits allow. Idempotent by `key`."""
        with SetWorkflowID(key), SetEnqueueOptions(queue_partition_key=partition):
            await DBOS.enqueue_workflow_async(queue, self._workflows[workflow], argument)  # type: ignore[arg-type]  # as above

    async def step(self, name: str, work: Callable[[], Awaitable[Plain]]) -> Plain:
        """Run `work` as a step of the current workflow and store its result. A completed step is never rerun."""

        async def run() -> Plain:
            for wait in chain(DATABASE_WAITS, repeat(DATABASE_WAITS[-1])):
                try:
                    return await work()
                except sa.exc.OperationalError as error:
                    # Locked, full or restarting. A failed step would fail its workflow.
                    log.warning("waiting for the database", step=name, seconds=wait, error=type(error.orig).__name__)
                    await asyncio.sleep(wait)
            raise AssertionError("unreachable")

        return await DBOS.run_step_async({"name": name}, run)

    async def are_active(self, keys: Sequence[str]) -> Mapping[str, bool]:
        """Whether the workflow of each key is active (has not ended). Unknown keys are left out."""
        found: dict[str, bool] = {}
        for start in range(0, len(keys), 200):
            rows = await DBOS.list_workflows_async(
                workflow_ids=list(keys[start : start + 200]), load_input=False, load_output=False
            )
            found |= {row.workflow_id: row.status in ACTIVE_STATUSES for row in rows}
        return found

    async def delete_ended(self, before: float, limit: int = 500) -> int:
        """Delete up to `limit` workflows that ended before `before` (epoch seconds), with steps. Returns the count."""
        rows = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            limit=limit,
            load_input=False,
            load_output=False,
        )
        if rows:
            await DBOS.delete_workflows_async([row.workflow_id for row in rows])
        return len(rows)

    @property
    def key(self) -> str:
        """The key of the current workflow. Only within one."""
        return DBOS.workflow_id or ""

    @property
    def running(self) -> Mapping[str, frozenset[str]]:
        """Workflow name -> arguments of the workflows that run in this process."""
        return defaultdict(frozenset, {name: frozenset(arguments) for name, arguments in self._running.items()})

    async def list_pending(self) -> tuple[PendingWorkflow, ...]:
        """The pending workflows of all executors on this database."""
        rows = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        return tuple(PendingWorkflow(row.workflow_id, row.name, row.executor_id or "") for row in rows)

    async def resume(self, keys: list[str], *, queue: str) -> None:
        """Put the workflows of a dead executor into `queue`, where any worker continues them."""
        await DBOS.resume_workflows_async(keys, queue_name=queue)
