"""Replication lag: some new commits, branches and tokens are not known yet to the first request that needs them.

GitHub answers such a request as if they did not exist: https://github.com/octokit/octokit.rb/issues/622 (commits and
branches), https://github.com/octokit/auth-app.js/issues/65 (tokens). It is counted and not timed, so that a slow
machine sees as much of it as a fast one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum


class Made(StrEnum):
    COMMIT = "commit"
    BRANCH = "branch"
    TOKEN = "token"


class Lag:
    """Safe to use from several threads."""

    def __init__(self, every: Callable[[], int]) -> None:
        """`every`: one in how many lags; 0: none."""
        self._every = every
        self._lock = threading.Lock()
        self._made: Counter[Made] = Counter()
        self._unknown: set[tuple[Made, str]] = set()

    def add(self, kind: Made, name: str) -> None:
        """Count one more that was made. The first of each kind does not lag."""
        with self._lock:
            every = self._every()
            self._made[kind] += 1
            if every and self._made[kind] % every == 0:
                self._unknown.add((kind, name))

    def hides(self, kind: Made, name: str) -> bool:
        """Whether this request does not find it. The next one will."""
        with self._lock:
            if (kind, name) not in self._unknown:
                return False
            self._unknown.discard((kind, name))
            return True
