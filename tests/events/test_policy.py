"""Who may ask: people with write access, as GitHub says at this moment. What is not known is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.events.policy import Allow, Deny, decide, is_machine, via_app
from bot.model import Actor, ActorKind, CloseEvent, CommentEvent, CommentKind, IssueRef
from bot.text import messages
from tests.events.deliveries import ACTOR, PLACE

PUBLIC = replace(PLACE, repo=replace(PLACE.repo, private=False))
SORRY = messages.denied(ACTOR)
OURS, THEIRS = 7, 8


@pytest.mark.parametrize("issue", [PLACE, PUBLIC], ids=["private", "public"])
@pytest.mark.parametrize("permission", ["admin", "write"])
def test_whoever_can_write_may_ask(permission: str, issue: IssueRef) -> None:
    assert decide(ACTOR, issue, permission) == Allow()


@pytest.mark.parametrize(
    ("permission", "private", "verdict"),
    [
        ("read", False, Deny("permission is read", SORRY)),
        ("read", True, Deny("permission is read", SORRY)),
        ("none", False, Deny("permission is none", SORRY)),
        ("none", True, Deny("no read access to a private repository")),
        # GitHub folds maintain and triage into these; a word nobody knows is no permission.
        ("maintain", False, Deny("permission is maintain", SORRY)),
        ("Write", False, Deny("permission is Write", SORRY)),
        ("", True, Deny("permission is ", SORRY)),
    ],
)
def test_everybody_else_is_refused_and_told_once_unless_it_would_tell_of_a_private_repository(
    permission: str, private: bool, verdict: Deny
) -> None:
    assert decide(ACTOR, PLACE if private else PUBLIC, permission) == verdict


@pytest.mark.parametrize(
    ("kind", "login", "app", "machine"),
    [
        (ActorKind.USER, "alice", None, False),
        (ActorKind.USER, "alice", THEIRS, False),  # a person, through somebody's App
        (ActorKind.USER, "alice", OURS, True),  # what we wrote for a person
        (ActorKind.USER, "ampbot[bot]", None, True),
        (ActorKind.BOT, "ampbot[bot]", OURS, True),
        (ActorKind.BOT, "dependabot[bot]", THEIRS, True),
        (ActorKind.BOT, "alice", None, True),
        (ActorKind.ORGANIZATION, "octo", None, True),
    ],
)
def test_no_machine_may_ask(kind: ActorKind, login: str, app: int | None, machine: bool) -> None:
    assert is_machine(Actor(1, login, kind), app, OURS) is machine


def test_only_what_is_written_comes_through_an_app() -> None:
    said = CommentEvent(PLACE, ACTOR, "text", CommentKind.ISSUE, 1, "2026-01-01T00:00:00Z", via_app=THEIRS)
    assert via_app(said) == THEIRS
    assert via_app(CloseEvent(PLACE, ACTOR, merged=False, at="2026-01-01T00:00:00Z")) is None
