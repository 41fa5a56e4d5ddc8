"""What GitHub really sent: the recorded payloads of @octokit/webhooks-examples."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator

from bot.events.payloads import parse
from bot.model import Actor, ActorKind, CommentEvent, CommentKind, Delivery, Ignored, IssueRef, Repo
from bot.rig.contract.fixtures import webhook_examples
from bot.web.webhook import read
from tests.events.deliveries import Json


def recorded() -> list[tuple[str, Json]]:
    index = json.loads(webhook_examples().read_text())
    return [(entry["name"], example) for entry in index for example in entry["examples"]]


def expected(event: str, body: Json) -> str:
    """The type by what GitHub's documentation says of event and action, without the code under test."""
    action = body.get("action")
    edited_text = action == "edited" and "body" in body.get("changes", {})
    if event in ("issue_comment", "pull_request_review_comment") and (action == "created" or edited_text):
        return "CommentEvent"
    if event == "pull_request_review" and (action == "submitted" or edited_text) and body["review"]["body"]:
        return "CommentEvent"
    if event in ("issues", "pull_request"):
        if edited_text or (action == "opened" and "old_issue" not in body.get("changes", {})):
            return "CommentEvent"
        simple = {"labeled": "LabelEvent", "assigned": "AssignEvent", "closed": "CloseEvent"}
        if action in simple:
            return simple[action]
    if (event, action) == ("pull_request", "review_requested"):
        return "ReviewRequestEvent"
    return "Ignored"


def test_all_329_recorded_payloads_mean_what_their_actions_say() -> None:
    found: Counter[str] = Counter()
    for event, body in recorded():
        meant = parse(event, json.dumps({"installation": {"id": 7}} | body).encode())
        assert (event, body.get("action"), type(meant).__name__) == (event, body.get("action"), expected(event, body))
        found[type(meant).__name__] += 1
    assert found == {
        "Ignored": 299,
        "CommentEvent": 18,
        "AssignEvent": 5,
        "LabelEvent": 4,
        "CloseEvent": 2,
        "ReviewRequestEvent": 1,
    }


async def test_every_recorded_payload_passes_the_receiver_and_then_the_parser() -> None:
    async def once(raw: bytes) -> AsyncIterator[bytes]:
        yield raw

    passed = 0
    for event, body in recorded():
        raw = json.dumps({"installation": {"id": 7}} | body, indent=1).encode()
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": f"recorded-{passed}",
            "X-Hub-Signature-256": "sha256=" + hmac.new(b"secret", raw, hashlib.sha256).hexdigest(),
            "Content-Type": "application/json",
        }
        taken = await read(headers, once(raw), ["secret"])
        assert isinstance(taken, Delivery)
        assert type(parse(taken.event, taken.body)).__name__ == expected(event, body)
        passed += 1
    assert passed == 329


def test_a_recorded_payload_that_was_sent_to_no_installation_is_ignored() -> None:
    without = [(event, body) for event, body in recorded() if "installation" not in body]
    assert len(without) > 100
    for event, body in without:
        assert isinstance(parse(event, json.dumps(body).encode()), Ignored)


def test_a_recorded_comment_is_understood_in_full() -> None:
    event, body = next(
        (event, body)
        for event, body in recorded()
        if event == "issue_comment" and body["action"] == "created" and "installation" in body
    )
    comment, issue, repository = body["comment"], body["issue"], body["repository"]
    assert parse(event, json.dumps(body).encode()) == CommentEvent(
        issue=IssueRef(
            repo=Repo(
                id=repository["id"],
                owner=repository["full_name"].split("/")[0],
                name=repository["full_name"].split("/")[1],
                private=repository["private"],
                default_branch=repository["default_branch"],
                archived=repository["archived"],
                installation=body["installation"]["id"],
            ),
            number=issue["number"],
            is_pull="pull_request" in issue,
            title=issue["title"],
            body=issue["body"],
            author=issue["user"]["login"],
            url=issue["html_url"],
        ),
        actor=Actor(body["sender"]["id"], body["sender"]["login"], ActorKind(body["sender"]["type"])),
        text=comment["body"],
        kind=CommentKind.ISSUE,
        comment=comment["id"],
        at=comment["created_at"],
    )
