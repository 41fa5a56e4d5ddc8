"""E2B's room: sandboxes by id, commands and files in them. No vendor type or exception leaves it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
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

# The one policy for E2B's trouble: seconds to wait before each further attempt. A sandbox slot takes longest to free.
WAITS = (0.5, 2.0, 8.0, 20.0, 40.0)
REQUEST_SECONDS = 60.0
# Characters of one command's output; the largest that our scripts print is a piece of the agent's output in base64.
MAX_OUTPUT = 2_000_000


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ended."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """A sandbox that lives, as E2B lists it. `started_at` is in epoch seconds, by E2B's clock."""

    id: str
    run: str  # "" where it carries none
    started_at: float


class _Bounded:
    """What a command says, up to a limit: the agent can make any shell of its sandbox say anything."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0

    def take(self, part: str) -> None:
        self._size += len(part)
        if self._size > MAX_OUTPUT:
            raise OutputError(f"a command in the sandbox said more than {MAX_OUTPUT:,} characters")
        self._parts.append(part)

    def behind(self, mark: str) -> str:
        _, found, rest = "".join(self._parts).partition(f"{mark}\n")
        if not found:
            raise OutputError("the sandbox's shell did not run the command")
        return rest


class Sandbox:
    """One sandbox. Every operation may be repeated, and is, under the policy."""

    def __init__(self, sandbox: AsyncSandbox, patiently: RetryPolicy) -> None:
        self._sandbox = sandbox
        self._patiently = patiently

    @property
    def id(self) -> str:
        return self._sandbox.sandbox_id

    async def run(self, command: str, *, env: Mapping[str, str] | None = None, seconds: float = 60) -> CommandResult:
        """Run a shell line that is safe to run twice. `env` is this command's alone: never argv, never a file.

        Raises:
            CommandTimeoutError: it ran for longer than `seconds`.
            SandboxError: one of its kinds.
        """

        async def once() -> CommandResult:
            # A login shell runs the profile first, which the agent may have written: what it says is not the command's.
            mark = f"ampbot-{secrets.token_hex(8)}"
            said, complaints = _Bounded(), _Bounded()
            try:
                result = await self._sandbox.commands.run(
                    f"echo {mark}; echo {mark} >&2\n{command}",
                    envs=dict(env or {}),
                    timeout=seconds,
                    request_timeout=REQUEST_SECONDS,
                    on_stdout=said.take,
                    on_stderr=complaints.take,
                    retain_output=False,
                )
                exit_code = result.exit_code
            except CommandExitException as error:
                exit_code = error.exit_code
            return CommandResult(exit_code, said.behind(mark), complaints.behind(mark))

        return await self._patiently(once)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file; `path` is absolute or relative to the home folder."""

        async def once() -> None:
            await self._sandbox.files.write(path, content, request_timeout=REQUEST_SECONDS)

        await self._patiently(once)

    async def read(self, path: str, *, most: int) -> bytes | None:
        """A file's content, None if it is longer than `most` bytes. Raises: SandboxError; FileNotFoundError."""

        async def once() -> bytes | None:
            stream = await self._sandbox.files.read(path, format="stream", request_timeout=REQUEST_SECONDS)
            parts, size = [], 0
            async for part in stream:
                parts.append(part)
                size += len(part)
                if size > most:
                    return None
            return b"".join(parts)

        return await self._patiently(once)


