"""Patience with a GitHub that is away: within reason, and only where waiting may help."""

from __future__ import annotations

import pytest

from bot.engine.retry import WAITS, retry_github
from bot.github.errors import (
    ConflictError,
    ForbiddenError,
    GitHubError,
    LimitedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnprocessableError,
)


class Work:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.done: list[str] = []

    async def __call__(self) -> str:
        self.done.append("work")
        if self.errors:
            raise self.errors.pop(0)
        return "result"

    async def sleep(self, seconds: float) -> None:
        self.done.append(f"sleep {seconds:g}")


PASSING = [UnavailableError(502, "x"), LimitedError(403, "x", 60), UnauthorizedError(401, "x")]
FINAL = [ForbiddenError, NotFoundError, ConflictError, UnprocessableError, GitHubError]


async def test_work_that_succeeds_waits_for_nothing() -> None:
    work = Work()
    assert (await retry_github(work.sleep, work), work.done) == ("result", ["work"])


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_what_passes_is_waited_out(error: GitHubError) -> None:
    work = Work(error, error)
    assert await retry_github(work.sleep, work) == "result"
    assert work.done == ["work", f"sleep {WAITS[0]:g}", "work", f"sleep {WAITS[1]:g}", "work"]


@pytest.mark.parametrize("kind", FINAL)
async def test_what_is_githubs_answer_is_raised_at_once(kind: type[GitHubError]) -> None:
    work = Work(kind(400, "no"))
    with pytest.raises(kind):
        await retry_github(work.sleep, work)
    assert work.done == ["work"]


async def test_waits_grow_and_end() -> None:
    work = Work(*[PASSING[0]] * 10)
    with pytest.raises(UnavailableError):
        await retry_github(work.sleep, work)
    assert [each for each in work.done if each != "work"] == [f"sleep {wait:g}" for wait in sorted(WAITS)]
    assert work.done.count("work") == len(WAITS) + 1
    assert sum(WAITS) < 30 * 60
