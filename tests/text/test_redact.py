"""The last net before text leaves: secrets we know, in several forms, and the shapes of others."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.redact import REDACTED, WINDOW, Redactor

SECRET = "s3cret-värde/+="
redact = Redactor([SECRET, "s3cret-v", "short"])

PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIE" * 16 + "\n") * 5
TOKENS = {
    "an installation token": "ghs_" + "A1b2" * 9,
    "a new one, with dots and dashes": "ghs_" + "Ab.c-d_" * 74,
    "a personal token": "ghp_" + "A1b2" * 9,
    "a fine-grained one": "github_pat_" + "A1b2_" * 16,
    "an Amp key": "sgamp_user_01ABC_def",
    "an E2B key": "e2b_" + "0a" * 20,
    "a private key": PEM + "-----END RSA PRIVATE KEY-----",
    "one that was cut": PEM.strip(),
    "one in a quote": PEM.replace("\n", "\n> ") + "-----END RSA PRIVATE KEY-----",
    "one in one line": (PEM + "-----END RSA PRIVATE KEY-----").replace("\n", "\\n"),
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_the_shape_of_a_secret_is_taken_out_whole_and_nothing_else(token: str) -> None:
    assert redact(f"before ({token}) after. Words, and more") == f"before ({REDACTED}) after. Words, and more"


def test_what_stands_behind_a_cut_key_stays() -> None:
    assert redact(f"{PEM.strip()} …\n\nOpened #1.") == f"{REDACTED} …\n\nOpened #1."


def test_a_login_token_in_an_address_is_taken_out() -> None:
    assert redact("https://x.y/?authToken=abc&z=1 'authToken=d'") == (
        f"https://x.y/?authToken={REDACTED}&z=1 'authToken={REDACTED}'"
    )


@pytest.mark.parametrize(
    "text", ["ghs_short", "e2b_", "a ghp b", "authToken=", "BEGIN PRIVATE KEY", "short", "", "é\ud800"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"a {SECRET} b", f"a {REDACTED} b"),
        (f"{SECRET}{SECRET}", f"{REDACTED}{REDACTED}"),
        (f"a {SECRET[::-1]} b", f"a {REDACTED} b"),
        (f"a {SECRET.encode().hex()} b", f"a {REDACTED} b"),
        (f"a {SECRET.encode().hex().upper()} b", f"a {REDACTED} b"),
    ],
)
def test_a_known_secret_is_taken_out_in_each_of_its_forms(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.binary(max_size=7), st.binary(max_size=7))
def test_base64_hides_no_secret(before: bytes, after: bytes) -> None:
    plain = before + SECRET.encode() + after
    around = len(base64.b64encode(before)) + len(base64.b64encode(after)) + 4
    for encoded in (base64.b64encode(plain), base64.urlsafe_b64encode(plain)):
        shown = redact(encoded.decode())
        assert REDACTED in shown
        assert len(shown) - len(REDACTED) <= around
        assert redact.leaks(encoded)


@pytest.mark.parametrize(("secret", "known"), [("1234567", False), ("12345678", True)])
def test_what_is_too_short_to_be_a_secret_is_a_word(secret: str, known: bool) -> None:
    assert Redactor([secret])(f"a {secret} b") == (f"a {REDACTED} b" if known else f"a {secret} b")


@pytest.mark.parametrize(
    ("content", "leaks"),
    [
        (b"\xff" + SECRET.encode() + b"\0", True),
        (SECRET[::-1].encode(), True),
        (b"s3cret", False),
        (TOKENS["an installation token"].encode(), False),  # somebody's, but not one of ours
        (b"short", False),
        (b"", False),
    ],
)
def test_a_file_leaks_when_it_holds_a_secret_of_ours(content: bytes, leaks: bool) -> None:
    assert redact.leaks(content) is leaks


@pytest.mark.parametrize("at", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW - 3])
def test_a_secret_is_found_wherever_a_large_file_holds_it(at: int) -> None:
    content = bytearray(2 * WINDOW + 100)
    content[at : at + len(SECRET.encode())] = SECRET.encode()
    assert redact.leaks(bytes(content))


@given(st.text(), st.text())
def test_no_text_keeps_a_known_secret(before: str, after: str) -> None:
    assert SECRET not in redact(f"{before}{SECRET}{after}")


def test_a_flood_of_beginnings_takes_no_longer_than_it_should() -> None:
    flood = "-----BEGIN PRIVATE KEY-----." * 2_000
    assert redact(flood) == f"{REDACTED}." * 2_000
