"""Faults that a stand-in can produce, and the table that assigns them to requests."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from enum import StrEnum
from http import HTTPStatus
from http.client import responses
from typing import Any


class Side(StrEnum):
    BEFORE = "before"  # the request has no effect
    AFTER = "after"  # the effect is done, then the answer goes wrong


@dataclass(frozen=True, slots=True)
class Request:
    """The request that a fault applies to, as passed to `call`."""

    number: int
    method: str
    path: str


PAUSES = frozenset({"delay", "call"})  # the request goes on afterwards
SPOILS = frozenset({"cut", "drip", "stop", "null"})  # need the real answer, so they always apply after the effect
REPLACES = frozenset({"error", "answer", "secondary_limit", "primary_limit", "timeout", "wrong_json", "redirect"})
KINDS = PAUSES | SPOILS | REPLACES

_JSON = ("content-type", "application/json; charset=utf-8")

Wording = Callable[[int, str], Mapping[str, Any]]  # an error's status and message -> a service's own JSON for it


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault. Raises ValueError when its fields are invalid or contradict each other.

    error            answer `status` with `message`; as HTML when `plain`, as gateways do
    answer           answer `status` with `message` as the JSON body
    secondary_limit  403 (or 429) in GitHub's words, with `retry-after` when `seconds` is set
    primary_limit    403 (or 429; 200 on GraphQL), nothing remaining, reset in `seconds`
    timeout          silence for `seconds`, then the connection is dropped
    cut              half of the body with the full Content-Length, then the connection is dropped
    drip             the body byte by byte over `seconds`
    stop             a streamed answer ends cleanly after its first piece
    null             the JSON answer, with null for every value whose key is `message`
    wrong_json       200 and a body that is not JSON
    redirect         301 to another host (`message` is its address, if given)
    delay            wait `seconds`, then go on
    call             run `call`, then go on
    """

    kind: str
    side: Side = Side.BEFORE
    method: str = ""  # "" is any
    path: str = ""  # regular expression searched in the raw path; "" is any
    number: int = 0  # only the request with this number in the request log; 0 is any
    times: int = 1  # how often it applies; 0 is always
    skip: int = 0  # let this many matching requests pass first
    status: int = 502
    message: str = ""
    seconds: float = 0.0
    plain: bool = False
    call: Callable[[Request], None] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known are {', '.join(sorted(KINDS))}")
        if (self.kind == "call") != (self.call is not None):
            raise ValueError("the fault 'call' needs a function, and no other fault takes one")
        if self.times < 0 or self.skip < 0 or self.number < 0 or self.seconds < 0:
            raise ValueError("times, skip, number and seconds cannot be negative")
        if self.kind == "error" and not 400 <= self.status <= 599:
            raise ValueError(f"an error has a status from 400 to 599, not {self.status}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error

    def matches(self, request: Request) -> bool:
        return (
            self.method in ("", request.method)
            and self.number in (0, request.number)
            and re.search(self.path, request.path) is not None
        )


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def github_wording(status: int, message: str) -> Mapping[str, Any]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


def replacement(fault: Fault, request: Request, wording: Wording = github_wording) -> Answer:
    """The answer sent instead of the real one, for each kind of REPLACES except timeout."""
    match fault.kind:
        case "error":
            return _error(fault, wording)
        case "answer":
            return Answer(fault.status, (_JSON,), fault.message.encode())
        case "secondary_limit":
            return _secondary_limit(fault)
        case "primary_limit":
            return _primary_limit(fault, request)
        case "wrong_json":
            return Answer(200, (_JSON,), b'{"oops')
        case "redirect":
            address = (fault.message or "http://elsewhere.invalid") + request.path
            return _json(301, {"message": "Moved Permanently", "url": address}, (("location", address),))
    raise ValueError(f"{fault.kind} answers nothing of its own")


class FaultTable:
    """The faults still to come. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Faults that can still apply, with the current values of `skip` and `times`."""
        with self._lock:
            return tuple(self._faults)

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str, number: int) -> tuple[Fault, ...]:
        """The faults for this request: all matching delays and calls, and the first of the others."""
        request = Request(number, method, path)
        struck: list[Fault] = []
        left: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                beaten = fault.kind not in PAUSES and any(other.kind not in PAUSES for other in struck)
                if not fault.matches(request):
                    left.append(fault)
                elif fault.skip:
                    left.append(replace(fault, skip=fault.skip - 1))
                elif beaten:
                    left.append(fault)
                else:
                    struck.append(fault)
                    if fault.times != 1:
                        left.append(replace(fault, times=max(fault.times - 1, 0)))
            self._faults = left
        return tuple(struck)


def to_json(fault: Fault) -> dict[str, Any]:
    """JSON form of a fault, without fields that have their default. A `call` cannot be serialized."""
    defaults = {field.name: field.default for field in fields(Fault) if field.default is not MISSING}
    data = {name: value for name, value in asdict(fault).items() if defaults.get(name) != value}
    return {**data, "call": "..."} if fault.call is not None else data


def from_json(data: Mapping[str, Any]) -> Fault:
    """The fault described by `data`. Raises ValueError with a sentence when it is invalid."""
    known = {field.name: field for field in fields(Fault)}
    if not isinstance(data, Mapping):
        raise ValueError("a fault is an object")
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(known)}")
    if "kind" not in data:
        raise ValueError("a fault needs a kind")
    values: dict[str, Any] = {}
    for name, value in data.items():
        values[name] = Side(value) if name == "side" else value
        default = known[name].default
        wanted = str if default is MISSING else type(default)
        right = isinstance(value, (int, float) if wanted is float else wanted)
        if name != "side" and (not right or (isinstance(value, bool) and wanted is not bool)):
            raise ValueError(f"{name} of a fault is {wanted.__name__}, not {value!r}")
    return Fault(**values)


def without(body: bytes, key: str) -> bytes:
    """The JSON `body`, with null for every value whose key is `key`."""

    def nulled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: None if name == key else nulled(item) for name, item in value.items()}
        return [nulled(item) for item in value] if isinstance(value, list) else value

    return json.dumps(nulled(json.loads(body))).encode()


def _json(status: int, body: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, (_JSON, *headers), json.dumps(body).encode())


def _error(fault: Fault, wording: Wording) -> Answer:
    message = fault.message or responses.get(fault.status, "Error")
    if fault.plain:
        page = f"<html><head><title>{message}</title></head><body><h1>{message}</h1></body></html>"
        return Answer(fault.status, (("content-type", "text/html; charset=utf-8"),), page.encode())
    return _json(fault.status, wording(fault.status, message))


# Wording, statuses and headers of both limits, and the 200 of GraphQL:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
# https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
def _secondary_limit(fault: Fault) -> Answer:
    url = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
    said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    headers = _rate(remaining=4_200, reset_in=1_800.0)
    if fault.seconds:
        headers += (("retry-after", str(math.ceil(fault.seconds))),)
    status = 429 if fault.status == HTTPStatus.TOO_MANY_REQUESTS else 403
    return _json(status, {"documentation_url": url, "message": fault.message or said}, headers)


def _primary_limit(fault: Fault, request: Request) -> Answer:
    url = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
    said = fault.message or "API rate limit exceeded for installation ID 1."
    headers = _rate(remaining=0, reset_in=fault.seconds)
    if request.path.endswith("/graphql"):
        return _json(200, {"errors": [{"type": "RATE_LIMITED", "message": said}]}, headers)
    status = 429 if fault.status == HTTPStatus.TOO_MANY_REQUESTS else 403
    return _json(status, {"message": said, "documentation_url": url}, headers)


def _rate(*, remaining: int, reset_in: float) -> tuple[tuple[str, str], ...]:
    limit = 5_000
    return (
        ("x-ratelimit-limit", str(limit)),
        ("x-ratelimit-remaining", str(remaining)),
        ("x-ratelimit-used", str(limit - remaining)),
        ("x-ratelimit-reset", str(math.ceil(time.time() + reset_in))),
    )
