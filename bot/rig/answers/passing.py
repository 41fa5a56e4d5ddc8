"""GitHub's refusals that pass, in its own words, and the requests that may meet them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.rig.http.faults import Fault, Side


def _words(message: str) -> str:
    return json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest"})


def _invalid(field: str, code: str, message: str = "") -> str:
    detail = {"resource": "PullRequest", "field": field, "code": code} | ({"message": message} if message else {})
    return json.dumps({"message": "Validation Failed", "errors": [detail]})


def _graphql(message: str, kind: str | None = None) -> str:
    error: Mapping[str, Any] = {"message": message} | ({"type": kind} if kind else {})
    return json.dumps({"data": None, "errors": [error]})


@dataclass(frozen=True, slots=True)
class Passing:
    """An answer that is over after a while. `method` and `path`: regular expressions for the whole of each."""

    name: str
    fault: Fault  # its method, path, skip and times are set for each request
    method: str = ".*"
    path: str = ".*"

    def meets(self, method: str, path: str) -> bool:
        return re.fullmatch(self.method, method) is not None and re.fullmatch(self.path, path) is not None


_API = "/api/v3"
_REPO = f"{_API}/repos/[^/]+/[^/]+"
_TOKEN = f"({_API}/(repos|installation)/.*|/api/graphql)"  # requests with an installation's token
_CONTENT = f"{_REPO}/(issues/.*comments|pulls|pulls/[^/]+/reviews)"

PASSING = (
    Passing("502", Fault("error")),
    Passing("502 after the effect", Fault("error", side=Side.AFTER)),
    Passing("half an answer", Fault("cut")),
    Passing("no answer", Fault("timeout", seconds=0.01)),
    Passing("secondary limit", Fault("secondary_limit"), path=f"{_REPO}/.*"),
    Passing("unknown token", Fault("answer", status=401, message=_words("Bad credentials")), path=_TOKEN),
    Passing(
        "token without permissions",
        Fault("answer", status=403, message=_words("Resource not accessible by integration")),
        path=f"{_REPO}/.*",
    ),
    Passing(
        "submitted too quickly",
        Fault("answer", status=422, message=_invalid("base", "custom", "was submitted too quickly")),
        "POST",
        _CONTENT,
    ),
    Passing("not found", Fault("answer", status=404, message=_words("Not Found")), "POST|PATCH", f"{_REPO}/.*"),
    Passing(
        "no such commit",
        Fault("answer", status=404, message=_words("Not Found")),
        "GET",
        f"{_REPO}/(git/commits|compare)/.*",
    ),
    Passing(
        "no such object",
        Fault("answer", status=422, message=_words("Object does not exist")),
        "POST",
        f"{_REPO}/git/refs",
    ),
    Passing(
        "no such tree",
        Fault("answer", status=422, message=_words("Tree SHA does not exist")),
        "POST",
        f"{_REPO}/git/commits",
    ),
    Passing(
        "no such base tree",
        Fault("answer", status=422, message=_words("base_tree is not a valid tree oid")),
        "POST",
        f"{_REPO}/git/trees",
    ),
    Passing("no such head", Fault("answer", status=422, message=_invalid("head", "invalid")), "POST", f"{_REPO}/pulls"),
    Passing(
        "no commits yet",
        Fault("answer", status=422, message=_invalid("", "custom", "No commits between main and amp")),
        "POST",
        f"{_REPO}/pulls",
    ),
    Passing("no user", Fault("null", message="user"), "GET", f"{_REPO}/collaborators/.*"),
    Passing("no repository id", Fault("null", message="databaseId"), path="/api/graphql"),
    Passing(
        "something went wrong",
        Fault("answer", status=200, message=_graphql("Something went wrong while executing your query.")),
        path="/api/graphql",
    ),
    Passing(
        "not resolved",
        Fault("answer", status=200, message=_graphql("Could not resolve to an Issue", "NOT_FOUND")),
        path="/api/graphql",
    ),
    Passing(
        "graphql without the object",
        Fault("answer", status=200, message=_graphql("Object does not exist", "UNPROCESSABLE")),
        path="/api/graphql",
    ),
    Passing(
        "graphql without permissions",
        Fault("answer", status=200, message=_graphql("Resource not accessible by integration", "FORBIDDEN")),
        path="/api/graphql",
    ),
)


def meeting(method: str, path: str) -> Iterator[Passing]:
    """The passing answers that a request may get."""
    return (passing for passing in PASSING if passing.meets(method, path))
