"""Who may ask. A pure decision over facts; the first refusal wins, and what is not known is refused."""

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
    """`say` is the polite sentence, None where silence is right; `reason` is for the log."""

    reason: str
    message: str | None = None


def is_machine(actor: Actor, via_app: int | None, app: int) -> bool:
    """Bots never trigger anything, nor does what our own App wrote, so no two machines can talk in circles."""
    return actor.kind is not ActorKind.USER or actor.login.endswith("[bot]") or via_app == app


def decide(actor: Actor, issue: IssueRef, permission: str) -> Allow | Deny:
    """May `actor` ask here? `permission` is GitHub's answer of this moment; "none" where it gave none."""
    if permission in MAY_ASK:
        return Allow()
    if permission == "none" and issue.repo.private:
        # Who cannot read a private repository learns nothing from us about it.
        return Deny("no read access to a private repository")
    return Deny(f"permission is {permission}", messages.denied(actor))


def via_app(event: object) -> int | None:
    return event.via_app if isinstance(event, CommentEvent) else None
