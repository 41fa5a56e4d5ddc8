"""Puts the rooms together and keeps the service going: web and worker, in one process or in many."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from socket import socket
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette

from bot import log
from bot.context import Context
from bot.dispatch import inbox, takeover
from bot.dispatch.delivery import dispatch
from bot.engine.lock import WorkerLock
from bot.engine.workflows import Engine
from bot.github.app import App
from bot.github.client import GitHubApi
from bot.github.rate_limit import RateLimit
from bot.run.workflow import execute
from bot.sandbox.client import Sandboxes
from bot.settings import Settings
from bot.store.database import Database
from bot.store.open_db import open_database
from bot.sweep.loop import sweep_forever
from bot.text.redact import Redactor
from bot.web.app import Lifespan, create_app

logger = structlog.get_logger()


def redactor(settings: Settings) -> Redactor:
    secrets = [settings.amp_api_key.get_secret_value(), settings.e2b_api_key.get_secret_value()]
    return Redactor([*secrets, *settings.webhook_secrets])


def create_context(settings: Settings, confirm: Callable[[], Awaitable[None]] | None = None) -> Context:
    """Build the services; no I/O happens here. `confirm`: see Context."""
    redact = redactor(settings)
    database = Database(settings.database_url)
    context = Context(
        settings=settings,
        database=database.fenced(confirm) if confirm is not None else database,
        github=App(
            GitHubApi(settings.github_api_url, RateLimit(), redact, confirm=confirm),
            settings.github_app_id,
            settings.private_key(),
        ),
        sandboxes=Sandboxes(
            settings.e2b_api_key.get_secret_value(),
            instance=settings.instance,
            api_url=settings.e2b_api_url,
            sandbox_url=settings.e2b_sandbox_url,
            confirm=confirm,
        ),
        redact=redact,
    )
    return replace(context, confirm=confirm) if confirm is not None else context


def poll_seconds(settings: Settings) -> float:
    """How often the queue is looked at. A look asks for each installation that waits: many runs make it dear."""
    return min(0.5, max(0.1, settings.max_runs / 2000))


def create_engine(context: Context, executor: str = "ampbot") -> Engine:
    """The engine with our workflows. Their names carry their shape: runs begun by old code must end well."""
    engine = Engine(context.settings.database_url, executor=executor, poll_seconds=poll_seconds(context.settings))
    for shape in inbox.DISPATCHES:
        engine.workflow(shape.workflow, lambda guid: dispatch(context, engine, guid))
        if context.settings.is_postgres:
            engine.queue(shape.queue, poll_seconds=1.0)  # used after a takeover only
    for shape in inbox.RUNS:
        engine.workflow(shape.workflow, lambda run: execute(context, engine, run))
        engine.queue(
            shape.queue,
            at_once=context.settings.max_runs,
            # The engine refuses a share that is larger than the whole.
            at_once_per_partition=min(context.settings.max_runs_per_installation, context.settings.max_runs),
        )
    return engine


class Part(StrEnum):
    """What a process does. The halves meet in the database, which is PostgreSQL then."""

    ALL = "serve"
    WEB = "web"
    WORKER = "worker"


def create_service(settings: Settings, part: Part = Part.ALL) -> Starlette:
    """Over a database that is open: the receiver, and behind it the engine in the same loop; or one of them."""
    # One process on SQLite has nobody to lose its work to, and a web works on nothing.
    lock = WorkerLock(settings.database_url) if settings.is_postgres and part is not Part.WEB else None
    context = create_context(settings, lock.confirm if lock is not None else None)
    # What GitHub delivers is stored also by one that has just lost its work.
    web = create_app(
        replace(context, database=context.database.fenced(None)),
        _working(context, lock) if part is not Part.WEB else _receiving(context),
        receives=part is not Part.WORKER,
    )
    logger.info("serving", part=part, database=settings.database_url.split("://", 1)[0], template=settings.e2b_template)
    return web


def _receiving(context: Context) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        context.database.close()

    return lifespan


def _working(context: Context, lock: WorkerLock | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if lock is not None:
            await lock.take()
        engine = create_engine(context, lock.executor if lock is not None else "ampbot")
        await engine.start()
        watching = [asyncio.create_task(task) for task in _watches(context, engine, lock)]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await engine.stop()
            context.database.close()
            # The lock goes with the process: until then what is in flight here may still write.

    return lifespan


def _watches(context: Context, engine: Engine, lock: WorkerLock | None) -> Iterator[Coroutine[Any, Any, None]]:
    yield inbox.watch(context, engine)
    yield sweep_forever(context, engine)
    if lock is not None:
        yield lock.listen(context.work)
        yield takeover.heartbeat(context, engine)
        yield takeover.watch(context, engine, lock)
        yield _renewed(lock)


async def _renewed(lock: WorkerLock) -> None:
    """Once the lock is lost, nothing here may write any more: the process starts itself anew, under a new name."""
    await lock.watch()
    await lock.until_reachable()
    logger.warning("starting anew", executor=lock.executor)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line


class _Server(uvicorn.Server):
    """Says where it listens: the port may have been left to the system."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                # Should it start itself anew, then under the address it is known by.
                os.environ["AMPBOT_PORT"] = str(port)
                logger.info("listening", host=host, port=port)


def serve(settings: Settings, part: Part = Part.ALL) -> None:
    """Run until SIGTERM or SIGINT. Raises: UnusableError with a sentence about the database."""
    log.configure(settings.log_format, redactor(settings))
    with open_database(settings.database_url):
        _run(settings, part)


def _run(settings: Settings, part: Part) -> None:
    _Server(uvicorn_config(create_service(settings, part), settings.host, settings.port)).run()


def uvicorn_config(app: Starlette, host: str, port: int) -> uvicorn.Config:
    """How we serve: on uvloop and httptools, where the system has them."""
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
