"""Sandboxes at E2B, and the commands and files in them. No type or exception of E2B's SDK leaves this module."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from e2b import (
    E2B,
    AsyncSandbox,
    AuthenticationException,
    CommandExitException,
    InvalidArgumentException,
    RateLimitException,
    SandboxException,
    SandboxQuery,
    TemplateException,
    TimeoutException,
)
from e2b.exceptions import (
    FileNotFoundException,
    SandboxNotFoundException,
    SandboxNotRunningException,
    ServiceBusyException,
)

from bot.sandbox.answer import Answer, CommandResult
from bot.sandbox.errors import (
    CommandTimeoutError,
    MissingFileError,
    OutputError,
    SandboxBusyError,
    SandboxError,
    SandboxGoneError,
    SandboxRefusedError,
    SandboxUnavailableError,
)

T = TypeVar("T")

# Seconds before each further attempt when E2B fails. The long ones are for a free sandbox.
WAITS = (0.5, 2.0, 8.0, 20.0, 40.0)
REQUEST_SECONDS = 60.0
# Bytes of a file that are kept in one object.
PIECE = 4_000_000
# The SDK's words for a command's own deadline, whether envd or the SDK itself notices it (on Python 3.12 and newer it
# is the SDK, which begins with "Request timed out"). Its other timeouts are outages: a stream that did not open, and
# one that a proxy cancelled. https://github.com/e2b-dev/E2B/blob/main/packages/python-sdk/e2b/envd/rpc.py
_OVERRAN = "exceeding 'timeout'"
# After so many answers 409 to one idempotency key, a sandbox is created with another: E2B answers so while it works on
# the first request, but also where it no longer knows what became of it.
CONFLICTS = 2
# How long a stream may take to end after the command has.
STREAM_END_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """A running sandbox in E2B's list. `started_at` is in epoch seconds, by E2B's clock."""

    id: str
    run: str  # "" if its metadata has none
    started_at: float


class Sandbox:
    """One sandbox. Each operation must be safe to repeat: it is retried when E2B fails."""

    def __init__(self, sandbox: AsyncSandbox, retry: RetryPolicy) -> None:
        self._sandbox = sandbox
        self._retry = retry

    @property
    def id(self) -> str:
        return self._sandbox.sandbox_id

    async def run(self, command: str, *, env: Mapping[str, str] | None = None, seconds: float = 60) -> CommandResult:
        """Run a shell command; it must be safe to run twice. Only this command gets `env`: secrets go there.

        Raises:
            CommandTimeoutError: it ran for longer than `seconds`.
            SandboxError: the subclass says what happened.
        """

        async def attempt() -> CommandResult:
            answer = Answer()
            # In a task of its own: the SDK's deadline cancels the task that opened the stream.
            streaming = asyncio.create_task(self._stream(answer, command, env or {}, seconds))
            try:
                await _ended(streaming, answer)
            finally:
                streaming.cancel()  # the command is not killed
                await asyncio.wait((streaming,))
            if not answer.complete.is_set():
                streaming.result()
            return answer.result()

        return await self._retry(attempt)

    async def _stream(self, answer: Answer, command: str, env: Mapping[str, str], seconds: float) -> None:
        """Run the command until envd says that it has ended: when nobody holds its output any more."""
        with contextlib.suppress(CommandExitException):  # the answer has the command's own exit code
            await self._sandbox.commands.run(
                answer.wrap(command),
                envs=dict(env),
                timeout=seconds,
                # Shorter than the command's own time: a stream that does not open is an outage, no overrun.
                request_timeout=min(REQUEST_SECONDS, seconds / 2),
                on_stdout=answer.feed,
                on_stderr=answer.ignore,
                retain_output=False,
            )

    async def write(self, path: str, content: bytes) -> None:
        """Write a file. `path` is absolute, or relative to the home folder. Raises: SandboxError."""

        async def attempt() -> None:
            await self._sandbox.files.write(path, content, request_timeout=REQUEST_SECONDS)

        await self._retry(attempt)

    async def read(self, path: str, *, max_bytes: int) -> tuple[bytes, ...] | None:
        """A file's content in pieces of some megabytes; None if it is longer than `max_bytes`.

        Raises: SandboxError, such as MissingFileError.
        """

        async def attempt() -> tuple[bytes, ...] | None:
            stream = await self._sandbox.files.read(path, format="stream", request_timeout=REQUEST_SECONDS)
            pieces: list[bytes] = []
            piece = bytearray()  # the sandbox may send its file a byte at a time, and each would be an object
            size = 0
            async for part in stream:
                piece += part
                size += len(part)
                if size > max_bytes:
                    return None
                if len(piece) >= PIECE:
                    pieces.append(bytes(piece))
                    piece.clear()
            return (*pieces, bytes(piece))

        return await self._retry(attempt)


async def _ended(streaming: asyncio.Task[None], answer: Answer) -> None:
    """Wait until the answer is complete or the stream has ended. The agent may have left a process in a profile file
    that holds every stream open."""
    complete = asyncio.create_task(answer.complete.wait())
    try:
        await asyncio.wait((streaming, complete), return_when=asyncio.FIRST_COMPLETED)
        if complete.done():
            # Where nobody holds it, the stream ends now, and its connection can be used again.
            await asyncio.wait((streaming,), timeout=STREAM_END_SECONDS)
    finally:
        complete.cancel()


class Sandboxes:
    """Creates, opens, lists and kills sandboxes. One per process."""

    def __init__(
        self,
        api_key: str,
        *,
        instance: str,
        api_url: str | None = None,
        sandbox_url: str | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ensure_lock_held: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`ensure_lock_held` is called before each attempt.

        `instance` marks our sandboxes, so that two ampbots with one E2B account do not kill each other's.
        """
        addresses: dict[str, Any] = {
            name: url for name, url in (("api_url", api_url), ("sandbox_url", sandbox_url)) if url
        }
        self._client = E2B(api_key=api_key, **addresses)
        self._own = {"app": "ampbot", "instance": instance}
        self._retry = RetryPolicy(sleep, ensure_lock_held)
        self._open: dict[str, Sandbox] = {}

    async def create(self, run: str, template: str, *, seconds: float, repository: int, again: bool = False) -> Sandbox:
        """Create this run's sandbox, with a timeout in seconds. `again`: an earlier call may have created it.

        Not every version of E2B's API knows an idempotency key, and with one the outcome of an earlier request may stay
        unknown. So whenever there may be a sandbox, it is looked for first.

        Raises: SandboxError.
        """
        may_exist, conflicts = again, 0

        async def attempt() -> AsyncSandbox:
            nonlocal may_exist, conflicts
            if may_exist and (found := await self._list(run=run)):
                return await self._client.AsyncSandbox.connect(found[0].id, request_timeout=REQUEST_SECONDS)
            may_exist = True
            try:
                return await self._client.AsyncSandbox.create(
                    template=template,
                    timeout=int(seconds),
                    metadata=self._own | {"run": run, "repository": str(repository)},
                    lifecycle={"on_timeout": "kill"},  # E2B may change its default
                    idempotency_key=run if conflicts < CONFLICTS else f"{run}-{conflicts}",
                    request_timeout=REQUEST_SECONDS,
                    retries=0,  # the SDK would not look first
                )
            except SandboxException as error:
                conflicts += error.status_code == HTTPStatus.CONFLICT
                raise

        sandbox = Sandbox(await self._retry(attempt), self._retry)
        self._open[sandbox.id] = sandbox
        return sandbox

    async def open(self, sandbox: str) -> Sandbox:
        """Connect to a running sandbox. Raises: SandboxGoneError and other kinds of SandboxError."""
        if sandbox not in self._open:

            async def attempt() -> AsyncSandbox:
                return await self._client.AsyncSandbox.connect(sandbox, request_timeout=REQUEST_SECONDS)

            self._open[sandbox] = Sandbox(await self._retry(attempt), self._retry)
        return self._open[sandbox]

    async def kill(self, sandbox: str) -> None:
        """Kill a sandbox; it may be gone already. Raises: SandboxError."""

        async def attempt() -> None:
            await self._client.AsyncSandbox.kill(sandbox, request_timeout=REQUEST_SECONDS)

        self._open.pop(sandbox, None)
        await self._retry(attempt)

    async def list_own(self, *, run: str | None = None) -> tuple[SandboxInfo, ...]:
        """The running sandboxes of this instance, or of one run. Raises: SandboxError."""
        return await self._retry(lambda: self._list(run=run))

    async def _list(self, *, run: str | None) -> tuple[SandboxInfo, ...]:
        query = SandboxQuery(metadata=self._own if run is None else self._own | {"run": run})
        pages = self._client.AsyncSandbox.list(query=query, limit=100)
        sandboxes: list[SandboxInfo] = []
        while pages.has_next:
            for item in await pages.next_items():
                name = (item.metadata or {}).get("run", "")
                sandboxes.append(SandboxInfo(item.sandbox_id, name, item.started_at.timestamp()))
        return tuple(sandboxes)


