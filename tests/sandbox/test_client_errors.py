"""Which of our errors each exception of E2B's SDK becomes, and which of them are retried first."""

from __future__ import annotations

import json

import e2b
import httpx
import pytest
from e2b import exceptions

from bot.sandbox.client import WAITS, RetryPolicy
from bot.sandbox.errors import (
    TRANSIENT,
    CommandTimeoutError,
    MissingFileError,
    OutputError,
    SandboxBusyError,
    SandboxError,
    SandboxGoneError,
    SandboxRefusedError,
    SandboxUnavailableError,
)


def with_status(status: int) -> e2b.SandboxException:
    error = e2b.SandboxException("x")
    error.status_code = status
    return error


CASES: list[tuple[Exception, type[SandboxError]]] = [
    (exceptions.SandboxNotFoundException("x"), SandboxGoneError),
    (exceptions.SandboxNotRunningException("x"), SandboxGoneError),
    (exceptions.FileNotFoundException("x"), MissingFileError),
    (exceptions.ServiceBusyException("x"), SandboxBusyError),
    (e2b.RateLimitException("x"), SandboxBusyError),  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    (e2b.AuthenticationException("x"), SandboxRefusedError),
    (e2b.InvalidArgumentException("x"), SandboxRefusedError),
    (e2b.TemplateException("x"), SandboxRefusedError),
    (with_status(400), SandboxRefusedError),
    (with_status(409), SandboxUnavailableError),
    (with_status(502), SandboxUnavailableError),
    (e2b.TimeoutException("the deadline was exceeded"), CommandTimeoutError),
    (e2b.TimeoutException("Request timed out"), SandboxUnavailableError),
    (httpx.ConnectError("x"), SandboxUnavailableError),
    (json.JSONDecodeError("x", "<html>", 0), SandboxUnavailableError),
    (Exception("the stream ended"), SandboxUnavailableError),
    (OutputError("x"), OutputError),
]


@pytest.mark.parametrize(("raised", "expected"), CASES, ids=lambda case: getattr(case, "__name__", repr(case)))
async def test_an_error_of_the_sdk_becomes_ours(raised: Exception, expected: type[SandboxError]) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def attempt() -> None:
        raise raised

    with pytest.raises(SandboxError) as caught:
        await RetryPolicy(sleep)(attempt)
    assert type(caught.value) is expected
    assert slept == (list(WAITS) if expected in TRANSIENT else [])


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    async def sleep(seconds: float) -> None:
        raise AssertionError(seconds)

    async def attempt() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await RetryPolicy(sleep)(attempt)
