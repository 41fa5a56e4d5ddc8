from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.rig.http import faults as fault_table
from bot.rig.http.faults import Fault, Side
from bot.rig.http.request_log import WHOLE, Entry
from bot.rig.http.server import Server

WORD = {"word": "x" * 100}
BODY = JSONResponse(WORD).body


class State:
    """A minimal stand-in: it counts effects and can stream without end."""

    def __init__(self) -> None:
        self.effects: list[bytes] = []
        self.streaming = threading.Event()
        self.left = threading.Event()
        app = Starlette(
            routes=[
                Route("/effect", self.effect, methods=["POST"]),
                Route("/deaf", self.deaf, methods=["POST"]),
                Route("/endless", self.endless),
                Route("/broken", self.broken),
            ]
        )
        self.server = Server(app)

    async def effect(self, request: Request) -> Response:
        self.effects.append(await request.body())
        return JSONResponse(WORD, 201)

    async def deaf(self, request: Request) -> Response:
        return Response(status_code=401)

    async def broken(self, request: Request) -> Response:
        raise LookupError("a bug in the stand-in")

    async def endless(self, request: Request) -> Response:
        self.effects.append(b"endless")

        async def beats() -> AsyncIterator[bytes]:
            try:
                yield b"data: 1\n\n"
                self.streaming.set()
                await asyncio.Event().wait()
            finally:
                self.left.set()

        return StreamingResponse(beats(), media_type="text/event-stream")

    @property
    def entry(self) -> Entry:
        """The only recorded request."""
        (entry,) = self.server.request_log.entries
        return entry


@pytest.fixture
def state() -> Iterator[State]:
    state = State()
    with state.server:
        yield state


@pytest.fixture
def client(state: State) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=state.server.url, timeout=10) as client:
        yield client


def test_request_and_answer_are_in_the_request_log_when_the_client_has_the_answer(
    state: State, client: httpx.Client
) -> None:
    client.post("/effect?q=1%2F2", content=b"hello", headers={"Authorization": "Bearer s"})
    entry = state.entry
    assert (entry.number, entry.method, entry.path, entry.query) == (1, "POST", "/effect", "q=1%2F2")
    assert (entry.body, entry.status, entry.answer, entry.fault) == (b"hello", 201, BODY, None)
    assert entry.headers["authorization"].startswith("Bearer ")
    assert entry.answer_headers["content-type"] == "application/json"


def test_a_path_is_recorded_as_it_was_sent(state: State, client: httpx.Client) -> None:
    client.get("/repos/a/b/contents/with%2Fslash%20and%20caf%C3%A9")
    assert state.entry.path == "/repos/a/b/contents/with%2Fslash%20and%20caf%C3%A9"


def test_a_body_is_recorded_even_if_the_app_never_reads_it(state: State, client: httpx.Client) -> None:
    client.post("/deaf", content=b"unheard")
    assert (state.entry.status, state.entry.body) == (401, b"unheard")


@pytest.mark.parametrize(
    ("framing", "half"),
    [(b"content-length: 9", b"half"), (b"transfer-encoding: chunked", b"4\r\nhalf\r\n")],
)
def test_a_body_that_breaks_off_has_no_effect(state: State, client: httpx.Client, framing: bytes, half: bytes) -> None:
    url = httpx.URL(state.server.url)
    with socket.create_connection((url.host, url.port or 0)) as connection:
        connection.sendall(b"POST /effect HTTP/1.1\r\nhost: x\r\n" + framing + b"\r\n\r\n" + half)
    client.post("/effect", content=b"whole")
    state.server.stop()
    assert (state.effects, state.server.errors) == ([b"whole"], ())
    assert [(entry.status, entry.body) for entry in state.server.request_log.entries] == [
        (None, b"half"),
        (201, b"whole"),
    ]


@pytest.mark.parametrize("size", [WHOLE, WHOLE + 1])
def test_a_body_reaches_the_app_whole_however_large(state: State, client: httpx.Client, size: int) -> None:
    client.post("/effect", content=b"x" * size)
    assert ([len(body) for body in state.effects], len(state.entry.body)) == ([size], WHOLE)


def test_a_body_of_unknown_length_reaches_the_app_and_the_request_log(state: State, client: httpx.Client) -> None:
    client.post("/effect", content=iter([b"one ", b"two"]))
    assert (state.effects, state.entry.body) == ([b"one two"], b"one two")


def test_an_answer_is_streamed_and_a_client_that_leaves_is_noticed(state: State, client: httpx.Client) -> None:
    with client.stream("GET", "/endless") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data: 1\n\n"  # though the app has not ended its answer
        assert state.streaming.wait(10)
        assert (state.server.request_log.entries, state.server.request_log.under_way) == ((), 1)
    assert state.left.wait(10)


def test_a_bug_of_the_stand_in_is_a_500_and_is_kept_for_the_test(state: State, client: httpx.Client) -> None:
    assert client.get("/broken").status_code == 500
    state.server.stop()
    assert [repr(error) for error in state.server.errors] == ["LookupError('a bug in the stand-in')"]
    assert (state.entry.status, state.entry.fault) == (500, None)