class Sandboxes:
    """The way to E2B. One per process."""

    def __init__(
        self,
        api_key: str,
        *,
        instance: str,
        api_url: str | None = None,
        sandbox_url: str | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        confirm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`confirm` is asked before each operation.

        `instance` marks our sandboxes, so that two ampbots on one E2B account do not reap each other's.
        """
        addresses: dict[str, Any] = {
            name: url for name, url in (("api_url", api_url), ("sandbox_url", sandbox_url)) if url
        }
        self._client = E2B(api_key=api_key, **addresses)
        self._instance = instance
        self._patiently = RetryPolicy(sleep, confirm)
        self._open: dict[str, Sandbox] = {}

    async def create(self, run: str, template: str, *, seconds: float, repository: int) -> Sandbox:
        """This run's sandbox; asked twice, E2B answers with the same one (idempotency key). It lives `seconds`."""

        async def once() -> AsyncSandbox:
            return await self._client.AsyncSandbox.create(
                template=template,
                timeout=int(seconds),
                metadata={"app": "ampbot", "instance": self._instance, "run": run, "repository": str(repository)},
                lifecycle={"on_timeout": "kill"},  # E2B may change what happens when it is not said
                idempotency_key=run,
                request_timeout=REQUEST_SECONDS,
            )

        sandbox = Sandbox(await self._patiently(once), self._patiently)
        self._open[sandbox.id] = sandbox
        return sandbox

    async def open(self, sandbox: str) -> Sandbox:
        """Connect to a running sandbox. Raises: SandboxGoneError and others of SandboxError."""
        if sandbox not in self._open:

            async def once() -> AsyncSandbox:
                return await self._client.AsyncSandbox.connect(sandbox, request_timeout=REQUEST_SECONDS)

            self._open[sandbox] = Sandbox(await self._patiently(once), self._patiently)
        return self._open[sandbox]

    async def kill(self, sandbox: str) -> None:
        """End a sandbox; it may be gone already."""

        async def once() -> None:
            await self._client.AsyncSandbox.kill(sandbox, request_timeout=REQUEST_SECONDS)

        self._open.pop(sandbox, None)
        await self._patiently(once)

    async def list_own(self) -> tuple[SandboxInfo, ...]:
        """Live sandboxes of this instance."""

        async def once() -> tuple[SandboxInfo, ...]:
            query = SandboxQuery(metadata={"app": "ampbot", "instance": self._instance})
            pages = self._client.AsyncSandbox.list(query=query, limit=100)
            found: list[SandboxInfo] = []
            while pages.has_next:
                for item in await pages.next_items():
                    run = (item.metadata or {}).get("run", "")
                    found.append(SandboxInfo(item.sandbox_id, run, item.started_at.timestamp()))
            return tuple(found)

        return await self._patiently(once)


class RetryPolicy:
    """Runs an operation under the policy, and puts what E2B raises into our words."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[None]], confirm: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._sleep = sleep
        self._confirm = confirm

    async def __call__(self, once: Callable[[], Awaitable[T]]) -> T:
        for wait in (*WAITS, None):
            if self._confirm is not None:
                await self._confirm()
            try:
                return await once()
            except OutputError:
                raise
            except (SandboxNotRunningException, SandboxNotFoundException) as error:
                raise SandboxGoneError(str(error).split(":", 1)[0]) from None
            except (AuthenticationException, InvalidArgumentException, TemplateException) as error:
                raise SandboxRefusedError(str(error)) from None
            except (RateLimitException, ServiceBusyException) as error:
                trouble: SandboxError = SandboxBusyError(str(error))
            except FileNotFoundException as error:
                raise MissingFileError(str(error)) from None
            except TimeoutException as error:
                if type(error) is TimeoutException and "timed out" not in str(error).lower():
                    raise CommandTimeoutError(str(error)) from None
                trouble = SandboxUnavailableError(str(error))
            except SandboxException as error:
                # 409: the try before, which we gave up waiting for, is still being carried out.
                if error.status_code is not None and 400 <= error.status_code < 500 and error.status_code != 409:
                    raise SandboxRefusedError(str(error)) from None
                trouble = SandboxUnavailableError(str(error))
            except (httpx.TransportError, json.JSONDecodeError) as error:
                # A refused connection, or a gateway's plain-text page that the SDK takes for JSON.
                trouble = SandboxUnavailableError(f"E2B could not be reached ({type(error).__name__})")
            except Exception as error:
                # The SDK raises a bare Exception when a stream ends without its end event.
                if type(error) is not Exception:
                    raise
                trouble = SandboxUnavailableError(str(error))
            if wait is None:
                raise trouble
            await self._sleep(wait)
        raise AssertionError("unreachable")
