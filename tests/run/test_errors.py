"""Every error of GitHub and E2B has one meaning for a run, and no other error is taken for one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.context import Context
from bot.github.errors import ForbiddenError, GitHubError, LimitedError, NotFoundError
from bot.run import workflow
from bot.run.errors import MEANINGS, StageError, meaning_of
from bot.sandbox.errors import CommandTimeoutError, SandboxError
from bot.store import runs
from bot.store.runs import Run
from bot.text import messages, refusal_messages, sandbox_messages
from tests.factory import run_request

VendorError = GitHubError | SandboxError

AT_WORK = StageError("the vendor's words", "amp:1", preparing=False)
PREPARING = StageError("the vendor's words", "amp:1", preparing=True)

REFUSED = ("github refused", refusal_messages.github_refused("the vendor's words", preparing=False, kept=False))
GITHUB_DOWN = ("github trouble", messages.github_down())
E2B_DOWN = ("sandbox trouble", sandbox_messages.lost_touch())
GARBLED = ("sandbox garbled", sandbox_messages.garbled())

EXPECTED = {
    "GitHubError": GITHUB_DOWN,
    "UnauthorizedError": REFUSED,
    "ForbiddenError": REFUSED,
    "NotFoundError": ("github shows nothing", refusal_messages.not_found("the vendor's words", preparing=False)),
    "ConflictError": REFUSED,
    "UnprocessableError": REFUSED,
    "UnavailableError": GITHUB_DOWN,
    "LimitedError": GITHUB_DOWN,
    "SandboxError": E2B_DOWN,
    "SandboxUnavailableError": E2B_DOWN,
    "SandboxBusyError": E2B_DOWN,
    "SandboxGoneError": ("sandbox gone", sandbox_messages.gone()),
    "SandboxRefusedError": ("sandbox refused", sandbox_messages.refused("amp:1", "the vendor's words")),
    "CommandTimeoutError": ("command overran", sandbox_messages.overran(preparing=False)),
    "OutputError": GARBLED,
    "MissingFileError": GARBLED,
}


def family(error: type[VendorError]) -> set[type[VendorError]]:
    return {error}.union(*(family(child) for child in error.__subclasses__()))


VENDORS = sorted(family(GitHubError) | family(SandboxError), key=lambda error: error.__name__)


def made(error: type[VendorError]) -> VendorError:
    if issubclass(error, GitHubError):
        return error(403, "x", 60.0) if issubclass(error, LimitedError) else error(403, "x")
    return error("x")


@pytest.mark.parametrize("error", VENDORS, ids=lambda error: error.__name__)
def test_each_error_of_a_vendor_has_its_meaning(error: type[VendorError]) -> None:
    assert error in MEANINGS
    meaning = meaning_of(made(error))
    assert (meaning.event, meaning.ending(AT_WORK)) == EXPECTED[error.__name__]


def test_the_table_has_no_other_rows() -> None:
    assert set(MEANINGS) == set(VENDORS)


def test_a_subclass_without_a_row_means_what_its_nearest_ancestor_means() -> None:
    hidden = type("HiddenError", (NotFoundError,), {})(404, "x")
    assert meaning_of(hidden) is MEANINGS[NotFoundError]


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError("git"), RuntimeError("x")])
async def test_any_other_error_is_a_bug(context: Context, error: Exception) -> None:
    async def stage(_context: Context, _run: Run) -> None:
        raise error

    await context.database.write(runs.add, run_request())
    assert await workflow.attempt(context, run_request().id, stage) is True
    row = await context.database.read(runs.get, run_request().id)
    assert row.ending == messages.internal_error(run_request().id)


def test_a_change_set_is_said_to_be_kept_where_there_is_one() -> None:
    said = MEANINGS[ForbiddenError].ending(replace(AT_WORK, kept=True)).message
    assert "The change set is kept with the run." in said
    assert "change set" not in MEANINGS[ForbiddenError].ending(AT_WORK).message


def test_before_amp_starts_there_is_only_no_sandbox() -> None:
    assert MEANINGS[SandboxError].ending(PREPARING) == sandbox_messages.trouble()
    assert MEANINGS[CommandTimeoutError].ending(PREPARING) == sandbox_messages.overran(preparing=True)
