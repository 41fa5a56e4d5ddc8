"""What is left when a soak is over, as plain data: the checker sees this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Expect(StrEnum):
    """What a gesture must lead to."""

    RUN = "run"
    REPLY = "reply"
    STOP = "stop"  # a thumb, or a reply that says why nothing was stopped; both where some of it was too late
    RETRY = "retry"  # a run, or a reply that says why there is none
    DENIAL = "denial"  # one for each conversation, however many ask
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class UserAction:
    """One thing somebody did, and what it must lead to. `needle` stands in the answer and in no other kind of answer.

    Gestures of one conversation may share a needle: then so many answers hold it.
    """

    repository: int
    number: int
    actor: str
    expect: Expect
    needle: str
    text: str  # to find it again
    comment: int = 0  # its id, where that tells what came of it


@dataclass(frozen=True, slots=True)
class BotComment:
    """A comment of the bot."""

    repository: int
    number: int
    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A pull request, a review, or a commit that some ref reaches, and the run it names ("" if none)."""

    kind: str
    repository: int
    name: str  # number, id or sha
    run: str


@dataclass(frozen=True, slots=True)
class Write:
    """A request that publishes, as GitHub journalled it. `run` is "" where the request names none."""

    request: int
    repository: int
    at: float
    what: str
    run: str


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """GitHub was asked for somebody's permission and said that they may write."""

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
    agent: bool  # it was told to start one


@dataclass(frozen=True, slots=True)
class RunRow:
    """`agents` counts the beginnings in its transcript; `publishing_at` is when it first entered that state."""

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
    asks: bool = True  # it may ask something: the bot itself has GitHub deliver it again


@dataclass(frozen=True, slots=True)
class Evidence:
    actions: tuple[UserAction, ...] = ()
    comments: tuple[BotComment, ...] = ()
    thumbed: frozenset[int] = frozenset()  # comments under which the bot's thumb is
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
    operator: bool = True  # somebody had GitHub deliver again whatever failed
    broken: tuple[str, ...] = ()  # what the soak itself saw go wrong: a start that failed, a stand-in that raised
