"""What the receiver takes for a delivery from GitHub, and what it refuses and why."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events.payloads import parse
from bot.model import Delivery, Problem
from bot.web.webhook import Rejected, read, verify

SECRET = "it is a secret to everybody"
BODY = b'{"action":"created"}'
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes = BODY, /, **changes: str | None) -> dict[str, str]:
    """GitHub's headers for `body`; a change to None leaves the header out."""
    usual: dict[str, str | None] = {
        "X-GitHub-Event": "issue_comment",
        "X-GitHub-Delivery": GUID,
        "X-Hub-Signature-256": sign(body),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    usual |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in usual.items() if value is not None}


class Body:
    """A request's body in chunks, which counts how many of them were asked for."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


async def receive(
    body: bytes = BODY, sent: dict[str, str] | None = None, secrets: Sequence[str] = (SECRET,), cap: int = 1000
) -> Delivery | Rejected:
    return await read(sent or headers(body), aiter(Body(body)), secrets, max_bytes=cap)


# --- the signature ---------------------------------------------------------------------------------


def test_the_signature_is_the_one_in_githubs_documentation() -> None:
    documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify(["It's a Secret to Everybody"], b"Hello, World!", documented)


@pytest.mark.parametrize(
    ("signature", "fits"),
    [
        (sign(BODY), True),
        (sign(BODY, "the old secret"), True),
        (sign(BODY, "a third secret"), False),
        (sign(BODY + b" "), False),
        (sign(BODY).upper(), False),
        (sign(BODY).removeprefix("sha256="), False),
        (sign(BODY)[:-1], False),
        (sign(BODY) + "0", False),
        ("sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(), False),
        ("sha256=", False),
        ("", False),
        ("sha256=\u0661\ud800", False),
        (None, False),
    ],
)
def test_a_signature_fits_under_either_of_two_secrets(signature: str | None, fits: bool) -> None:
    assert verify([SECRET, "the old secret"], BODY, signature) is fits


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]])
def test_without_a_secret_nothing_is_verified(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify(secrets, BODY, sign(BODY, ""))


@given(body=st.binary(), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_is_noticed(body: bytes, at: int, bit: int) -> None:
    body = body or b"\0"
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    assert verify([SECRET], body, sign(body))
    assert not verify([SECRET], bytes(changed), sign(body))


# --- a delivery ------------------------------------------------------------------------------------


async def test_a_signed_request_is_a_delivery() -> None:
    digest = hashlib.sha256(b"issue_comment\0" + BODY).hexdigest()
    assert await receive() == Delivery(GUID, "issue_comment", digest, BODY)


async def test_header_names_are_read_in_any_case() -> None:
    lower = {name.lower(): value for name, value in headers().items()}
    upper = {name.upper(): value for name, value in headers().items()}
    assert await receive(sent=lower) == await receive(sent=upper) == await receive()


async def test_the_body_may_come_in_pieces_without_a_length() -> None:
    pieces = Body(BODY[:3], b"", BODY[3:])
    assert await read(headers(Content_Length=None), aiter(pieces), [SECRET]) == await receive()


async def test_the_old_secret_holds_during_a_rotation_and_a_third_never_does() -> None:
    signed = headers(X_Hub_Signature_256=sign(BODY, "old"))
    assert isinstance(await receive(sent=signed, secrets=["new", "old"]), Delivery)
    assert isinstance(await receive(sent=signed, secrets=["new", "other"]), Rejected)


async def test_the_same_body_as_another_event_has_another_digest() -> None:
    first, second = await receive(), await receive(sent=headers(X_GitHub_Event="issues"))
    assert isinstance(first, Delivery)
    assert isinstance(second, Delivery)
    assert first.digest != second.digest


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 500, b'{"a":1,"a":2}'])
async def test_what_the_signed_body_holds_is_not_looked_at(body: bytes) -> None:
    taken = await receive(body)
    assert isinstance(taken, Delivery)
    assert taken.body == body


# --- forms -----------------------------------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
REFUSED_FORM = Rejected(
    400, "The form is not the one field `payload`. Set the webhook's content type to application/json."
)
# Any text, and often what an attacker would write into a comment.
HOSTILE = st.lists(
    st.text() | st.sampled_from(["&payload=", "payload=", ";payload=", "%7B%7D", '{"a":1}', "&", "=", "\n", "%26"])
).map("".join)


async def as_form(form: bytes) -> Delivery | Rejected:
    return await receive(form, headers(form, Content_Type=f"{FORM}; charset=utf-8"), cap=10_000_000)


def encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(text=HOSTILE)
async def test_a_form_carries_the_same_json_and_is_signed_as_sent(text: str) -> None:
    body = json.dumps(encodable(text), ensure_ascii=False).encode()
    taken = await as_form(urlencode({"payload": body}).encode())
    assert taken == Delivery(GUID, "issue_comment", hashlib.sha256(b"issue_comment\0" + body).hexdigest(), body)


@given(text=HOSTILE, escaped=st.booleans(), spaced=st.booleans())
async def test_signed_json_is_never_read_as_a_form(text: str, escaped: bool, spaced: bool) -> None:
    """The content type is not signed: whoever has a signed delivery can send it again with another."""
    body = json.dumps(
        {"comment": {"body": encodable(text)}}, ensure_ascii=escaped, separators=None if spaced else (",", ":")
    ).encode()
    assert await as_form(body) == REFUSED_FORM


@given(fields=st.lists(st.tuples(st.sampled_from(["payload", "other", ""]), HOSTILE.map(encodable)), max_size=4))
async def test_a_form_holds_one_field_or_is_refused(fields: list[tuple[str, str]]) -> None:
    taken = await as_form(urlencode(fields).encode())
    if len(fields) == 1 and fields[0][0] == "payload":
        assert isinstance(taken, Delivery)
        assert taken.body == fields[0][1].encode()
    else:
        assert taken == REFUSED_FORM


@given(rest=st.binary())
async def test_of_any_bytes_only_one_field_is_taken(rest: bytes) -> None:
    assert await as_form(rest) == REFUSED_FORM or rest.startswith(b"payload=")
    taken = await as_form(b"payload=" + rest)
    assert (taken == REFUSED_FORM) == any(mark in rest for mark in (b"&", b";", b"="))


async def test_a_form_sent_again_as_json_is_not_json_and_takes_nothing_from_the_form() -> None:
    form = urlencode({"payload": BODY}).encode()
    taken, again = await as_form(form), await receive(form)
    assert isinstance(taken, Delivery)
    assert isinstance(again, Delivery)
    assert again.digest != taken.digest, "else the form itself would pass for a repetition"
    found = parse(again.event, again.body)
    assert isinstance(found, Problem)
    assert found.message == "The delivery is not valid JSON."


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"X_GitHub_Event": None}, 400, "header X-GitHub-Event is missing"),
        ({"X_GitHub_Delivery": None}, 400, "header X-GitHub-Delivery is missing"),
        ({"X_GitHub_Event": ""}, 400, "header X-GitHub-Event is missing"),
        ({"X_GitHub_Event": "Issues"}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Event": "issues\n"}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Event": "a" * 65}, 400, "X-GitHub-Event"),
        ({"X_GitHub_Delivery": "../../etc"}, 400, "X-GitHub-Delivery"),
        ({"X_GitHub_Delivery": GUID + "\n"}, 400, "X-GitHub-Delivery"),
        ({"X_GitHub_Delivery": "\u0661"}, 400, "X-GitHub-Delivery"),
        ({"X_GitHub_Delivery": "a" * 65}, 400, "X-GitHub-Delivery"),
        ({"X_Hub_Signature_256": None}, 401, "missing"),
        ({"X_Hub_Signature_256": None, "X_Hub_Signature": "sha1=" + "0" * 40}, 401, "SHA-1"),
        ({"X_Hub_Signature_256": "sha1=" + "0" * 40}, 401, "SHA-1"),
        ({"X_Hub_Signature_256": "0" * 64}, 401, "sha256="),
        ({"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ({"Content_Encoding": "identity, br"}, 415, "Content-Encoding"),
        ({"Content_Type": None}, 415, "application/json"),
        ({"Content_Type": "text/plain"}, 415, "application/json"),
        ({"Content_Type": "application/jsonp"}, 415, "application/json"),
        ({"Content_Length": "1001"}, 413, "1000 bytes"),
        ({"Content_Length": "9" * 18}, 413, "1000 bytes"),
        ({"Content_Length": "9" * 5000}, 400, "Content-Length"),
        ({"Content_Length": "-1"}, 400, "Content-Length"),
        ({"Content_Length": "\u00b2"}, 400, "Content-Length"),
    ],
)
async def test_what_the_headers_show_is_refused_before_the_body_is_read(
    changes: dict[str, str | None], status: int, word: str
) -> None:
    body = Body(BODY)
    refused = await read(headers(**changes), aiter(body), [SECRET], max_bytes=1000)
    assert isinstance(refused, Rejected)
    assert (refused.status, body.taken) == (status, 0)
    assert word in refused.message


async def test_a_wrong_signature_is_refused_whatever_the_body_is() -> None:
    wrong = sign(BODY, "a guess")
    form = headers(X_Hub_Signature_256=wrong, Content_Type="application/x-www-form-urlencoded")
    for sent in (headers(X_Hub_Signature_256=wrong), form):
        refused = await receive(sent=sent)
        assert isinstance(refused, Rejected)
        assert refused.status == 401
        assert "webhook secret" in refused.message


async def test_identity_is_no_encoding_and_a_charset_no_other_type() -> None:
    sent = headers(Content_Encoding="Identity", Content_Type="Application/JSON; charset=utf-8")
    assert await receive(sent=sent) == await receive()


@pytest.mark.parametrize(("size", "taken"), [(1000, True), (1001, False)])
async def test_the_cap_is_the_last_size_that_is_taken(size: int, taken: bool) -> None:
    body = b" " * size
    for sent in (headers(body), headers(body, Content_Length=None), headers(body, Content_Length="5")):
        answer = await receive(body, sent)
        declared_too_large = Rejected(413, "The body is above 1000 bytes, more than GitHub sends. Send less.")
        assert isinstance(answer, Delivery) if taken else answer == declared_too_large


async def test_an_endless_body_is_read_no_further_than_the_cap() -> None:
    endless = Body(*[b" " * 400] * 1000)
    refused = await read(headers(Content_Length=None), aiter(endless), [SECRET], max_bytes=1000)
    assert isinstance(refused, Rejected)
    assert (refused.status, endless.taken) == (413, 3)


async def test_a_sender_that_stalls_is_given_up_on() -> None:
    async def stall() -> AsyncIterator[bytes]:
        yield BODY[:1]
        await asyncio.Event().wait()

    refused = await read(headers(), stall(), [SECRET], body_seconds=0.01)
    assert refused == Rejected(408, "The body did not arrive within 0.01 seconds. Redeliver it.")


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"payloads=%7B%7D",
        b"a=1&b=payload",
        b"a=1&payload=%7B%7D",
        b"payload=%7B%7D&a=1",
        b"payload=%7B%7D&payload=%7B%7D",
        b"payload=%7B%7D&",
        b"payload=%7B%7D;a",
        b"payload",
        b"%70ayload=%7B%7D",
        b"PAYLOAD=%7B%7D",
        b" payload=%7B%7D",
        b'{"comment":{"body":"&payload=%7B%7D"}}',
    ],
)
async def test_a_form_without_payload_or_with_more_is_refused(form: bytes) -> None:
    assert await as_form(form) == REFUSED_FORM


async def test_the_default_cap_is_githubs_25_mb() -> None:
    one_more = headers(Content_Length=str(25 * 1024 * 1024 + 1))
    exactly = headers(Content_Length=str(25 * 1024 * 1024))
    assert isinstance(await read(one_more, aiter(Body(BODY)), [SECRET]), Rejected)
    assert isinstance(await read(exactly, aiter(Body(BODY)), [SECRET]), Delivery)


async def test_a_sender_that_goes_away_is_not_mistaken_for_a_delivery() -> None:
    async def hang_up() -> AsyncIterator[bytes]:
        yield BODY
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read(headers(), hang_up(), [SECRET])