class RetryPolicy:
    """Retries an operation, and translates the SDK's exceptions into ours."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[None]], ensure_lock_held: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._sleep = sleep
        self._ensure_lock_held = ensure_lock_held

    async def __call__(self, attempt: Callable[[], Awaitable[T]]) -> T:
        for wait in (*WAITS, None):
            if self._ensure_lock_held is not None:
                await self._ensure_lock_held()
            try:
                return await attempt()
            except OutputError:
                raise
            except (SandboxNotRunningException, SandboxNotFoundException) as error:
                raise SandboxGoneError(str(error).split(":", 1)[0]) from None
            except (AuthenticationException, InvalidArgumentException, TemplateException) as error:
                raise SandboxRefusedError(str(error)) from None
            except (RateLimitException, ServiceBusyException) as error:
                last_error: SandboxError = SandboxBusyError(str(error))
            except FileNotFoundException as error:
                raise MissingFileError(str(error)) from None
            except TimeoutException as error:
                if type(error) is TimeoutException and _OVERRAN in str(error):
                    raise CommandTimeoutError(str(error)) from None
                last_error = SandboxUnavailableError(str(error))
            except SandboxException as error:
                # 409: E2B is still working on the attempt before, which timed out for us.
                if (
                    error.status_code is not None
                    and 400 <= error.status_code < 500
                    and error.status_code != HTTPStatus.CONFLICT
                ):
                    raise SandboxRefusedError(str(error)) from None
                last_error = SandboxUnavailableError(str(error))
            except (httpx.TransportError, json.JSONDecodeError) as error:
                # No connection, or a proxy's plain-text answer that the SDK cannot parse as JSON.
                last_error = SandboxUnavailableError(f"E2B could not be reached ({type(error).__name__})")
            except Exception as error:
                # The SDK raises a bare Exception when a stream ends without its end event.
                if type(error) is not Exception:
                    raise
                last_error = SandboxUnavailableError(str(error))
            if wait is None:
                raise last_error
            await self._sleep(wait)
        raise AssertionError("unreachable")
