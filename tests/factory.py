"""Sample values for tests: each is valid as it is, and a test names only the fields that it is about.

A new field gets its sample value here, once. A new nullable column of `Run` or `StoredDelivery` needs nothing.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from bot.agent.outcome import Outcome
from bot.agent.stream import Usage
from bot.model import (
    Actor,
    ActorKind,
    CommentKind,
    CommentRef,
    Delivery,
    Ending,
    IssueRef,
    PinnedBase,
    Repo,
    RunKind,
    RunRequest,
    RunState,
)
from bot.store.deliveries import StoredDelivery
from bot.store.runs import Run

RUN = "0123abcd-89ef-5000-8000-000000000000"


def repo(**changes: Any) -> Repo:
    sample = Repo(10, "octo", "hello", private=True, default_branch="trunk", archived=False, installation=99)
    return replace(sample, **changes)


def issue_ref(**changes: Any) -> IssueRef:
    """Issue 7 of octo/hello, by bob."""
    sample = IssueRef(
        repo=repo(),
        number=7,
        is_pull=False,
        title="Login fails",
        body="On Mondays.",
        author="bob",
        url="https://github.com/octo/hello/issues/7",
    )
    return replace(sample, **changes)


def actor(**changes: Any) -> Actor:
    return replace(Actor(1, "alice", ActorKind.USER), **changes)


def run_request(
    run: str = RUN, number: int = 7, repository: int = 10, installation: int = 99, **changes: Any
) -> RunRequest:
    """alice's comment "/amp fix it" in a conversation of this number, repository (id) and installation (id)."""
    sample = RunRequest(
        id=run,
        kind=RunKind.WORK,
        issue=issue_ref(number=number, repo=repo(id=repository, installation=installation)),
        actor=actor(),
        trigger=CommentRef(CommentKind.ISSUE, 400),
        text="fix it",
        at="2026-01-02T03:04:05Z",
    )
    return replace(sample, **changes)


def pinned(**changes: Any) -> PinnedBase:
    """The base of a run in an issue."""
    sample = PinnedBase(repo_name="octo/hello", base_sha="ba5e" * 10, base_tree="7ree" * 10, base_branch="trunk")
    return replace(sample, **changes)


def outcome(**changes: Any) -> Outcome:
    """Amp succeeded, and said and cost nothing."""
    sample = Outcome(
        ok=True, answer="", error="", failure=None, thread="T-1", usage=Usage(), turns=3, duration_ms=1_000
    )
    return replace(sample, **changes)


def ending(**changes: Any) -> Ending:
    return replace(Ending(RunState.PUBLISHED, "Opened #1."), **changes)


def run(request: RunRequest, **changes: Any) -> Run:
    """The row of a run that may start and has not: whatever comes later is None."""
    sample = {
        "id": request.id,
        "state": RunState.QUEUED,
        "active": True,
        "request": request,
        "created_at": 1_000.0,
    }
    return Run(**(_all_none(Run) | sample | changes))


def delivery(guid: str, digest: str | None = None, **changes: Any) -> Delivery:
    return replace(Delivery(guid, "issues", digest or f"digest of {guid}", body=b"{}"), **changes)


def stored_delivery(delivery: Delivery, received_at: float, **changes: Any) -> StoredDelivery:
    """The row of a delivery that nobody has looked at: whatever comes later is None."""
    sample = {
        "guid": delivery.guid,
        "event": delivery.event,
        "body": delivery.body,
        "received_at": received_at,
        "given_up": False,
        "renewals": 0,
    }
    return StoredDelivery(**(_all_none(StoredDelivery) | sample | changes))


def _all_none(row: type[Any]) -> dict[str, Any]:
    return dict.fromkeys(field.name for field in fields(row))
