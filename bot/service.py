"""Puts the rooms together and keeps the service going: web and worker in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import socket

import structlog
import uvicorn
from starlette.applications import Starlette

from bot import inbox, log
from bot.app import create_app
from bot.database import Database
from bot.dispatch import dispatch
from bot.engine import Engine
from bot.github.app import App
from bot.github.client import Api
from bot.github.pace import Pace
from bot.redact import Redactor
from bot.run.workflow import execute
from bot.sandbox import Sandboxes
from bot.settings import Settings
from bot.sweep.loop import sweep_for_ever
from bot.world import World

logger = structlog.get_logger()


def redactor(settings: Settings) -> Redactor:
    secrets = [settings.amp_api_key.get_secret_value(), settings.e2b_api_key.get_secret_value()]
    return Redactor([*secrets, *settings.webhook_secrets])


def create_world(settings: Settings) -> World:
    """The rooms, not yet opened: nothing is asked of anybody here."""
    return World(
        settings=settings,
        database=Database(settings.database_url),
        github=App(Api(settings.github_api_url, Pace()), settings.github_app_id, settings.private_key()),
        sandboxes=Sandboxes(
            settings.e2b_api_key.get_secret_value(),
            instance=settings.instance,
            api_url=settings.e2b_api_url,
            sandbox_url=settings.e2b_sandbox_url,
        ),
        redact=redactor(settings),
    )


def create_engine(world: World) -> Engine:
    """The engine with our workflows. Their names carry their shape: runs begun by old code must end well."""
    engine = Engine(world.settings.database_url)
    engine.workflow(inbox.DISPATCH, lambda guid: dispatch(world, engine, guid))
    engine.workflow(inbox.RUN, lambda run: execute(world, engine, run))
    engine.queue(
        inbox.RUNS,
        at_once=world.settings.max_runs,
        at_once_per_partition=world.settings.max_runs_per_installation,
    )
    return engine


def create_service(settings: Settings) -> Starlette:
    """`ampbot serve`: the receiver, and behind it the engine in the same loop."""
    log.configure(settings.log_format, redactor(settings))
    world = create_world(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(world.database.migrate)
        engine = create_engine(world)
        await engine.start()
        watching = asyncio.create_task(inbox.watch(world, engine))
        sweeping = asyncio.create_task(sweep_for_ever(world, engine))
        logger.info("serving", database=settings.database_url.split("://", 1)[0], template=settings.e2b_template)
        try:
            yield
        finally:
            for task in (sweeping, watching):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await engine.stop()
            world.database.close()

    return create_app(world, lifespan)


class _Server(uvicorn.Server):
    """Says where it listens: the port may have been left to the system."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                logger.info("listening", host=host, port=port)


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        create_service(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    _Server(config).run()
