"""A git process and the client it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message

from bot.rig.github.transport import _Streamed

ANSWER = r"printf 'Status: 200 OK\r\nContent-Type: x/y\r\n\r\nhello'"


async def _serve(script: str, receive: Callable[[], asyncio.Future[Message]]) -> tuple[int | None, list[Message]]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stdin=pipe, stdout=pipe, start_new_session=True)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await _Streamed(process, b"what was asked")({"type": "http"}, receive, send)
    return process.returncode, sent


async def test_what_git_says_is_passed_on() -> None:
    never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    _, sent = await _serve(f"cat > /dev/null; {ANSWER}", lambda: never)
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"x/y")]},
        {"type": "http.response.body", "body": b"hello", "more_body": True},
        {"type": "http.response.body", "body": b""},
    ]


@pytest.mark.parametrize("script", [f"{ANSWER}; exec sleep 60", f"{ANSWER}; sleep 60", "sleep 60"])
async def test_a_client_that_leaves_takes_git_and_its_children_with_it(script: str) -> None:
    gone: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    gone.set_result({"type": "http.disconnect"})
    code, _ = await _serve(script, lambda: gone)
    assert code == -9
