from __future__ import annotations

import json
from base64 import b64encode

import pytest

from bot.rig.http.request_log import PACK, STREAM, WHOLE, Entry, RequestLog, fingerprint, from_json, to_json

TOKEN = "ghs_secret"


def recorded(request_log: RequestLog, path: str = "/x", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Entry:
    recording = request_log.begin("GET", path, "", headers)
    recording.finish()
    return request_log.entries[-1]


def test_a_request_is_numbered_on_arrival_and_listed_once_finished() -> None:
    request_log = RequestLog()
    first = request_log.begin("POST", "/a%2Fb", "page=2", [(b"Accept", b"text/html")])
    second = request_log.begin("GET", "/b", "", [])
    assert (request_log.entries, request_log.under_way) == ((), 2)

    second.finish()
    assert [entry.path for entry in request_log.entries] == ["/b"]

    first.read(b"ask")
    first.answered(201, [(b"Content-Length", b"6")])
    first.wrote(b"answer")
    first.fault = "delay"
    first.finish()
    first.finish()
    entry, other = request_log.entries
    assert other.number == 2
    assert entry == Entry(
        number=1,
        at=entry.at,
        seconds=entry.seconds,
        method="POST",
        path="/a%2Fb",
        query="page=2",
        headers={"accept": "text/html"},
        body=b"ask",
        status=201,
        answer_headers={"content-length": "6"},
        answer=b"answer",
        fault="delay",
    )
    assert request_log.under_way == 0


def test_since_leaves_out_what_arrived_earlier() -> None:
    request_log = RequestLog()
    for path in ("/1", "/2", "/3"):
        recorded(request_log, path)
    assert [entry.path for entry in request_log.since(1)] == ["/2", "/3"]


def test_clearing_starts_anew_and_forgets_what_is_under_way() -> None:
    request_log = RequestLog()
    recorded(request_log)
    late = request_log.begin("GET", "/late", "", [])
    request_log.clear()
    late.finish()
    assert (request_log.entries, request_log.under_way) == ((), 0)
    assert recorded(request_log, "/again").number == 1


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Authorization", f"Bearer {TOKEN}", f"Bearer {fingerprint(TOKEN)}"),
        ("Authorization", f"token {TOKEN}", f"token {fingerprint(TOKEN)}"),
        ("Authorization", TOKEN, f"key {fingerprint(TOKEN)}"),
        (
            "authorization",
            "Basic " + b64encode(f"x-access-token:{TOKEN}".encode()).decode(),
            f"Basic {fingerprint(TOKEN)}",
        ),
        ("authorization", "Basic %%%", f"Basic {fingerprint('%%%')}"),
        ("X-API-Key", TOKEN, f"key {fingerprint(TOKEN)}"),
        ("X-Access-Token", TOKEN, f"token {fingerprint(TOKEN)}"),
        ("Accept", "text/html", "text/html"),
    ],
)
def test_credentials_are_kept_as_fingerprints_only(name: str, value: str, kept: str) -> None:
    entry = recorded(RequestLog(), headers=((name.encode(), value.encode()),))
    assert entry.headers == {name.lower(): kept}


def test_a_repeated_header_is_one_value() -> None:
    entry = recorded(RequestLog(), headers=((b"accept", b"a"), (b"Accept", b"b")))
    assert entry.headers == {"accept": "a, b"}


@pytest.mark.parametrize(
    ("content_type", "answer_headers", "limits"),
    [
        (b"application/json", [(b"content-length", b"9")], (WHOLE, WHOLE)),
        (b"application/json", [], (WHOLE, STREAM)),
        (b"application/x-git-receive-pack-request", [], (PACK, STREAM)),
    ],
)
def test_no_more_of_a_body_is_kept_than_its_limit(
    content_type: bytes, answer_headers: list[tuple[bytes, bytes]], limits: tuple[int, int]
) -> None:
    request_log = RequestLog()
    recording = request_log.begin("POST", "/", "", [(b"content-type", content_type)])
    recording.answered(200, answer_headers)
    for _ in range(3):
        recording.read(b"x" * (WHOLE - 1))
        recording.wrote(b"x" * (WHOLE - 1))
    recording.finish()
    (entry,) = request_log.entries
    assert (len(entry.body), len(entry.answer)) == limits


@pytest.mark.parametrize("body", [b"", "naïve".encode(), b"\xff\x00 not text"])
def test_an_entry_survives_json(body: bytes) -> None:
    request_log = RequestLog()
    recording = request_log.begin("POST", "/", "", [(b"accept", b"*/*")])
    recording.read(body)
    recording.answered(200, [])
    recording.wrote(body)
    recording.finish()
    (entry,) = request_log.entries
    assert from_json(json.loads(json.dumps(to_json(entry)))) == entry
