"""Checks the GitHub stand-in's request log against GitHub's OpenAPI description and GraphQL schema."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from bot.rig.contract import fixtures
from bot.rig.contract.exceptions import Violation, is_excused
from bot.rig.contract.graphql import GraphqlContract
from bot.rig.contract.rest import RestContract, Route
from bot.rig.http.faults import PAUSES
from bot.rig.http.request_log import STREAM, WHOLE, Entry

_API = "/api/v3"  # the REST API of GitHub Enterprise Server, and so of the stand-in
_GRAPHQL = "/api/graphql"
_HARMLESS = PAUSES | {"drip"}  # faults that do not change the answer


class Contract:
    """Results are cached: equal requests and answers are checked once."""

    def __init__(self, rest: RestContract, graphql: GraphqlContract) -> None:
        self._rest = rest
        self.graphql = graphql
        self._seen: dict[tuple[object, ...], tuple[Violation, ...]] = {}

    @staticmethod
    @cache
    def load() -> Contract:
        """The one contract of this process. Raises fixtures.FetchError."""
        return Contract(RestContract(fixtures.openapi()), GraphqlContract(fixtures.graphql_schema()))

    def check(self, entry: Entry) -> tuple[Violation, ...]:
        """Violations of a request and its answer, without the excused ones.

        Requests outside /api/ (git, pages) are not checked, nor are answers that a fault
        spoilt are not looked at.
        """
        if not is_api(entry):
            return ()
        found = self._once(entry)
        return tuple(each for each in found if not is_excused(each))

    def route(self, entry: Entry) -> Route | None:
        """The REST endpoint of a request; None if GitHub has none for it."""
        path = entry.path.removeprefix(_API)
        route: Route | None = self._rest.route(entry.method, _by_name(path))
        return route

    def _once(self, entry: Entry) -> tuple[Violation, ...]:
        judged = _is_judged(entry)
        key = (
            entry.method,
            entry.path,
            entry.query,
            hashlib.sha256(entry.body).digest(),
            (entry.status, hashlib.sha256(entry.answer).digest()) if judged else None,
            entry.headers.get("content-type"),
            entry.headers.get("accept"),
            entry.answer_headers.get("content-type"),
        )
        if key not in self._seen:
            self._seen[key] = tuple(self._check(entry, judged=judged))
        return self._seen[key]

    def _check(self, entry: Entry, *, judged: bool) -> Iterable[Violation]:
        body_kept = len(entry.body) < WHOLE
        answer_kept = len(entry.answer) < (WHOLE if "content-length" in entry.answer_headers else STREAM)
        if entry.path == _GRAPHQL:
            if body_kept:
                yield from self.graphql.check(entry, answer=judged and answer_kept)
            return
        route = self.route(entry)
        if route is None:
            yield Violation("unknown path", f"{entry.method} {entry.path}", "GitHub describes no such endpoint")
            return
        yield from self._rest.check_request(entry, route, whole=body_kept)
        if judged:
            yield from self._rest.check_answer(entry, route, whole=answer_kept)


def is_api(entry: Entry) -> bool:
    return entry.path.startswith("/api/")


def used_endpoints(entries: Iterable[Entry]) -> Counter[tuple[str, str]]:
    """How often each endpoint was used, as (method, template); GraphQL is ("POST", "/graphql").

    Raises LookupError for a request to an unknown endpoint.
    """
    contract = Contract.load()
    used: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if entry.path == _GRAPHQL:
            used[entry.method, "/graphql"] += 1
        elif is_api(entry):
            route = contract.route(entry)
            if route is None:
                raise LookupError(f"GitHub describes no endpoint for {entry.method} {entry.path}")
            used[route.method, route.template] += 1
    return used


def _is_judged(entry: Entry) -> bool:
    faults = set(entry.fault.split("+")) if entry.fault else set()
    return entry.status is not None and faults <= _HARMLESS


def _by_name(path: str) -> str:
    """The described path for one that names a repository by its id."""
    return re.sub(r"^/repositories/\d+", "/repos/owner/repository", path)
