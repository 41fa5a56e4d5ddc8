"""git over HTTP: `git http-backend` behind the REST API's tokens."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from bot.rig.github import push_rules
from bot.rig.github.auth import NOBODY, Identity, identify, refuse_while_lagging
from bot.rig.github.effects.refs import ref_moved
from bot.rig.github.git import ENVIRONMENT, ZERO
from bot.rig.github.pktline import Command, Report, commands
from bot.rig.github.records import Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.state import State

_PIECE = 64 * 1024
_CHALLENGE = {"www-authenticate": 'Basic realm="GitHub"'}
_GITS_OWN = b"error: hook declined to update "
SERVICES = ("info/refs", "git-upload-pack", "git-receive-pack")


class Transport:
    """Serves `/OWNER/NAME[.git]/info/refs`, `/git-upload-pack` and `/git-receive-pack`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._hooks = state.root / "hooks"

    def prepare(self) -> None:
        push_rules.install(self._hooks)

    async def serve(self, request: Request) -> Response:
        service = request.path_params["service"]
        asked = request.query_params.get("service", "") if service == "info/refs" else service
        if asked not in ("git-upload-pack", "git-receive-pack"):
            return PlainTextResponse("Please upgrade your git client.", 403)  # the dumb protocol is not supported
        name = f"{request.path_params['owner']}/{request.path_params['name'].removesuffix('.git')}"
        push = asked == "git-receive-pack"
        try:
            repo, identity = await run_in_threadpool(self._admit, request, name, push=push)
        except Refusal as refusal:
            return PlainTextResponse(refusal.message, refusal.status, refusal.headers)
        if service == "info/refs" and repo.full_name.lower() != name.lower():
            return RedirectResponse(f"{self._state.url}/{repo.full_name}.git/info/refs?{request.url.query}", 301)
        try:
            if service == "git-receive-pack":
                return await self._receive(request, repo, identity)
            return await self._stream(request, repo, service)
        except ClientDisconnect:  # the client disconnected while sending
            return Response(status_code=400)

    def _admit(self, request: Request, name: str, *, push: bool) -> tuple[Repository, Identity]:
        with self._state.lock:
            identity = self._identity(request)
            repo = self._state.repository(name)
            if repo is None or not identity.sees(repo):
                if identity is NOBODY:
                    raise Refusal(401, "Repository not found.", headers=_CHALLENGE)
                raise Refusal(404, "Repository not found.")
            if push and identity is NOBODY:
                raise Refusal(401, "No anonymous write access.", headers=_CHALLENGE)
            if not identity.allows(repo, "contents", "write" if push else "read"):
                raise Refusal(403, "Write access to repository not granted.")
            if push and repo.archived:
                raise Refusal(403, "This repository was archived so it is read-only.")
            return repo, identity

    def _identity(self, request: Request) -> Identity:
        header = request.headers.get("authorization")
        if header is None:
            return NOBODY
        refusal = Refusal(401, "Invalid username or token.", headers=_CHALLENGE)
        if not header.lower().startswith("basic "):
            raise refusal
        try:
            identity = identify(self._state, header)
            refuse_while_lagging(self._state, identity)
        except Refusal as other:
            if other.status == 403:
                raise
            raise refusal from None
        if identity.token is None:
            raise refusal
        return identity

    async def _stream(self, request: Request, repo: Repository, service: str) -> Response:
        body = await request.body()
        return _Streamed(await self._start(request, repo, service, {}), body)

    async def _receive(self, request: Request, repo: Repository, identity: Identity) -> Response:
        """Receive a whole push, then apply the effects of the ref updates that git accepted."""
        body = await request.body()
        plain = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        asked = {command.ref: command for command in commands(plain)}
        with tempfile.TemporaryDirectory(prefix="rig-push-") as name:
            folder = Path(name)
            rules = push_rules.environment(
                self._hooks,
                folder,
                repo.rules,
                default_branch=repo.default_branch,
                workflows=identity.allows(repo, "workflows", "write"),
                max_bytes=self._state.settings.file_bytes,
            )
            process = await self._start(request, repo, "git-receive-pack", rules)
            output, _ = await process.communicate(body)
            head, _, answer = output.partition(b"\r\n\r\n")
            status, headers = _head(head)
            if asked and status == 200:
                report = Report.parse(answer)
                answer = _in_githubs_words(report, push_rules.reasons(folder)).encode()
                await run_in_threadpool(self._follow, repo, identity, asked, report)
        headers.pop("content-length", None)
        return Response(answer, status, headers)

    def _follow(self, repo: Repository, identity: Identity, asked: Mapping[str, Command], report: Report) -> None:
        with self._state.lock:
            for ref, reason in report.results.items():
                command = asked.get(ref)
                if reason is None and command is not None and command.old != command.new:
                    before = None if command.old == ZERO else command.old
                    after = None if command.new == ZERO else command.new
                    forced = bool(before and after and not repo.bare.is_ancestor(before, after))
                    ref_moved(self._state, repo, identity.actor, ref, before, after, forced=forced)

    async def _start(
        self, request: Request, repo: Repository, service: str, extra: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        environment = {
            **ENVIRONMENT,
            **extra,
            "GIT_PROJECT_ROOT": str(repo.bare.path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{repo.bare.path.name}/{service}",
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "REMOTE_USER": "rig",
            "REMOTE_ADDR": "127.0.0.1",
        }
        return await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,  # the process and its children have ended
        )


class _Streamed(Response):
    """The output of a git process in pieces. If the client disconnects, the process is killed."""

    def __init__(self, process: asyncio.subprocess.Process, body: bytes) -> None:
        super().__init__()
        self._process = process
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        process = self._process
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(process, self._body))
        leaving = asyncio.create_task(_end_when_left(receive, process))
        try:
            status, headers = _head(await process.stdout.readuntil(b"\r\n\r\n"))
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": raw})
            while piece := await process.stdout.read(_PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except asyncio.IncompleteReadError:  # it ended before it began to answer
            pass
        finally:
            leaving.cancel()
            _end(process)
            await feeding
            await process.wait()


async def _end_when_left(receive: Receive, process: asyncio.subprocess.Process) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _end(process)


def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and its children, if it still runs."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _feed(process: asyncio.subprocess.Process, body: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(body)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):  # git stopped reading
        pass


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a CGI answer."""
    lines = [line.split(": ", 1) for line in raw.decode("latin-1").strip().split("\r\n")]
    headers = {name.lower(): value for name, value in lines}
    status = int(headers.pop("status", "200 OK").split(" ")[0])
    return status, headers


def _in_githubs_words(report: Report, reasons: Mapping[str, str]) -> Report:
    results = {ref: reason if reason is None else reasons.get(ref, reason) for ref, reason in report.results.items()}
    kept = [line for line in report.messages.splitlines(keepends=True) if not line.startswith(_GITS_OWN)]
    return replace(report, results=results, messages=b"".join(kept))
