"""Deliveries as GitHub signs them, and a client of the receiver without a socket."""

from __future__ import annotations

import hmac
import json

import httpx

from bot.context import Context
from bot.web.app import create_app
from tests.events.deliveries import COMMENT, THREAD, payload

BODY = json.dumps(payload(issue=THREAD, comment=COMMENT)).encode()
GUID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def signed(
    body: bytes = BODY, *, guid: str = GUID, event: str = "issue_comment", secret: str = "webhook-secret"
) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": guid,
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    }


def client(context: Context) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(context)), base_url="http://ampbot")
