from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from bot.rig.http import request_log
from bot.rig.http.faults import Fault
from bot.rig.http.server import Server


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def state(request: Request) -> PlainTextResponse:
    return PlainTextResponse("state")


async def endless(request: Request) -> StreamingResponse:
    async def beats() -> AsyncIterator[bytes]:
        while True:
            yield b"data: 1\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(beats(), media_type="text/event-stream")


APP = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/hello%2Fthere", hello),
        Route("/_rig/state", state),
        Route("/endless", endless),
    ]
)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(APP) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as client:
        yield client


def test_a_server_listens_on_a_free_loopback_port() -> None:
    with Server(APP) as one, Server(APP) as two:
        assert one.url != two.url
        assert one.url.startswith("http://127.0.0.1:")
        assert [httpx.get(server.url + "/hello").text for server in (one, two)] == ["hello", "hello"]


def test_a_server_has_no_address_before_it_is_started() -> None:
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = Server(APP).url


def test_a_stopped_server_refuses_connections_and_comes_back_on_its_port() -> None:
    server = Server(APP)
    server.start()
    url = server.url
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/hello")
    with server:
        assert (server.url, httpx.get(url + "/hello").text) == (url, "hello")
    assert [entry.path for entry in server.request_log.entries] == ["/hello"]


def test_a_taken_port_is_said() -> None:
    with Server(APP) as server, pytest.raises(OSError, match="in use"):
        Server(APP, port=int(server.url.rpartition(":")[2])).start()


def test_a_running_server_cannot_be_started_again(server: Server) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        server.start()


def test_stopping_ends_an_endless_answer(server: Server, client: httpx.Client) -> None:
    with client.stream("GET", "/endless") as answer:
        pieces = answer.iter_raw()
        next(pieces)
        server.stop()
        with pytest.raises(httpx.HTTPError):
            for _ in pieces:
                pass


def test_control_is_not_recorded_and_never_at_fault(server: Server, client: httpx.Client) -> None:
    server.faults.add(Fault("error", times=0))
    assert client.get("/_rig/state").text == "state"
    assert client.get("/_rig/journal").json() == []
    assert client.get("/hello").status_code == 502


def test_the_request_log_is_read_and_cleared_over_http(server: Server, client: httpx.Client) -> None:
    client.get("/hello")
    client.get("/nowhere")
    listed = [request_log.from_json(entry) for entry in client.get("/_rig/journal").json()]
    assert tuple(listed) == server.request_log.entries
    assert [entry["path"] for entry in client.get("/_rig/journal?since=1").json()] == ["/nowhere"]
    assert client.get("/_rig/journal?since=x").status_code == 400
    assert client.delete("/_rig/journal").status_code == 204
    assert server.request_log.entries == ()


def test_faults_are_set_shown_and_cleared_over_http(server: Server, client: httpx.Client) -> None:
    one, two = {"kind": "error", "status": 503}, {"kind": "delay", "side": "after", "seconds": 0.5}
    assert client.post("/_rig/faults", json=one).json() == [one]
    assert client.post("/_rig/faults", json=[two]).json() == [one, two]
    assert server.faults.faults[0] == Fault("error", status=503)
    assert client.delete("/_rig/faults").status_code == 204
    assert client.get("/_rig/faults").json() == []


@pytest.mark.parametrize("body", [b"{", b"3", b'{"kind": "explode"}', b'[{"kind": "error"}, {}]'])
def test_a_wrong_fault_is_refused_and_nothing_is_set(server: Server, client: httpx.Client, body: bytes) -> None:
    answer = client.post("/_rig/faults", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["message"])
    assert server.faults.faults == ()
