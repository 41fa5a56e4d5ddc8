"""The receiver with a real database: what is answered 202 is stored, once; what is not stored is not accepted."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Row
from starlette.types import Message

from bot.context import Context
from bot.rig.contract import fixtures
from bot.store.database import Database
from bot.store.tables import deliveries
from bot.store.upgrade import migrate
from bot.web.app import create_app
from bot.web.webhook import MAX_BYTES
from tests.web.receiver import BODY, GUID, client, signed


async def rows(context: Context) -> list[Row[Any]]:
    query = sa.select(deliveries).order_by(deliveries.c.received_at)
    return await context.database.read(lambda connection: list(connection.execute(query)))


async def test_a_delivery_is_stored_before_it_is_answered(context: Context) -> None:
    async with client(context) as github:
        answer = await github.post("/webhook", content=BODY, headers=signed())
    assert (answer.status_code, answer.json()) == (202, {"delivery": GUID, "stored": True})
    [row] = await rows(context)
    digest = hashlib.sha256(b"issue_comment\0" + BODY).hexdigest()
    assert (row.guid, row.event, row.digest, row.body) == (GUID, "issue_comment", digest, BODY)
    assert (row.taken_at, row.closed_at, row.outcome, row.plan) == (None, None, None, None)
    assert context.work.is_set()


@pytest.mark.parametrize(
    ("body", "headers", "content", "status"),
    [
        pytest.param(BODY, {"x-hub-signature-256": "sha256=" + "0" * 64}, BODY, 401, id="another signature"),
        pytest.param(BODY, {"x-hub-signature-256": ""}, BODY, 401, id="no signature"),
        pytest.param(BODY, {"x-hub-signature-256": "sha1=" + "0" * 40}, BODY, 401, id="a SHA-1 signature"),
        pytest.param(BODY, {}, BODY + b" ", 401, id="a body that was changed"),
        pytest.param(BODY, {"x-github-delivery": ""}, BODY, 400, id="no GUID"),
        pytest.param(BODY, {"x-github-event": ""}, BODY, 400, id="no event"),
        pytest.param(BODY, {"content-type": "text/plain"}, BODY, 415, id="another content type"),
        pytest.param(BODY, {"content-encoding": "gzip"}, BODY, 415, id="a compressed body"),
        pytest.param(BODY, {"content-length": str(MAX_BYTES + 1)}, BODY, 413, id="a body said to be too long"),
    ],
)
async def test_what_is_refused_is_told_why_and_not_stored(
    context: Context, body: bytes, headers: dict[str, str], content: bytes, status: int
) -> None:
    async with client(context) as github:
        answer = await github.post("/webhook", content=content, headers=signed(body) | headers)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert await rows(context) == []
    assert not context.work.is_set()


async def test_a_body_that_turns_out_too_long_is_refused_and_never_held_whole(context: Context) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield bytes(1024 * 1024)

    async with client(context) as github:
        answer = await github.post("/webhook", content=flood(), headers=signed())
    assert (answer.status_code, sent) == (413, 26)
    assert await rows(context) == []


async def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(context: Context) -> None:
    sent: list[Message] = []
    half: Message = {"type": "http.request", "body": BODY[:9], "more_body": True}
    events = iter([half, {"type": "http.disconnect"}])
    headers = [(name.encode(), value.encode()) for name, value in signed().items()]
    scope = {"type": "http", "method": "POST", "path": "/webhook", "headers": headers, "query_string": b""}

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        sent.append(message)

    await create_app(context)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await rows(context) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000, b"null"])
async def test_what_is_signed_is_stored_whatever_it_is(context: Context, body: bytes) -> None:
    async with client(context) as github:
        answer = await github.post("/webhook", content=body, headers=signed(body, event="ping"))
    assert answer.status_code == 202
    assert [row.body for row in await rows(context)] == [body]


async def test_the_secret_before_is_accepted_while_it_is_rotated(context: Context) -> None:
    rotating = replace(
        context, settings=context.settings.model_copy(update={"webhook_secret_previous": context.settings.amp_api_key})
    )
    async with client(rotating) as github:
        before = await github.post("/webhook", content=BODY, headers=signed(secret="amp-secret"))
        third = await github.post("/webhook", content=BODY, headers=signed(secret="another"))
    assert (before.status_code, third.status_code) == (202, 401)


@pytest.mark.parametrize(
    ("guid", "event", "body", "stored"),
    [
        (GUID, "issue_comment", BODY, False),  # GitHub's own redelivery
        (GUID, "issue_comment", BODY + b" ", False),  # the GUID is not signed, but it is taken
        ("another", "issue_comment", BODY, False),  # a captured body under a new GUID
        ("another", "issues", BODY, True),  # under another event it is parsed as that, and found to be none
        ("another", "issue_comment", BODY + b" ", True),
    ],
)
async def test_a_delivery_is_stored_once(context: Context, guid: str, event: str, body: bytes, stored: bool) -> None:
    async with client(context) as github:
        await github.post("/webhook", content=BODY, headers=signed())
        context.work.clear()
        answer = await github.post("/webhook", content=body, headers=signed(body, guid=guid, event=event))
    assert (answer.status_code, answer.json()) == (202, {"delivery": guid, "stored": stored})
    assert [row.guid for row in await rows(context)] == [GUID, *([guid] if stored else [])]
    assert context.work.is_set() is stored


async def test_of_fifty_at_once_one_is_stored_and_all_are_accepted(database: Database, context: Context) -> None:
    context = replace(context, database=database)
    async with client(context) as github:
        posts = (github.post("/webhook", content=BODY, headers=signed(guid=f"g-{number % 2}")) for number in range(50))
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["stored"] for answer in answers) == 1
    assert len(await rows(context)) == 1


def unusable(kind: str, folder: Path) -> Database:
    path = folder / "ampbot.sqlite3"
    match kind:
        case "no folder":
            return Database(f"sqlite:///{folder}/missing/ampbot.sqlite3")
        case "read-only":
            return Database(f"sqlite:///file:{path}?mode=ro&uri=true")
        case "no tables":
            return Database(f"sqlite:///{folder}/empty.sqlite3")
    path.write_bytes(b"no database at all" * 1_000)
    return Database(f"sqlite:///{path}")


@pytest.mark.parametrize("kind", ["no folder", "read-only", "no tables", "broken"])
async def test_what_cannot_be_stored_is_not_accepted(context: Context, tmp_path: Path, kind: str) -> None:
    database = unusable(kind, tmp_path)
    broken = replace(context, database=database)
    async with client(broken) as github:
        answer = await github.post("/webhook", content=BODY, headers=signed())
        ready = await github.get("/readyz")
        healthy = await github.get("/healthz")
    database.close()
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "The delivery could not be stored. Redeliver it later."},
    )
    assert (ready.status_code, ready.json()["ok"], healthy.status_code) == (503, False, 200)
    assert not context.work.is_set()


async def test_a_delivery_that_could_not_be_stored_is_stored_when_it_comes_again(
    context: Context, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path}/later/ampbot.sqlite3")
    later = replace(context, database=database)
    async with client(later) as github:
        refused = await github.post("/webhook", content=BODY, headers=signed())
        await asyncio.to_thread((tmp_path / "later").mkdir)
        await asyncio.to_thread(migrate, database)
        accepted = await github.post("/webhook", content=BODY, headers=signed())
    assert (refused.status_code, accepted.status_code) == (503, 202)
    assert [row.guid for row in await rows(later)] == [GUID]
    database.close()


async def test_it_says_whether_it_lives_and_whether_it_can_store(context: Context) -> None:
    async with client(context) as anybody:
        answers = [await anybody.get("/healthz"), await anybody.get("/readyz")]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"ok": True})] * 2
        assert (await anybody.get("/webhook")).status_code == 405
        assert (await anybody.post("/")).status_code == 404


async def test_every_recorded_payload_is_accepted_and_stored_as_it_came(context: Context) -> None:
    examples = json.loads(await asyncio.to_thread(fixtures.webhook_examples().read_text))
    recorded = [
        (f"{kind['name']}-{number}", kind["name"], json.dumps(example).encode())
        for kind in examples
        for number, example in enumerate(kind["examples"])
    ]
    async with client(context) as github:
        for guid, event, body in recorded:
            answer = await github.post(
                "/webhook", content=body, headers=signed(body, guid=guid.replace("_", "-"), event=event)
            )
            assert answer.status_code == 202, (guid, answer.text)
    stored = [(row.event, row.body) for row in await rows(context)]
    # Some were recorded twice: the same event and body is one delivery.
    assert stored == list(dict.fromkeys((event, body) for _, event, body in recorded))
    assert (len(recorded), len({event for _, event, _ in recorded})) == (329, 58)
