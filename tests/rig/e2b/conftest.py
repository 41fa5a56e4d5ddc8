"""A running stand-in, and the unmodified SDK configured for it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields
from typing import Any

import e2b
import httpx
import pytest

from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Settings


def client_of(rig: E2B) -> e2b.E2B:
    return e2b.E2B(api_key=rig.api_key, api_url=rig.url, sandbox_url=rig.url)


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Poll until the condition holds; fail after ten seconds."""
    async with asyncio.timeout(10):
        while True:
            found = true()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.01)


async def http(method: str, address: str, **how: Any) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.request(method, address, **how)


async def stream(rig: E2B, sandbox_id: str, call: str, message: bytes, **headers: str) -> bytes:
    """The raw, complete answer to a streaming call."""
    whose = {"e2b-sandbox-id": sandbox_id, "x-access-token": rig.sandboxes[sandbox_id].token}
    kind = {"content-type": "application/connect+json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    envelope = b"\0" + len(message).to_bytes(4, "big") + message
    answer = await http("POST", f"{rig.url}/{call}", content=envelope, headers={**whose, **kind, **named}, timeout=10)
    return answer.content


@pytest.fixture(scope="session")
def shared() -> Iterator[E2B]:
    with E2B() as running:
        yield running


@pytest.fixture
def rig(shared: E2B) -> Iterator[E2B]:
    """A cleared stand-in for each test."""
    for setting in fields(Settings):
        setattr(shared.settings, setting.name, setting.default)
    yield shared
    shared.clear()
    assert shared.server.errors == ()


@pytest.fixture
def client(rig: E2B) -> e2b.E2B:
    return client_of(rig)
