"""One table of GitHub's refusals that mean "not yet": the same request succeeds a moment later.

GitHub replicates what was written to other servers, and a request may reach one that does not have it yet. Such a
refusal changed nothing, so the request may be sent again, whatever its method.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.github.errors import ForbiddenError, GitHubError, NotFoundError, UnauthorizedError, UnprocessableError

# Seconds before each further attempt. After the last one the error is final, and bot/run/errors.py says what it means.
WAITS = (1.0, 2.0, 4.0, 8.0)
# Where the refusal is usually final: something was deleted.
SHORT_WAITS = (1.0, 2.0)
# Seconds after a token was minted in which GitHub may not know it, or its permissions, everywhere.
FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class NotYet:
    """A kind of refusal. `method` and `path` are regular expressions for the whole method and the end of the path."""

    error: type[GitHubError]
    waits: tuple[float, ...]
    method: str = ".*"
    path: str = ""
    words: str = ""  # a regular expression searched in GitHub's message, in any case
    fresh: bool = False  # only shortly after the token was minted

    def matches(self, error: GitHubError, method: str, path: str, *, fresh: bool) -> bool:
        return (
            isinstance(error, self.error)
            and (fresh or not self.fresh)
            and re.fullmatch(self.method, method) is not None
            and re.search(f"{self.path}$", path) is not None
            and re.search(self.words, error.message, re.IGNORECASE) is not None
        )


TABLE: tuple[NotYet, ...] = (
    # The token, then its permissions: https://github.com/octokit/auth-app.js/issues/65 and /589
    NotYet(UnauthorizedError, WAITS, fresh=True),
    NotYet(ForbiddenError, WAITS, words="not accessible by integration", fresh=True),
    # An object, for the tree, commit or branch that uses it: https://github.com/octokit/octokit.rb/issues/622
    NotYet(UnprocessableError, WAITS, "POST", "/git/(trees|commits|refs)", "does not exist|not a valid tree oid"),
    NotYet(GitHubError, WAITS, "POST", "/graphql", "object does not exist|could not resolve to a (commit|git object)"),
    # A branch, for its pull request: https://github.com/octokit/octokit.rb/issues/622
    NotYet(UnprocessableError, WAITS, "POST", "/pulls", "head invalid|no commits between"),
    # An issue, comment or commit that a webhook or an answer has just named; or it was deleted.
    NotYet(NotFoundError, SHORT_WAITS, "POST|PATCH", "/repos/.*"),
    NotYet(NotFoundError, SHORT_WAITS, "POST", "/graphql"),
    NotYet(NotFoundError, SHORT_WAITS, "GET", "/(git/commits|compare)/.*"),
)


def waits(error: GitHubError, method: str, path: str, *, fresh: bool) -> tuple[float, ...]:
    """Seconds to wait before each further attempt; empty if the refusal is final.

    `fresh`: the request's token is younger than FRESH_SECONDS.
    """
    return next((row.waits for row in TABLE if row.matches(error, method, path, fresh=fresh)), ())
