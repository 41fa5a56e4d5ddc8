"""The webhook's address of the running bot: who is let in, who is not, and that nothing sent there ends it."""

from __future__ import annotations

import itertools
import json
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bot.rig.contract.fixtures import webhook_examples
from bot.rig.github.webhooks import signature
from bot.rig.rig import Rig
from tests.stories.conftest import RigWith

OLD = "the-secret-before-this-one"
CAP = 25 * 1024 * 1024
BODY = b'{"action":"created","installation":{"id":1}}'

_guids = itertools.count(1)


@pytest.fixture
def receiver(rig_with: RigWith) -> Iterator[Rig]:
    """A bot in the middle of a rotation of its secret. It lives on after whatever it was sent."""
    rig = rig_with(AMPBOT_WEBHOOK_SECRET_PREVIOUS=OLD)
    lines = len(rig.bot.log)
    yield rig
    assert httpx.get(f"{rig.bot.url}/healthz", trust_env=False).json() == {"ok": True}
    assert [line for line in rig.bot.log[lines:] if line["level"] in ("error", "critical", "raw")] == []


def headers(body: bytes, secret: str, event: str = "issue_comment", **changed: Any) -> dict[str, str]:
    """GitHub's, with some changed or (None) left out."""
    given: dict[str, str | None] = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/ba5e11d",
        "X-GitHub-Delivery": f"00000000-0000-0000-0000-{next(_guids):012d}",
        "X-GitHub-Event": event,
        "X-Hub-Signature": signature(secret, body, "sha1"),
        "X-Hub-Signature-256": signature(secret, body),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return {name: value for name, value in given.items() if value is not None}


def post(rig: Rig, body: bytes, given: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{rig.bot.url}/webhook", content=body, headers=given, trust_env=False, timeout=30)


def stored(rig: Rig, guid: str) -> list[dict[str, Any]]:
    return rig.query("SELECT event, outcome, closed_at IS NOT NULL AS closed FROM deliveries WHERE guid = :g", g=guid)


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"X_Hub_Signature_256": f"sha256={'0' * 64}"}, 401, "X-Hub-Signature-256 does not fit the body."),
        ({"X_Hub_Signature_256": signature("a third secret", BODY)}, 401, "X-Hub-Signature-256 does not fit the body."),
        ({"X_Hub_Signature_256": None, "X_Hub_Signature": None}, 401, "X-Hub-Signature-256 is missing."),
        ({"X_Hub_Signature_256": None}, 401, "Only a SHA-1 signature was sent, which is not accepted."),
        ({"X_GitHub_Event": None}, 400, "The header X-GitHub-Event is missing"),
        ({"X_GitHub_Delivery": None}, 400, "The header X-GitHub-Delivery is missing"),
        ({"X_GitHub_Delivery": "../../etc"}, 400, "X-GitHub-Delivery is not a GUID"),
        ({"Content_Type": "text/plain"}, 415, "The content type is not application/json."),
        ({"Content_Encoding": "gzip"}, 415, "Content-Encoding is set."),
    ],
)
def test_what_is_not_signed_by_github_is_refused_and_not_stored(
    receiver: Rig, changed: dict[str, Any], status: int, says: str
) -> None:
    before = receiver.query("SELECT count(*) AS n FROM deliveries")
    answer = post(receiver, BODY, headers(BODY, receiver.secret, **changed))
    assert (answer.status_code, answer.json()["error"].startswith(says)) == (status, True)
    assert receiver.query("SELECT count(*) AS n FROM deliveries") == before


@pytest.mark.parametrize("rotated", [False, True])
def test_the_secret_and_the_one_before_it_are_accepted(receiver: Rig, rotated: bool) -> None:
    body = json.dumps({"rotated": rotated}).encode()
    given = headers(body, OLD if rotated else receiver.secret)
    answer = post(receiver, body, given)
    assert (answer.status_code, answer.json()) == (202, {"delivery": given["X-GitHub-Delivery"], "stored": True})


