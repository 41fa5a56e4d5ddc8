"""The bot keeps its port while it is down, because GitHub has its URL."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.rig.process import BotProcess


def _listen(port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen()
    except OSError:
        server.close()
        raise
    return server


def test_nobody_is_given_the_port_of_a_bot_that_is_down(tmp_path: Path) -> None:
    down = BotProcess(tmp_path, {})
    others = [_listen(0) for _ in range(200)]
    assert down.port not in {other.getsockname()[1] for other in others}
    for other in others:
        other.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", down.port), timeout=5)
    # A server that sets SO_REUSEADDR can bind it, as the bot does when it starts.
    _listen(down.port).close()


def test_the_port_is_given_back_with_the_bot(tmp_path: Path) -> None:
    gone = BotProcess(tmp_path, {})
    port = gone.port
    plain = socket.socket()
    with plain, pytest.raises(OSError, match="in use"):
        plain.bind(("127.0.0.1", port))
    del gone
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", port))
