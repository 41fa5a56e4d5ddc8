"""Which of our errors each exception of E2B's SDK becomes, and which of them are retried first."""

from __future__ import annotations

import json

import e2b
import httpx
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from e2b import exceptions
from e2b.envd.rpc import handle_rpc_exception

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


def of_rpc(code: Code, said: str) -> Exception:
    """What the SDK makes of an error of envd's, in its own words."""
    error: Exception = handle_rpc_exception(ConnectError(code, said))
    return error


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
    (of_rpc(Code.DEADLINE_EXCEEDED, "context deadline exceeded"), CommandTimeoutError),  # envd's clock
    (of_rpc(Code.DEADLINE_EXCEEDED, "Request timed out"), CommandTimeoutError),  # the SDK's, on Python 3.12 and newer
    (of_rpc(Code.CANCELED, "the stream was reset"), SandboxUnavailableError),
    (exceptions.format_request_timeout_error(), SandboxUnavailableError),
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