def test_a_body_over_the_cap_is_refused_by_its_declared_length_before_it_is_sent(receiver: Rig) -> None:
    given = headers(BODY, receiver.secret, Content_Length=str(CAP + 1), Host="ampbot", Connection="close")
    where = urlsplit(receiver.bot.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        connection.sendall(f"POST /webhook HTTP/1.1\r\n{head}\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"more than GitHub sends" in answer


def test_a_body_over_the_cap_is_refused_also_when_its_length_was_not_declared(receiver: Rig) -> None:
    body = b"[" + b" " * CAP

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    given = headers(body, receiver.secret)
    answer = httpx.post(f"{receiver.bot.url}/webhook", content=pieces(), headers=given, trust_env=False, timeout=30)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert (answer.status_code, stored(receiver, given["X-GitHub-Delivery"])) == (413, [])


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"action": "created", ', "unreadable: The delivery is not valid JSON."),
        (b"", "unreadable: The delivery is not valid JSON."),
        (b'{"action": "\xff"}', "unreadable: The delivery is not valid JSON."),
        (b'{"action": "created", "action": "deleted"}', "unreadable: The delivery is not valid JSON."),
        (b"[" * 100_000 + b"]" * 100_000, "unreadable: The delivery's JSON is nested too deeply."),
        (b"[]", "unreadable: The delivery is not a JSON object."),
        (
            b'{"action": "created", "installation": {"id": 1}, "comment": {"body": "\\ud800"}}',
            "unreadable: The delivery does not have the shape of its event.",
        ),
    ],
)
def test_a_signed_body_that_cannot_be_read_is_stored_and_marked(receiver: Rig, body: bytes, outcome: str) -> None:
    given = headers(body, receiver.secret)
    assert post(receiver, body, given).status_code == 202
    receiver.wait_idle()
    assert stored(receiver, given["X-GitHub-Delivery"]) == [{"event": "issue_comment", "outcome": outcome, "closed": 1}]


@pytest.mark.parametrize(
    ("event", "action", "outcome"),
    [
        ("a_new_event", "invented", "ignored: a_new_event.invented"),
        ("issue_comment", "invented", "ignored: issue_comment.invented"),
        ("issue_comment", "deleted", "ignored: issue_comment.deleted"),
        ("push", None, "ignored: push"),
    ],
)
def test_unknown_events_and_actions_are_taken_and_ignored(
    receiver: Rig, event: str, action: str | None, outcome: str
) -> None:
    body = json.dumps({"action": action, "installation": {"id": 1}}).encode()
    given = headers(body, receiver.secret, event)
    assert post(receiver, body, given).status_code == 202
    receiver.wait_idle()
    assert stored(receiver, given["X-GitHub-Delivery"]) == [{"event": event, "outcome": outcome, "closed": 1}]


def test_health_and_readiness_and_nothing_else(receiver: Rig) -> None:
    url = receiver.bot.url
    got = {
        path: httpx.get(url + path, trust_env=False).status_code for path in ("/healthz", "/readyz", "/webhook", "/")
    }
    assert got == {"/healthz": 200, "/readyz": 200, "/webhook": 405, "/": 404}


def test_all_329_recorded_payloads_are_taken_and_closed(receiver: Rig) -> None:
    """First as they are, then with a command wherever a person wrote. The stand-in knows no such installation."""
    index = json.loads(webhook_examples().read_text())
    recorded = [(entry["name"], example) for entry in index for example in entry["examples"]]
    asking = [(event, _asking(example)) for event, example in recorded if event in SPOKEN]
    assert (len(recorded), len(asking)) == (329, 76)
    sent: dict[tuple[str, bytes], str] = {}
    statuses: Counter[int] = Counter()
    with httpx.Client(trust_env=False, timeout=30) as client:
        for event, example in recorded + asking:
            body = json.dumps({"installation": {"id": 7}} | example).encode()
            given = headers(body, receiver.secret, event)
            statuses[client.post(f"{receiver.bot.url}/webhook", content=body, headers=given).status_code] += 1
            sent.setdefault((event, body), given["X-GitHub-Delivery"])
    assert statuses == {202: 329 + 76}
    receiver.wait_idle(120)
    rows = {
        row["guid"]: (row["outcome"].split(":")[0], row["closed"])
        for row in receiver.query("SELECT guid, outcome, closed_at IS NOT NULL AS closed FROM deliveries")
    }
    kinds = Counter(rows[guid] for guid in sent.values())
    assert set(kinds) == {("ignored", 1), ("refused by GitHub", 1)}, "no answer is missing, none is unreadable"
    assert sum(kinds.values()) == len(sent)
    assert kinds["refused by GitHub", 1] >= 15, "these were understood as commands"


# The events in which people say something.
SPOKEN = ("issue_comment", "issues", "pull_request", "pull_request_review", "pull_request_review_comment")


def _asking(example: dict[str, Any]) -> dict[str, Any]:
    """The payload with a command wherever a person wrote something."""
    parts = ("comment", "review", "issue", "pull_request")
    said = {part: example[part] | {"body": "/amp fix it"} for part in parts if part in example}
    return example | said | {"sender": example["sender"] | {"type": "User"}}
