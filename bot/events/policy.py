"""Who may ask ampbot for something: a pure decision. If the permission is unknown, the answer is no."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model import Actor, ActorKind, CommentEvent, IssueRef
from bot.text import messages

MAY_ASK = frozenset({"admin", "write"})


@dataclass(frozen=True, slots=True)
class Allow:
    pass


@dataclass(frozen=True, slots=True)
class Deny:
    """`message` is the reply, None for no reply; `reason` is for the log."""

    reason: str
    message: str | None = None


def is_machine(actor: Actor, via_app: int | None, app: int) -> bool:
    """Whether a bot or our own App wrote it. Such events trigger nothing, so bots cannot answer each other forever."""
    return actor.kind is not ActorKind.USER or actor.login.endswith("[bot]") or via_app == app


def decide(actor: Actor, issue: IssueRef, permission: str) -> Allow | Deny:
    """Whether `actor` may ask here. `permission` is GitHub's current answer, "none" if it gave none."""
    if permission in MAY_ASK:
        return Allow()
    if permission == "none" and issue.repo.private:
        # A reply would confirm to a stranger that the private repository exists.
        return Deny("no read access to a private repository")
    return Deny(f"permission is {permission}", messages.denied(actor))


def via_app(event: object) -> int | None:
    """The id of the App that wrote the event's text for its author; None if there is none."""
    return event.via_app if isinstance(event, CommentEvent) else None
