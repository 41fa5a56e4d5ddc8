"""Violations of the contract, and the list of excused ones with their reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "unknown path",  # unknown path or method
    "request",  # path and query parameters, body
    "query key",  # a query parameter the endpoint does not have
    "body key",  # a key of the request's body that the endpoint does not have
    "answer",  # the stand-in's status or body
    "answer key",  # a key of the stand-in's answer that GitHub's does not have
    "graphql",  # query, variables or data
]


@dataclass(frozen=True, slots=True)
class Violation:
    """One difference from what GitHub publishes. `where` is "METHOD /template" ("POST /graphql")."""

    kind: Kind
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """Excuses violations of this kind at this endpoint whose detail contains `about`. "*" is any method."""

    method: str
    path: str  # template of the description, or "*" for any
    kind: Kind
    about: str
    reason: str

    def covers(self, violation: Violation) -> bool:
        method, _, path = violation.where.partition(" ")
        return (
            self.kind == violation.kind
            and self.method in ("*", method)
            and self.path in ("*", path)
            and self.about in violation.detail
        )


BY_ID = Excuse(
    method="*",
    path="/repositories/{repository_id}",
    kind="unknown path",
    about="",
    reason="GitHub redirects renamed and transferred repositories to /repositories/ID/…, and its pagination "
    "links use that form, but does not describe it; it is checked as /repos/{owner}/{repo}/….",
)

_NULLABLE = tuple(
    Excuse(method="*", path="*", kind="answer", about=f"{field}: None {words}", reason=reason)
    for fields, reason in (
        (
            ("author", "committer"),
            "A commit whose author has no account has none: null, though not by OpenAPI 3.0's letter.",
        ),
        (("line", "position"), "An outdated review comment is on no line any more, and GitHub answers null."),
    )
    for field in fields
    for words in ("for not nullable", "is not of type 'integer'")
)
_TWO_KINDS_OF_422 = Excuse(
    method="POST",
    path="/repos/{owner}/{repo}/git/blobs",
    kind="answer",
    about="it is valid under each of",
    reason="Two of the kinds of 422 that are described for it are the same, where exactly one may match.",
)

_LIST_OF_INSTALLATIONS = (
    Excuse(
        method="GET",
        path="/app/installations",
        kind="answer",
        about=".account: ",
        reason="The list describes the account as a user and an enterprise at once (allOf); its items by themselves, "
        "at /app/installations/{installation_id}, as one of them.",
    ),
    *(
        Excuse(
            method="GET",
            path="/app/installations",
            kind="answer key",
            about=key,
            reason="The list holds an older copy of the installation's shape, without this key.",
        )
        for key in (".client_id", ".account.user_view_type")
    ),
)

_TOO_LARGE = tuple(
    Excuse(
        method="GET",
        path=path,
        kind="answer key",
        about="has no errors",
        reason="A diff that is too large is refused with `errors`: https://github.com/reviewdog/reviewdog/issues/2150",
    )
    for path in ("/repos/{owner}/{repo}/pulls/{pull_number}", "/repos/{owner}/{repo}/compare/{basehead}")
)

EXCUSES: tuple[Excuse, ...] = (BY_ID, *_NULLABLE, _TWO_KINDS_OF_422, *_LIST_OF_INSTALLATIONS, *_TOO_LARGE)


def is_excused(violation: Violation) -> bool:
    """Whether the list excuses it; for several errors in one answer, each of them."""
    parts = [replace(violation, detail=part) for part in violation.detail.split("; ")]
    return all(any(excuse.covers(part) for excuse in EXCUSES) for part in parts)


# Statuses that any endpoint may return, described or not; the body must still be an error.
ANYWHERE: dict[int, str] = {
    301: "a repository was renamed or transferred "
    "(https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects)",
    307: "as 301, keeping the method",
    400: "the body is no JSON (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)",
    401: "bad, expired or revoked credentials",
    403: "a permission is missing, or a limit is reached "
    "(https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api)",
    404: "what a token must not see does not exist for it "
    "(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#404-not-found-for-an-existing-resource)",
    406: "the diff asked for is too large (https://github.com/reviewdog/reviewdog/issues/2150)",
    422: "the request was understood and is invalid",
    429: "a limit is reached",
    500: "GitHub failed",
    502: "GitHub failed",
    503: "GitHub failed",
}
