"""Verifies a webhook request: a delivery or a rejection. Nothing is parsed before the body's signature is verified.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from bot.model import Delivery

# GitHub's limit for payloads: https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
MAX_BYTES = 25 * 1024 * 1024
# Seconds. GitHub gives up after 10, GitHub Enterprise Server after 30.
BODY_SECONDS = 30.0

_GUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_EVENT = re.compile(r"[a-z0-9_]{1,64}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_FIELD = b"payload="
# What may stand between two fields, or between a name and a value. In a value it is encoded.
_SEPARATOR = re.compile(rb"[&;=]")


@dataclass(frozen=True, slots=True)
class Rejected:
    """The HTTP status, and a message for the App's delivery log."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class _Headers:
    guid: str
    event: str
    signature: str
    is_form: bool


def verify(secrets: Sequence[str], body: bytes, signature: str | None) -> bool:
    """Whether `signature` (from X-Hub-Signature-256) is that of `body` under any of `secrets`.

    All secrets are tried, so that the time taken does not reveal which one matched.

    Raises:
        ValueError: there is no secret, or an empty one, with which anybody could sign.
    """
    if not secrets or not all(secrets):
        raise ValueError("A webhook secret is needed, and none may be empty.")
    given = (signature or "").encode("utf-8", "replace")
    matches = False
    for secret in secrets:
        mac = hmac.digest(secret.encode(), body, "sha256").hex()
        matches |= hmac.compare_digest(b"sha256=" + mac.encode(), given)
    return matches


async def read(
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    secrets: Sequence[str],
    *,
    max_bytes: int = MAX_BYTES,
    body_seconds: float = BODY_SECONDS,
) -> Delivery | Rejected:
    """Read one webhook request: at most `max_bytes`, within `body_seconds`. `chunks`: the body.

    Raises:
        ValueError: see `verify`. Exceptions of `chunks` pass through, such as a disconnect.
    """
    head = _check_headers({name.lower(): value for name, value in headers.items()}, max_bytes)
    if isinstance(head, Rejected):
        return head
    try:
        async with asyncio.timeout(body_seconds):
            raw = await _read_body(chunks, max_bytes)
    except TimeoutError:
        return Rejected(408, f"The body did not arrive within {body_seconds:g} seconds. Redeliver it.")
    if raw is None:
        return _too_large(max_bytes)
    if not verify(secrets, raw, head.signature):
        return Rejected(
            401,
            "X-Hub-Signature-256 does not fit the body. Check that the App's webhook secret "
            "and the bot's are the same, and that no proxy changes the body.",
        )
    body = _payload_field(raw) if head.is_form else raw
    if body is None:
        return Rejected(
            400, "The form is not the one field `payload`. Set the webhook's content type to application/json."
        )
    digest = hashlib.sha256(head.event.encode() + b"\0" + body).hexdigest()
    return Delivery(head.guid, head.event, digest, body)


def _check_headers(headers: Mapping[str, str], max_bytes: int) -> _Headers | Rejected:
    guid = headers.get("x-github-delivery", "")
    event = headers.get("x-github-event", "")
    if not guid or not event:
        missing = "X-GitHub-Event" if guid else "X-GitHub-Delivery"
        return Rejected(400, f"The header {missing} is missing: this address is for GitHub's webhooks only.")
    if not _GUID.fullmatch(guid):
        return Rejected(400, "X-GitHub-Delivery is not a GUID: up to 64 letters, digits and dashes.")
    if not _EVENT.fullmatch(event):
        return Rejected(400, "X-GitHub-Event is not an event's name: up to 64 small letters, digits and underscores.")
    signature = headers.get("x-hub-signature-256", "")
    if not signature.startswith("sha256="):
        return Rejected(401, _why_unsigned(signature or headers.get("x-hub-signature", "")))
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return Rejected(415, "Content-Encoding is set. Send the body as it was signed, not compressed.")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in (_JSON, _FORM):
        return Rejected(415, f"The content type is not {_JSON}. Set it so in the App's webhook settings.")
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        return Rejected(400, "Content-Length is not a number of bytes.")
    if int(length) > max_bytes:
        return _too_large(max_bytes)
    return _Headers(guid, event, signature, content_type == _FORM)


def _why_unsigned(signature: str) -> str:
    if signature.startswith("sha1="):
        return "Only a SHA-1 signature was sent, which is not accepted. Send X-Hub-Signature-256."
    if signature:
        return "X-Hub-Signature-256 is not `sha256=` and a digest. Send it as GitHub does."
    return "X-Hub-Signature-256 is missing. Set the same webhook secret in the App's settings and in the bot's."


def _too_large(max_bytes: int) -> Rejected:
    return Rejected(413, f"The body is above {max_bytes} bytes, more than GitHub sends. Send less.")


async def _read_body(chunks: AsyncIterator[bytes], max_bytes: int) -> bytes | None:
    """The whole body, or None as soon as it exceeds `max_bytes`."""
    body = bytearray()
    async for chunk in chunks:
        if len(body) + len(chunk) > max_bytes:
            return None
        body += chunk
    return bytes(body)


def _payload_field(form: bytes) -> bytes | None:
    """The field `payload` of a form as GitHub sends it, which holds nothing else; None of any other.

    The content type is not signed. Signed JSON, sent again as a form, may contain `&payload=` in somebody's comment.
    JSON does not begin with `payload=`. urllib's parse_qs would decode the bytes and fail on invalid UTF-8.
    """
    if not form.startswith(_FIELD) or _SEPARATOR.search(form, len(_FIELD)):
        return None
    return unquote_to_bytes(form.removeprefix(_FIELD).replace(b"+", b" "))
