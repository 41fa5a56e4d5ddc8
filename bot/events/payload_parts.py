"""Reads the JSON of a webhook, and the parts that payloads have in common. `payloads.py` says what the whole means."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from bot.model import Problem

# --- JSON ------------------------------------------------------------------------------------------


def decode(body: bytes) -> dict[str, object] | Problem:
    try:
        payload = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        return Problem("The delivery's JSON is nested too deeply.")
    except ValueError as error:
        return Problem("The delivery is not valid JSON.", str(error))
    if not isinstance(payload, dict):
        return Problem("The delivery is not a JSON object.", type(payload).__name__)
    return payload


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Parsers differ on which of two equal keys wins. GitHub never sends two.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def where(error: ValidationError) -> str:
    """The invalid fields and why, without their values, which may be private."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults)


# --- the parts of a payload ------------------------------------------------------------------------

_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
# A lone surrogate cannot be encoded in UTF-8, and PostgreSQL stores no NUL.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _storable(value: object) -> object:
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _null_is_empty(value: object) -> object:
    return "" if value is None else value


def _moment(value: str) -> str:
    if not _RFC3339.fullmatch(value):
        raise ValueError("not RFC 3339")
    datetime.fromisoformat(value)  # checks the ranges of month, day, hour ...
    return value


Id = Annotated[int, Field(gt=0, lt=2**63)]
Text = Annotated[str, BeforeValidator(_storable)]
Body = Annotated[Text, BeforeValidator(_null_is_empty)]
Time = Annotated[str, AfterValidator(_moment)]


class Piece(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Account(Piece):
    id: Id
    login: Text
    type: Text = ""

    @property
    def is_ghost(self) -> bool:
        """Whether it stands in for a deleted account: https://github.com/ghost"""
        return self.login == "ghost"


class Repository(Piece):
    id: Id
    owner: Account
    name: Text
    private: bool
    default_branch: Text
    archived: bool


class Numbered(Piece):
    """An object of which we need only the id: an installation, an App."""

    id: Id


class Written(Piece):
    """The fields that issues, pull requests, comments and reviews share."""

    id: Id
    body: Body = ""
    user: Account | None = None  # null once the account is deleted
    created_at: Time
    updated_at: Time
    performed_via_github_app: Numbered | None = None


class Thread(Written):
    number: Id
    title: Text
    html_url: Text


class Issue(Thread):
    pull_request: Piece | None = None  # set if the issue is a pull request


class Pull(Thread):
    merged: bool = False


class LineComment(Written):
    path: Text
    line: Id | None = None  # null for a whole file, and for a line that is no longer in the diff


class ReviewBody(Written):
    created_at: Time = Field(validation_alias="submitted_at")
    updated_at: Time = Field(validation_alias=AliasChoices("updated_at", "submitted_at"))


class Label(Piece):
    name: Text


class Team(Piece):
    slug: Text


class Before(Piece):
    text: Body = Field(validation_alias="from")


class Changes(Piece):
    body: Before | None = None
    # These are there on an issue that a transfer opened, but may be null.
    old_issue: object = None
    old_repository: object = None

    @property
    def are_of_a_transfer(self) -> bool:
        return bool(self.model_fields_set & {"old_issue", "old_repository"})
