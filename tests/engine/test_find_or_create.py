"""Effects that GitHub would do twice: whatever goes wrong in between, they are found or made, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.context import Context
from bot.engine.find_or_create import MAX_ATTEMPTS, find_or_create
from bot.github.errors import ForbiddenError, GitHubError, LimitedError, UnavailableError
from bot.settings import Settings
from bot.store import idempotency

AWAY = UnavailableError(502, "Bad Gateway")


class Outside:
    """GitHub with a comment or none. `answers` are what each attempt to create comes to; `lag` hides it from lists."""

    def __init__(self, *answers: GitHubError | str, done: bool = False) -> None:
        self.said: list[str] = []
        self.there = done
        self._answers: Iterator[GitHubError | str] = iter(answers)

    async def sleep(self, seconds: float) -> None:
        self.said.append(f"sleep {seconds:g}")

    async def find(self) -> str | None:
        self.said.append("find")
        return "found" if self.there else None

    async def create(self) -> str:
        self.said.append("create")
        answer = next(self._answers)
        if isinstance(answer, GitHubError):
            raise answer
        return answer

    async def ask(self, context: Context, key: str = "key") -> str:
        return await find_or_create(replace(context, sleep=self.sleep), key, find=self.find, create=self.create)


async def known(context: Context, key: str = "key") -> object:
    return await context.database.write(idempotency.reserve, key)


WAIT = f"sleep {Settings.model_fields['list_lag_seconds'].default:g}"


async def test_the_first_attempt_looks_nowhere(context: Context) -> None:
    outside = Outside("made")
    assert await outside.ask(context) == "made"
    assert outside.said == ["create"]
    assert await known(context) == idempotency.Completed("made")


async def test_what_is_done_is_remembered(context: Context) -> None:
    await Outside("made").ask(context)
    again = Outside()
    assert (await again.ask(context), again.said) == ("made", [])


async def test_each_key_is_an_effect_of_its_own(context: Context) -> None:
    assert [await Outside(name).ask(context, name) for name in ("a", "b", "a")] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("done", "answers", "result", "said"),
    [
        pytest.param(True, (AWAY,), "found", ["create", WAIT, "find"], id="done, but not answered"),
        pytest.param(False, (AWAY, "made"), "made", ["create", WAIT, "find", "create"], id="neither"),
        pytest.param(
            False, (AWAY, AWAY, "made"), "made", ["create", WAIT, "find", "create", WAIT, "find", "create"], id="twice"
        ),
    ],
)
async def test_after_an_unknown_outcome_it_looks_before_it_tries_again(
    context: Context, done: bool, answers: tuple[GitHubError | str, ...], result: str, said: list[str]
) -> None:
    outside = Outside(*answers, done=done)
    assert (await outside.ask(context), outside.said) == (result, said)
    assert await known(context) == idempotency.Completed(result)


@pytest.mark.parametrize(("done", "result"), [(True, "found"), (False, "made")])
async def test_after_a_crash_it_waits_out_githubs_lag_and_looks_first(
    context: Context, done: bool, result: str
) -> None:
    assert await known(context) == idempotency.New()  # the intent of a process that then died
    outside = Outside("made", done=done)
    assert await outside.ask(context) == result
    assert outside.said == [WAIT, "find", *([] if done else ["create"])]


async def test_the_lag_is_waited_from_now_whatever_the_clock_says(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(context)
    monkeypatch.setattr("bot.store.database.time.time", lambda: 0.0)  # an hour back, or a day
    outside = Outside(done=True)
    assert (await outside.ask(context), outside.said) == ("found", [WAIT, "find"])


async def test_it_gives_up_and_the_next_one_goes_on_from_there(context: Context) -> None:
    outside = Outside(*[AWAY] * MAX_ATTEMPTS)
    with pytest.raises(UnavailableError):
        await outside.ask(context)
    assert outside.said == ["create", *[WAIT, "find", "create"] * (MAX_ATTEMPTS - 1)]
    later = Outside("made", done=True)
    assert (await later.ask(context), later.said) == ("found", [WAIT, "find"])


@pytest.mark.parametrize("error", [ForbiddenError(403, "no"), LimitedError(403, "later", 60)])
async def test_a_refusal_is_raised_at_once_and_may_be_tried_again(context: Context, error: GitHubError) -> None:
    refused = Outside(error)
    with pytest.raises(type(error)):
        await refused.ask(context)
    assert refused.said == ["create"]
    again = Outside("made")
    assert (await again.ask(context), again.said) == ("made", [WAIT, "find", "create"])


async def test_a_search_that_fails_creates_nothing(context: Context) -> None:
    await known(context)
    outside = Outside("made")

    async def find() -> str | None:
        raise AWAY

    with pytest.raises(UnavailableError):
        await find_or_create(replace(context, sleep=outside.sleep), "key", find=find, create=outside.create)
    assert outside.said == [WAIT]
    assert await known(context) == idempotency.InDoubt()


def test_the_second_look_is_later_than_github_lags() -> None:
    assert Settings.model_fields["list_lag_seconds"].default > 5  # seconds: the most by which the rig's lists lag
