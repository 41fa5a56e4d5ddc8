"""The evidence of a soak as plain data. The checker sees nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Expect(StrEnum):
    """The expected result of a user action."""

    RUN = "run"
    REPLY = "reply"
    STOP = "stop"  # a 👍, or a reply why nothing was stopped; both if some of it was too late
    RETRY = "retry"  # a run, or a reply why there is none
    DENIAL = "denial"  # one for each issue, however many users ask
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class UserAction:
    """An action of a user and its expected result. `needle` is a text that only answers of this kind contain.

    Actions on one issue may share a needle: then as many answers contain it.
    """

    repository: int
    number: int
    actor: str
    expect: Expect
    needle: str
    text: str  # to find it again
    comment: int = 0  # the comment's id, if it is needed to find the answer


@dataclass(frozen=True, slots=True)
class BotComment:
    """A comment of the bot."""

    repository: int
    number: int
    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A pull request, a review, or a commit that some ref reaches, and the run that it names ("" if none)."""

    kind: str
    repository: int
    name: str  # number, id or sha
    run: str


@dataclass(frozen=True, slots=True)
class Write:
    """A publishing request from GitHub's request log. `run` is "" if the request names none."""

    request: int
    repository: int
    at: float
    what: str
    run: str


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """A request for a user's permission that GitHub answered with write access."""

    request: int
    repository: int
    actor: str
    at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class SandboxRow:
    id: str
    run: str
    live: bool
    agent: bool  # it got the command to start one


@dataclass(frozen=True, slots=True)
class RunRow:
    """`agents`: how often the agent started, from its transcript. `publishing_at`: when it first entered that state."""

    id: str
    repository: int
    number: int
    actor: str
    state: str
    ending: str
    publishing_at: float | None
    ended_at: float | None
    agents: int
    asked_in: int = 0  # the comment that asked for it


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery: whether any attempt of it was answered 202, and whether its body is in the bot's table."""

    guid: str
    event: str
    accepted: bool
    stored: bool
    asks: bool = True  # it may hold a request: the bot itself asks for a redelivery


@dataclass(frozen=True, slots=True)
class Evidence:
    actions: tuple[UserAction, ...] = ()
    comments: tuple[BotComment, ...] = ()
    thumbed: frozenset[int] = frozenset()  # ids of comments that have the bot's 👍
    made: tuple[Publication, ...] = ()
    writes: tuple[Write, ...] = ()
    permissions: tuple[PermissionCheck, ...] = ()
    sandboxes: tuple[SandboxRow, ...] = ()
    runs: tuple[RunRow, ...] = ()
    sent: tuple[Sent, ...] = ()
    open_deliveries: tuple[str, ...] = ()  # GUIDs of rows that are not closed
    unfinished: tuple[str, ...] = ()  # the engine's workflows
    starts: tuple[float, ...] = ()  # when the bot was started, each time
    leaks: tuple[str, ...] = ()
    operator: bool = True  # an operator redelivered what failed
    broken: tuple[str, ...] = ()  # errors of the soak itself: a failed start, an exception in a stand-in
