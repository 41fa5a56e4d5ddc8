"""Builds the services and runs them: web and worker, in one process or in many."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from socket import socket
from typing import Any

import sqlalchemy as sa
import structlog
import uvicorn
from starlette.applications import Starlette

from bot import log
from bot.context import Context
from bot.dispatch import inbox, offered, takeover
from bot.dispatch.delivery import dispatch
from bot.engine.lock import WorkerLock
from bot.engine.workflows import Engine
from bot.github.app import App
from bot.github.client import GitHubApi
from bot.github.rate_limit import RateLimit
from bot.run.workflow import execute
from bot.sandbox.client import Sandboxes
from bot.settings import Settings
from bot.store import attempts
from bot.store.database import Database
from bot.store.open_db import open_database
from bot.sweep.loop import sweep_forever
from bot.text.redact import Redactor
from bot.web.app import Lifespan, create_app

logger = structlog.get_logger()

# How long a stop may take longer for the attempts that it interrupts.
GIVE_BACK_SECONDS = 5.0


def create_redactor(settings: Settings) -> Redactor:
    secrets = [settings.amp_api_key.get_secret_value(), settings.e2b_api_key.get_secret_value()]
    return Redactor([*secrets, *settings.webhook_secrets])


def create_context(settings: Settings, ensure_lock_held: Callable[[], Awaitable[None]] | None = None) -> Context:
    """Build the services. No I/O. `ensure_lock_held`: see Context."""
    redact = create_redactor(settings)
    database = Database(settings.database_url)
    context = Context(
        settings=settings,
        database=database.with_lock_check(ensure_lock_held) if ensure_lock_held is not None else database,
        github=App(
            GitHubApi(settings.github_api_url, RateLimit(), redact, ensure_lock_held=ensure_lock_held),
            settings.github_app_id,
            settings.private_key(),
        ),
        sandboxes=Sandboxes(
            settings.e2b_api_key.get_secret_value(),
            instance=settings.instance,
            api_url=settings.e2b_api_url,
            sandbox_url=settings.e2b_sandbox_url,
            ensure_lock_held=ensure_lock_held,
        ),
        redact=redact,
        handlers=offered.load().handlers,
    )
    return replace(context, ensure_lock_held=ensure_lock_held) if ensure_lock_held is not None else context


def poll_seconds(settings: Settings) -> float:
    """Seconds between two polls of the run queue. A poll's cost grows with the number of queued installations."""
    return min(0.5, max(0.1, settings.max_runs / 2000))


def create_engine(context: Context, executor: str = "ampbot") -> Engine:
    """The engine with our workflows. Old versions stay registered until their runs have ended."""
    engine = Engine(context.settings.database_url, executor=executor, poll_seconds=poll_seconds(context.settings))
    for version in inbox.DISPATCHES:
        engine.workflow(version.workflow, lambda guid: dispatch(context, engine, guid))
        if context.settings.is_postgres:
            engine.queue(version.queue, poll_seconds=1.0)  # used after a takeover only
    for version in inbox.RUNS:
        engine.workflow(version.workflow, lambda run: execute(context, engine, run))
        engine.queue(
            version.queue,
            concurrency=context.settings.max_runs,
            # DBOS rejects a partition limit above the global one.
            partition_concurrency=min(context.settings.max_runs_per_installation, context.settings.max_runs),
        )
    return engine


class Role(StrEnum):
    """What a process does. WEB and WORKER share a PostgreSQL database."""

    ALL = "serve"
    WEB = "web"
    WORKER = "worker"


def create_service(settings: Settings, role: Role = Role.ALL) -> Starlette:
    """The ASGI app of `role`. A worker's engine runs in its event loop. The database must be migrated."""
    # On SQLite there is one process, and a web process runs no workflows: neither needs the lock.
    lock = WorkerLock(settings.database_url) if settings.is_postgres and role is not Role.WEB else None
    context = create_context(settings, lock.ensure_held if lock is not None else None)
    # Deliveries are stored even after the lock is lost.
    web = create_app(
        replace(context, database=context.database.with_lock_check(None)),
        _worker_lifespan(context, lock) if role is not Role.WEB else _web_lifespan(context),
        receives=role is not Role.WORKER,
    )
    logger.info("serving", role=role, database=settings.database_url.split("://", 1)[0], template=settings.e2b_template)
    return web


async def _give_back(context: Context, interrupted: frozenset[str]) -> None:
    """Who is stopped in order did not die of its work. Without the database or the lock, its attempts stay counted."""
    with suppress(sa.exc.OperationalError, TimeoutError):
        async with asyncio.timeout(GIVE_BACK_SECONDS):
            await context.database.write(attempts.give_back, interrupted)


def _web_lifespan(context: Context) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        context.database.close()

    return lifespan


def _worker_lifespan(context: Context, lock: WorkerLock | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if lock is not None:
            await lock.acquire()
        engine = create_engine(context, lock.executor if lock is not None else "ampbot")
        await engine.start()
        tasks = [asyncio.create_task(task) for task in _background_tasks(context, engine, lock)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            interrupted = frozenset(context.attempts.open)
            await engine.stop()
            await _give_back(context, interrupted)
            context.database.close()
            # Keep the lock until the process exits: requests in flight may still write.

    return lifespan


def _background_tasks(context: Context, engine: Engine, lock: WorkerLock | None) -> Iterator[Coroutine[Any, Any, None]]:
    yield inbox.dispatch_forever(context, engine)
    yield sweep_forever(context, engine)
    if lock is not None:
        yield lock.listen(context.work)
        yield takeover.heartbeat(context, engine)
        yield takeover.watch_workers(context, engine, lock)
        yield _restart_when_lost(lock)


async def _restart_when_lost(lock: WorkerLock) -> None:
    """Replace this process once the lock is lost, since it may no longer write. The new one gets a new executor id."""
    await lock.wait_lost()
    await lock.wait_until_reachable()
    logger.warning("starting anew", executor=lock.executor)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line


class _Server(uvicorn.Server):
    """Logs the bound address (the port may be 0)."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                # Keep this port if the process replaces itself.
                os.environ["AMPBOT_PORT"] = str(port)
                logger.info("listening", host=host, port=port)


def serve(settings: Settings, role: Role = Role.ALL) -> None:
    """Run until SIGTERM or SIGINT. Raises: UnusableError, HandlersError: each with a sentence for the operator."""
    log.configure(settings.log_format, create_redactor(settings))
    if role is not Role.WEB:  # which only stores what arrives
        offered.load().or_error()
    with open_database(settings.database_url):
        _run(settings, role)


def _run(settings: Settings, role: Role) -> None:
    _Server(uvicorn_config(create_service(settings, role), settings.host, settings.port)).run()


def uvicorn_config(app: Starlette, host: str, port: int) -> uvicorn.Config:
    """`auto` takes uvloop and httptools where they are installed."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",
        http="auto",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )
