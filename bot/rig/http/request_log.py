"""Records every request to a stand-in and the answer to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
import time
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

WHOLE = 2_000_000  # bytes kept of a body
PACK = 4_000  # bytes kept of a git request: packs are large and not readable
STREAM = 64_000  # bytes kept of an answer without a Content-Length

_CREDENTIALS = {"authorization": "", "x-api-key": "key", "x-access-token": "token"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer. Header names are lower-case; times are seconds since the epoch."""

    number: int  # place in this server's request log, from 1, given on arrival
    at: float
    seconds: float  # until the answer's last byte
    method: str
    path: str  # still percent-encoded, as the client sent it
    query: str
    headers: Mapping[str, str]  # credentials replaced by "<kind> <fingerprint>"
    body: bytes  # the first WHOLE bytes; of git's requests the first PACK
    status: int | None  # None: no answer was sent
    answer_headers: Mapping[str, str]
    answer: bytes  # the first WHOLE bytes; of streams the first STREAM
    fault: str | None  # kinds of the faults applied, joined by "+"


class Recording:
    """A request under way. Its entry appears in the request log when it is finished."""

    def __init__(self, request_log: RequestLog, number: int, method: str, path: str, query: str, headers: RawHeaders):
        self._request_log = request_log
        self._started = time.perf_counter()
        self._finished = False
        self._body = bytearray()
        self._answer = bytearray()
        self._answer_limit = WHOLE
        self.number = number
        self.at = time.time()
        self.method = method
        self.path = path
        self.query = query
        self.headers = _redacted(_plain(headers))
        self._body_limit = PACK if _is_git(self.headers.get("content-type", "")) else WHOLE
        self.status: int | None = None
        self.answer_headers: dict[str, str] = {}
        self.fault: str | None = None

    def read(self, chunk: bytes) -> None:
        """Note a piece of the request's body."""
        _keep(self._body, chunk, self._body_limit)

    def answered(self, status: int, headers: RawHeaders) -> None:
        self.status = status
        self.answer_headers = _plain(headers)
        if "content-length" not in self.answer_headers:
            self._answer_limit = STREAM

    def wrote(self, chunk: bytes) -> None:
        """Note a piece of the answer's body."""
        _keep(self._answer, chunk, self._answer_limit)

    def finish(self) -> None:
        """Put the entry into the request log. Calling it again changes nothing."""
        if not self._finished:
            self._finished = True
            self._request_log.finish(self)

    def entry(self) -> Entry:
        return Entry(
            number=self.number,
            at=self.at,
            seconds=time.perf_counter() - self._started,
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
            body=bytes(self._body),
            status=self.status,
            answer_headers=self.answer_headers,
            answer=bytes(self._answer),
            fault=self.fault,
        )


class RequestLog:
    """All finished requests of one server, in order of arrival. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._last = 0
        self._under_way: set[Recording] = set()

    @property
    def entries(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries)

    @property
    def under_way(self) -> int:
        """How many requests have arrived and are not finished."""
        with self._lock:
            return len(self._under_way)

    def since(self, number: int) -> tuple[Entry, ...]:
        """Finished requests that arrived after request `number`."""
        with self._lock:
            first = bisect_right(self._entries, number, key=lambda entry: entry.number)
            return tuple(self._entries[first:])

    def begin(self, method: str, path: str, query: str, headers: RawHeaders) -> Recording:
        with self._lock:
            self._last += 1
            recording = Recording(self, self._last, method, path, query, headers)
            self._under_way.add(recording)
            return recording

    def finish(self, recording: Recording) -> None:
        with self._lock:
            if recording in self._under_way:
                self._under_way.remove(recording)
                insort(self._entries, recording.entry(), key=lambda entry: entry.number)

    def clear(self) -> None:
        """Start anew at number 1. Requests under way at this moment are never recorded."""
        with self._lock:
            self._entries.clear()
            self._under_way.clear()
            self._last = 0


RawHeaders = Iterable[tuple[bytes, bytes]]


def fingerprint(secret: str) -> str:
    """Eight hexadecimal digits that identify a credential without revealing it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def to_json(entry: Entry) -> dict[str, Any]:
    """JSON form of an entry. Bodies that are not UTF-8 are in `body_base64` / `answer_base64`."""
    data = asdict(entry)
    for name in ("body", "answer"):
        raw: bytes = data.pop(name)
        try:
            data[name] = raw.decode()
        except UnicodeDecodeError:
            data[f"{name}_base64"] = base64.b64encode(raw).decode()
    return data


def from_json(data: Mapping[str, Any]) -> Entry:
    """The entry that `to_json` wrote. Raises KeyError or TypeError for anything else."""
    fields = dict(data)
    for name in ("body", "answer"):
        encoded = fields.pop(f"{name}_base64", None)
        fields[name] = fields[name].encode() if encoded is None else base64.b64decode(encoded)
    return Entry(**fields)


def _keep(kept: bytearray, chunk: bytes, limit: int) -> None:
    if len(kept) < limit:
        kept += chunk[: limit - len(kept)]


def _plain(headers: RawHeaders) -> dict[str, str]:
    plain: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain


def _redacted(headers: dict[str, str]) -> dict[str, str]:
    for name, kind in _CREDENTIALS.items():
        if name in headers:
            headers[name] = _without_secret(headers[name], kind)
    return headers


def _without_secret(value: str, kind: str) -> str:
    if not kind:
        kind, _, value = value.rpartition(" ")
    if kind.lower() == "basic":
        value = _password(value)
    return f"{kind or 'key'} {fingerprint(value)}"


def _password(basic: str) -> str:
    """The password in Basic credentials, so that a token has one fingerprint on REST and on git."""
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return basic


def _is_git(content_type: str) -> bool:
    return content_type.startswith("application/x-git-")