ANSWERED = [
    (Fault("error", status=503), 503),
    (Fault("error", plain=True), 502),
    (Fault("secondary_limit", seconds=1), 403),
    (Fault("primary_limit", seconds=1), 403),
    (Fault("wrong_json"), 200),
    (Fault("redirect"), 301),
]


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("fault", "status"), ANSWERED, ids=lambda case: getattr(case, "kind", None))
def test_a_replaced_answer_comes_before_or_after_the_effect(
    state: State, client: httpx.Client, fault: Fault, status: int, side: Side
) -> None:
    state.server.faults.add(fault_table.from_json({**fault_table.to_json(fault), "side": side}))
    answer = client.post("/effect", content=b"ask")
    assert (answer.status_code, state.effects) == (status, [b"ask"] if side is Side.AFTER else [])
    assert (state.entry.fault, state.entry.status, state.entry.body) == (fault.kind, status, b"ask")
    assert state.entry.answer == answer.content

    assert client.post("/effect", content=b"again").status_code == 201  # over the same connection


@pytest.mark.parametrize("side", list(Side))
def test_a_timeout_drops_the_connection_without_an_answer(state: State, client: httpx.Client, side: Side) -> None:
    state.server.faults.add(Fault("timeout", side=side, seconds=0.05))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.post("/effect", content=b"ask")
    assert state.effects == ([b"ask"] if side is Side.AFTER else [])
    assert (state.entry.status, state.entry.answer, state.entry.fault) == (None, b"", "timeout")
    assert state.entry.seconds >= 0.05


def test_a_client_that_gives_up_first_ends_a_timeout(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("timeout", seconds=3600))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/effect", content=b"ask", timeout=0.05)
    assert client.post("/effect", content=b"again").status_code == 201
    assert [body for body in state.effects if body != b"again"] == []


def test_an_answer_can_lack_a_value(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("null", message="word"))
    answer = client.post("/effect", content=b"x")
    assert (answer.status_code, answer.json(), state.effects) == (201, {"word": None}, [b"x"])


def test_a_cut_answer_ends_halfway_with_its_full_length_promised(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("cut"))
    with pytest.raises(httpx.RemoteProtocolError, match=f"received {len(BODY) // 2} bytes, expected {len(BODY)}"):
        client.post("/effect", content=b"ask")
    assert state.effects == [b"ask"]
    assert (state.entry.status, state.entry.answer) == (201, BODY[: len(BODY) // 2])


def test_a_dripping_answer_arrives_whole_and_late(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("drip", seconds=0.2))
    answer = client.post("/effect", content=b"ask")
    assert (answer.status_code, answer.json()) == (201, WORD)
    assert state.entry.seconds >= 0.2


@pytest.mark.parametrize("side", list(Side))
def test_a_delay_changes_nothing_but_the_time(state: State, client: httpx.Client, side: Side) -> None:
    state.server.faults.add(Fault("delay", side=side, seconds=0.05))
    assert client.post("/effect", content=b"ask").json() == WORD
    assert (state.effects, state.entry.fault) == ([b"ask"], "delay")
    assert state.entry.seconds >= 0.05


@pytest.mark.parametrize("side", list(Side))
def test_a_call_is_made_on_its_side_of_the_effect(state: State, client: httpx.Client, side: Side) -> None:
    seen: list[tuple[fault_table.Request, list[bytes]]] = []
    state.server.faults.add(
        Fault("call", side=side, skip=1, call=lambda request: seen.append((request, list(state.effects))))
    )
    client.post("/effect", content=b"one")
    client.post("/effect", content=b"two")
    there = [b"one", b"two"] if side is Side.AFTER else [b"one"]
    assert seen == [(fault_table.Request(2, "POST", "/effect"), there)]
    assert state.effects == [b"one", b"two"]


def test_a_delay_and_an_error_strike_the_same_request(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("delay", seconds=0.05), Fault("error", side=Side.AFTER))
    assert client.post("/effect", content=b"ask").status_code == 502
    assert (state.effects, state.entry.fault) == ([b"ask"], "delay+error")


def test_an_error_after_the_effect_of_an_endless_answer_does_not_wait_for_its_end(
    state: State, client: httpx.Client
) -> None:
    state.server.faults.add(Fault("error", side=Side.AFTER))
    assert client.get("/endless").status_code == 502
    assert state.effects == [b"endless"]
    assert state.left.wait(10)


def test_an_endless_answer_can_be_cut(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("cut"))
    with client.stream("GET", "/endless") as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"data"
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            next(pieces)
    assert state.entry.answer == b"data"


def test_an_endless_answer_can_drip(state: State, client: httpx.Client) -> None:
    state.server.faults.add(Fault("drip"))
    with client.stream("GET", "/endless") as answer:
        received = b""
        for piece in answer.iter_raw():
            received += piece
            if received == b"data: 1\n\n":
                break
    assert received == b"data: 1\n\n"
