"""What ampbot does in answer to a delivery, as data. `dispatch.perform` is the one door that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bot.model import Place, RunRequest, Trigger


@dataclass(frozen=True, slots=True)
class React:
    """Show that the triggering text was taken. GitHub keeps one reaction of a kind."""

    place: Place
    trigger: Trigger
    content: str
    type: Literal["react"] = "react"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer with a comment, once for each `key`."""

    place: Place
    key: str
    text: str
    at: str  # RFC 3339: no earlier comment can be this one
    type: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class StartRun:
    """Store the run, let it in line, and post its progress comment."""

    request: RunRequest
    type: Literal["start_run"] = "start_run"


@dataclass(frozen=True, slots=True)
class Unlabel:
    """Take the triggering label off, so that it can be put on again."""

    place: Place
    label: str
    type: Literal["unlabel"] = "unlabel"


Effect = React | Reply | StartRun | Unlabel

_PLAN: TypeAdapter[tuple[Effect, ...]] = TypeAdapter(tuple[Annotated[Effect, Field(discriminator="type")], ...])


def dump(plan: tuple[Effect, ...]) -> str:
    return _PLAN.dump_json(plan).decode()


def load(text: str) -> tuple[Effect, ...]:
    return _PLAN.validate_json(text)
