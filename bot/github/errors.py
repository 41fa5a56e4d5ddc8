"""GitHub's errors as our own types. No exception of PyGithub leaves `bot.github.client`."""

from __future__ import annotations


class GitHubError(Exception):
    """GitHub refused. `status` is the HTTP status, `message` GitHub's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class UnauthorizedError(GitHubError):
    """401: the token or the App's key is no longer accepted."""


class ForbiddenError(GitHubError):
    """403: this installation may not do that (or the repository is archived, the installation suspended)."""


class NotFoundError(GitHubError):
    """404 or 410: it is gone, or hidden from this installation."""


class ConflictError(GitHubError):
    """409: an empty repository, or a state that does not allow this."""


class UnprocessableError(GitHubError):
    """422: GitHub understood and says no; the message says why."""


class UnavailableError(GitHubError):
    """5xx, a timeout, a cut connection or an unreadable answer: the effect may or may not have happened."""


class LimitedError(GitHubError):
    """A rate limit: the effect did not happen. `wait` is in seconds, 0 where GitHub did not say how long."""

    def __init__(self, status: int, message: str, wait: float) -> None:
        super().__init__(status, message)
        self.wait = wait


TRANSIENT = (UnavailableError, LimitedError, UnauthorizedError)
"""Errors that may disappear with time. After a 401 the next attempt mints a new token."""
