"""A webhook request becomes a verified delivery or a refusal. No web framework, no database, and nothing is
parsed before the signature over the raw body holds.

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

# GitHub does not send a payload above this.
CAP = 25 * 1024 * 1024
# GitHub gives up after 10 seconds, GitHub Enterprise Server after 30.
PATIENCE = 30.0

_GUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_EVENT = re.compile(r"[a-z0-9_]{1,64}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The HTTP status of the refusal, and a sentence for whoever looks at the App's delivery log."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class _Head:
    guid: str
    event: str
    signature: str
    is_form: bool


def verify(secrets: Sequence[str], body: bytes, signature: str | None) -> bool:
    """Whether `signature` (the value of X-Hub-Signature-256) is that of `body` under any of `secrets`.

    Every secret is tried, so that the time taken does not tell which one fitted.
    Raises ValueError when there is no secret or an empty one: anybody could sign with that.
    """
    if not secrets or not all(secrets):
        raise ValueError("A webhook secret is needed, and none may be empty.")
    given = (signature or "").encode("utf-8", "replace")
    fits = False
    for secret in secrets:
        mac = hmac.digest(secret.encode(), body, "sha256").hex()
        fits |= hmac.compare_digest(b"sha256=" + mac.encode(), given)
    return fits


async def read(
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    secrets: Sequence[str],
    *,
    cap: int = CAP,
    patience: float = PATIENCE,
) -> Delivery | Rejected:
    """Read one webhook request: at most `cap` bytes, for at most `patience` seconds.

    Raises ValueError as `verify` does, and whatever `chunks` raises when the sender goes away.
    """
    head = _check({name.lower(): value for name, value in headers.items()}, cap)
    if isinstance(head, Rejected):
        return head
    try:
        async with asyncio.timeout(patience):
            raw = await _read_body(chunks, cap)
    except TimeoutError:
        return Rejected(408, f"The body did not arrive within {patience:g} seconds. Redeliver it.")
    if raw is None:
        return _too_large(cap)
    if not verify(secrets, raw, head.signature):
        return Rejected(
            401,
            "X-Hub-Signature-256 does not fit the body. Check that the App's webhook secret "
            "and the bot's are the same, and that no proxy changes the body.",
        )
    body = _payload_field(raw) if head.is_form else raw
    if body is None:
        return Rejected(400, "The form has no field `payload`. Set the webhook's content type to application/json.")
    digest = hashlib.sha256(head.event.encode() + b"\0" + raw).hexdigest()
    return Delivery(head.guid, head.event, digest, body)


def _check(headers: Mapping[str, str], cap: int) -> _Head | Rejected:
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
    if int(length) > cap:
        return _too_large(cap)
    return _Head(guid, event, signature, content_type == _FORM)


def _why_unsigned(signature: str) -> str:
    if signature.startswith("sha1="):
        return "Only a SHA-1 signature was sent, which is not accepted. Send X-Hub-Signature-256."
    if signature:
        return "X-Hub-Signature-256 is not `sha256=` and a digest. Send it as GitHub does."
    return "X-Hub-Signature-256 is missing. Set the same webhook secret in the App's settings and in the bot's."


def _too_large(cap: int) -> Rejected:
    return Rejected(413, f"The body is above {cap} bytes, more than GitHub sends. Send less.")


async def _read_body(chunks: AsyncIterator[bytes], cap: int) -> bytes | None:
    """The whole body, or None as soon as it is above `cap` bytes."""
    body = bytearray()
    async for chunk in chunks:
        if len(body) + len(chunk) > cap:
            return None
        body += chunk
    return bytes(body)


def _payload_field(form: bytes) -> bytes | None:
    """The field `payload` of a form, as bytes: urllib's own parsers go through text and fail on bad UTF-8."""
    for field in form.split(b"&"):
        name, _, value = field.partition(b"=")
        if name == b"payload":
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None
