"""Error answers of GitHub: status and message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_DOCS = "https://docs.github.com/rest"


class Refusal(Exception):  # noqa: N818 - an answer of GitHub, not a failure of the stand-in
    """Ends a request with an error answer. `errors` are the details of a 422."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any] | str] = (),
        docs: str = _DOCS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = tuple(errors)
        self.docs = docs
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = list(self.errors)
        body["documentation_url"] = self.docs
        if self.status != 422:  # bodies of validation errors have no status in GitHub's description
            body["status"] = str(self.status)
        return body

    @classmethod
    def not_found(cls) -> Refusal:
        return cls(404, "Not Found")

    @classmethod
    def forbidden(cls) -> Refusal:
        return cls(403, "Resource not accessible by integration")

    @classmethod
    def invalid(cls, *errors: Mapping[str, Any] | str) -> Refusal:
        return cls(422, "Validation Failed", errors=errors)

    @classmethod
    def unprocessable(cls, message: str) -> Refusal:
        return cls(422, message)


def missing(resource: str, field: str, code: str = "missing_field") -> dict[str, str]:
    """One detail with its code: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api"""
    return {"resource": resource, "field": field, "code": code}


def custom(resource: str, field: str, message: str) -> dict[str, str]:
    return {"resource": resource, "code": "custom", "field": field, "message": message}
