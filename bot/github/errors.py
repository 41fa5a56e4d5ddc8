"""GitHub's errors as our own types. No exception of PyGithub leaves `bot.github.client`."""

from __future__ import annotations


class GitHubError(Exception):
    """GitHub refused a request. `status` is the HTTP status (0: no answer), `message` GitHub's error message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class UnauthorizedError(GitHubError):
    """401: the token or the App's key is not valid, or no longer."""


class ForbiddenError(GitHubError):
    """403: a permission is missing, the repository is archived, or the installation is suspended."""


class NotFoundError(GitHubError):
    """404 or 410: it does not exist, or this installation may not see it.

    `data`: GraphQL's answer with null for what does not exist, if there is one.
    """

    def __init__(self, status: int, message: str, data: object = None) -> None:
        super().__init__(status, message)
        self.data = data


class ConflictError(GitHubError):
    """409: the repository is empty, or in another state that does not allow this."""


class UnprocessableError(GitHubError):
    """422: the request is not valid; the message says why."""


class UnavailableError(GitHubError):
    """5xx, a timeout, a lost connection or an unreadable answer: the request may have taken effect or not."""


class LimitedError(GitHubError):
    """A rate limit: the request took no effect. `wait` is in seconds; 0: GitHub did not say how long."""

    def __init__(self, status: int, message: str, wait: float) -> None:
        super().__init__(status, message)
        self.wait = wait


TRANSIENT = (UnavailableError, LimitedError, UnauthorizedError)
"""Errors that may disappear with time. After a 401 the next attempt mints a new token."""
