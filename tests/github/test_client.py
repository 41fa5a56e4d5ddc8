"""One request to GitHub, and every way it can go wrong: the real PyGithub against a server with faults."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.responses import Response

import bot
from bot.github import client as module
from bot.github.client import WAITS, Answer, Client, GitHubApi
from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)
from bot.github.rate_limit import RateLimit
from bot.rig.http.faults import Fault, Side
from bot.text.redact import Redactor
from tests.github.conftest import TOKEN, GitHub, Time, said, text


class Thing(Answer):
    id: int


@pytest.fixture
def client(api: GitHubApi) -> Client:
    return Client.as_installation(api, TOKEN, 1)


# --- the request ------------------------------------------------------------------------------------


async def test_a_request_goes_out_as_it_was_asked_for(client: Client, github: GitHub) -> None:
    assert await client.call("POST", "/repos/a/b", Thing, body={"x": "ü"}, query={"page": 2}) == Thing(id=1)
    [asked] = github.asked
    assert (asked.method, asked.path, asked.query, asked.body) == ("POST", "/repos/a/b", {"page": "2"}, {"x": "ü"})
    assert asked.headers["authorization"] == f"token {TOKEN}"
    assert asked.headers["user-agent"] == f"ampbot/{bot.__version__}"
    assert asked.headers["content-type"] == "application/json"


async def test_without_an_answer_type_nothing_is_read(client: Client, github: GitHub) -> None:
    github.answers["/gone"] = Response(status_code=204)
    assert await client.call("DELETE", "/gone") is None


async def test_an_answer_may_be_a_list_or_text(client: Client, github: GitHub) -> None:
    github.answers |= {"/things": [{"id": 1}, {"id": 2, "more": "x"}], "/diff": text('{"is": "text"}')}
    assert await client.call("GET", "/things", list[Thing]) == [Thing(id=1), Thing(id=2)]
    assert await client.call("GET", "/diff", str, accept="application/vnd.github.v3.diff") == '{"is": "text"}'
    assert github.asked[-1].headers["accept"] == "application/vnd.github.v3.diff"


async def test_the_app_signs_each_request_for_a_few_minutes(api: GitHubApi, github: GitHub, key: RSAPrivateKey) -> None:
    await Client.as_app(api, 7, key).call("GET", "/app", Thing)
    kind, _, token = github.asked[0].headers["authorization"].partition(" ")
    claims = jwt.decode(token, key.public_key(), algorithms=["RS256"], issuer="7")
    assert (kind, set(claims)) == ("Bearer", {"iat", "exp", "iss"})
    assert claims["exp"] - claims["iat"] <= 600


# --- what GitHub refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, GitHubError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (406, GitHubError),
        (408, UnavailableError),
        (409, ConflictError),
        (410, NotFoundError),
        (422, UnprocessableError),
        (451, GitHubError),
        (500, UnavailableError),
        (502, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
async def test_each_status_is_an_error_in_our_words(
    client: Client, github: GitHub, time: Time, status: int, kind: type[GitHubError], plain: bool
) -> None:
    github.server.faults.add(Fault("error", status=status, message="No.", plain=plain))
    with pytest.raises(GitHubError) as raised:
        await client.call("POST", "/x", Thing)
    assert (type(raised.value), raised.value.status) == (kind, status)
    assert raised.value.message == ("" if plain else "No.")
    assert (len(github.server.request_log.entries), time.waits) == (1, [])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"message": "Validation Failed", "errors": [{"code": "already_exists"}, {"message": "too long"}, "oh"]},
            "Validation Failed; already_exists; too long; oh",
        ),
        ({"message": "Reference already exists"}, "Reference already exists"),
        ({"message": "M", "errors": "text"}, "M"),
        ({"message": None, "errors": [{}]}, "None; "),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
async def test_githubs_own_words_are_kept_whatever_shape_they_have(
    client: Client, github: GitHub, body: Any, message: str
) -> None:
    github.answers["/x"] = said(422, body)
    with pytest.raises(UnprocessableError) as raised:
        await client.call("GET", "/x", Thing)
    assert (raised.value.message, str(raised.value)) == (message, f"422 {message}")


@pytest.mark.parametrize("answer", [{}, {"id": "canary"}, [], None, "canary"])
async def test_an_answer_of_another_shape_is_trouble_that_names_the_field_and_not_its_value(
    client: Client, github: GitHub, answer: Any
) -> None:
    github.answers["/x"] = said(200, answer)
    with pytest.raises(UnavailableError, match=r"could not be read: (id|the whole)") as raised:
        await client.call("POST", "/x", Thing)
    assert "canary" not in str(raised.value)


# --- trouble, and who may try again -----------------------------------------------------------------

TROUBLE: dict[str, Callable[[], Fault]] = {
    "an error before the effect": lambda: Fault("error"),
    "an error after it": lambda: Fault("error", side=Side.AFTER, status=504, plain=True),
    "half an answer": lambda: Fault("cut"),
    "an answer that is no JSON": lambda: Fault("wrong_json"),
    "a cut connection": lambda: Fault("timeout"),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_what_may_be_repeated_is(
    client: Client, github: GitHub, time: Time, trouble: Callable[[], Fault], method: str
) -> None:
    github.server.faults.add(trouble())
    assert await client.call(method, "/x", Thing) == Thing(id=1)
    assert time.waits == [WAITS[0]]
    assert [entry.method for entry in github.server.request_log.entries] == [method, method]


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE.keys())
async def test_a_post_whose_outcome_is_unknown_is_not_sent_again(
    client: Client, github: GitHub, time: Time, trouble: Callable[[], Fault]
) -> None:
    github.server.faults.add(trouble())
    with pytest.raises(UnavailableError):
        await client.call("POST", "/x", Thing)
    assert (len(github.server.request_log.entries), time.waits) == (1, [])


async def test_a_post_is_sent_again_where_the_caller_says_it_may_be(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("error", times=2))
    assert await client.call("POST", "/x", Thing, repeat=True) == Thing(id=1)
    assert time.waits == list(WAITS[:2])


async def test_a_read_is_not_sent_again_where_the_caller_says_so(client: Client, github: GitHub) -> None:
    github.server.faults.add(Fault("error"))
    with pytest.raises(UnavailableError):
        await client.call("GET", "/x", Thing, repeat=False)
    assert len(github.server.request_log.entries) == 1


async def test_waits_grow_and_end(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("error", times=0))
    with pytest.raises(UnavailableError):
        await client.call("GET", "/x", Thing)
    assert time.waits == list(WAITS)
    assert time.waits == sorted(time.waits)
    assert len(github.server.request_log.entries) == len(WAITS) + 1


@pytest.mark.parametrize(("method", "requests"), [("GET", 2), ("POST", 1)])
async def test_silence_is_not_borne_for_ever(
    api: GitHubApi, github: GitHub, monkeypatch: pytest.MonkeyPatch, method: str, requests: int
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1)
    hasty = Client.as_installation(api, TOKEN, 1)
    github.server.faults.add(Fault("timeout", seconds=30))
    if method == "GET":
        assert await hasty.call(method, "/x", Thing) == Thing(id=1)
    else:
        with pytest.raises(UnavailableError, match=r"^0 no answer \(ReadTimeout\)$"):
            await hasty.call(method, "/x", Thing)
    assert github.server.request_log.under_way + len(github.server.request_log.entries) == requests


async def test_a_slow_answer_is_an_answer(client: Client, github: GitHub, time: Time) -> None:
    github.server.faults.add(Fault("drip", seconds=0.1))
    assert (await client.call("GET", "/x", Thing), time.waits) == (Thing(id=1), [])


async def test_where_nobody_listens_it_is_trouble(time: Time) -> None:
    nobody = Client.as_installation(
        GitHubApi("http://127.0.0.1:9/api/v3", RateLimit(time.clock, time.sleep), Redactor([]), time.sleep), TOKEN, 1
    )
    with pytest.raises(UnavailableError, match=r"^0 no answer \(ConnectionError\)$"):
        await nobody.call("POST", "/x")


# --- what must not be said --------------------------------------------------------------------------


WORDS = {"text": f"{TOKEN[4:10]} words"}


async def test_no_error_and_no_log_line_tells_the_token_or_the_body(
    client: Client, github: GitHub, elsewhere: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    redirect = Fault("redirect", message=elsewhere.url.replace("127.0.0.1", "localhost"))
    refused = [Fault("error", status=status) for status in (401, 403, 404, 422, 500)]
    limited = [Fault("secondary_limit", seconds=3_000), Fault("primary_limit", seconds=3_000)]
    shown = ""
    for fault in (*refused, *limited, redirect, *(trouble() for trouble in TROUBLE.values())):
        github.server.faults.clear()
        github.server.faults.add(fault)
        with pytest.raises(GitHubError) as raised:
            await client.call("POST", "/x", Thing, body=WORDS)
        shown += "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(client)
        assert raised.value.__cause__ is None
    shown += caplog.text
    assert "canary" not in shown
