"""Finds the handler of a path; checks authentication, rate limits and permissions."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from bot.rig.github.auth import Identity, identify, refuse_while_lagging
from bot.rig.github.effects.issues import refuse_archived
from bot.rig.github.limits import Cost
from bot.rig.github.records import Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import Answer, Call
from bot.rig.github.state import State

Handler = Callable[[Call], Answer]

# Parameters that may contain slashes.
_LONG = ("ref", "path", "basehead", "branch")
_WRITES = ("POST", "PATCH", "PUT", "DELETE")
# POSTs that create no content.
_NO_CONTENT = re.compile(r"/access_tokens|/attempts")


@dataclass(frozen=True, slots=True)
class Route:
    """`needs` is who may come: `app`, `installation`, `anyone`, `login`, or a permission such as
    `contents:write`. `conversation` means issues or pull_requests, depending on the number."""

    method: str
    template: str
    needs: str
    handler: Handler
    pattern: re.Pattern[str]


@dataclass(slots=True)
class Routes:
    """The routes of one area, in order of matching."""

    routes: list[Route] = field(default_factory=list)

    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)

    def get(self, template: str, needs: str) -> Callable[[Handler], Handler]:
        return self._add("GET", template, needs)

    def post(self, template: str, needs: str) -> Callable[[Handler], Handler]:
        return self._add("POST", template, needs)

    def patch(self, template: str, needs: str) -> Callable[[Handler], Handler]:
        return self._add("PATCH", template, needs)

    def put(self, template: str, needs: str) -> Callable[[Handler], Handler]:
        return self._add("PUT", template, needs)

    def delete(self, template: str, needs: str) -> Callable[[Handler], Handler]:
        return self._add("DELETE", template, needs)

    def _add(self, method: str, template: str, needs: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, template, needs, handler, _pattern(template)))
            return handler

        return register


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str  # below /api/v3, still percent-encoded
    query: str
    headers: Mapping[str, str]
    body: bytes


class Router:
    def __init__(self, state: State, routes: list[Route]) -> None:
        self._state = state
        self.routes = routes

    def answer(self, request: Request) -> Answer:
        """Answer a request. A Refusal becomes an error answer."""
        bucket, cost = "127.0.0.1", _cost(request)
        try:
            if not request.headers.get("user-agent"):
                raise Refusal(
                    403,
                    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
                )
            identity = identify(self._state, request.headers.get("authorization"))
            bucket = identity.bucket
            refuse_while_lagging(self._state, identity)
            with self._state.meter.request(bucket):
                if request.path != "/rate_limit":  # requests for the rate limit are free
                    self._state.meter.charge(bucket, cost)
                answer = self._serve(request, identity)
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.body(), refusal.headers)
        answer = self._conditional(request, answer, bucket, cost)
        return self._with_headers(answer, bucket)

    def _serve(self, request: Request, identity: Identity) -> Answer:
        path = self._by_name(request.path, identity)
        route, params = self._match(request.method, path)
        body = _parse(request)
        with self._state.lock:
            repo = None
            if "owner" in params and "repo" in params:
                repo = self._repository(request, params, identity)
            call = Call(
                state=self._state,
                identity=identity,
                path=path,
                params=params,
                query=dict(parse_qsl(request.query, keep_blank_values=True)),
                body=body,
                accept=request.headers.get("accept", ""),
                found=repo,
            )
            accepted = {"x-accepted-github-permissions": _shown(route.needs)} if ":" in route.needs else {}
            try:
                self._admit(route, call)
                answer = route.handler(call)
            except Refusal as refusal:
                refusal.headers.update(accepted)
                raise
        return replace(answer, headers={**accepted, **answer.headers})

    def _match(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in self.routes:
            match = route.pattern.fullmatch(path) if route.method == method else None
            if match is not None:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        raise Refusal.not_found()

    def _by_name(self, path: str, identity: Identity) -> str:
        """`/repositories/ID/…` is `/repos/OWNER/NAME/…`."""
        match = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
        if match is None:
            return path
        with self._state.lock:
            repo = self._state.repositories.get(int(match[1]))
            if repo is None or not identity.sees(repo):
                raise Refusal.not_found()
            return f"/repos/{repo.full_name}{match[2] or ''}"

    def _repository(self, request: Request, params: Mapping[str, str], identity: Identity) -> Repository:
        name = f"{params['owner']}/{params['repo']}"
        repo = self._state.repository(name)
        # A JWT reaches the whole installation, not only a token's repositories.
        seen = repo is not None and (identity.app is not None or identity.sees(repo))
        if repo is None or not seen:
            raise Refusal.not_found()
        if repo.full_name.lower() != name.lower():
            rest = request.path.split("/", 4)[4:]
            location = "/".join([f"{self._state.url}/api/v3/repositories/{repo.id}", *rest])
            location += f"?{request.query}" if request.query else ""
            raise _Moved(location, 301 if request.method in ("GET", "HEAD") else 307)
        return repo

    def _admit(self, route: Route, call: Call) -> None:
        """Raises Refusal if the caller may not use this route."""
        identity = call.identity
        if route.needs == "app":
            if identity.app is None:
                raise Refusal(401, "A JSON web token could not be decoded")
            return
        if identity.app is not None and route.needs != "anyone":
            raise Refusal.forbidden()
        if route.needs == "installation" and identity.installation is None:
            raise Refusal(401 if identity.token is None else 403, "Requires authentication")
        if ":" not in route.needs:
            return
        permission, level = route.needs.split(":")
        if level == "write" and identity.token is None:
            raise Refusal(401, "Requires authentication")
        if permission == "conversation":
            permission = "pull_requests" if _about_pull(call) else "issues"
        if not identity.allows(call.repo, permission, level):
            raise Refusal.forbidden() if identity.installation else Refusal.not_found()
        if "/git/" in route.template and not call.repo.bare.refs("refs/heads"):
            raise Refusal(409, "Git Repository is empty.")
        if level == "write":
            refuse_archived(call.repo)

    def _conditional(self, request: Request, answer: Answer, bucket: str, cost: Cost) -> Answer:
        """Conditional requests: 304 if the client has the current version, and it is not counted."""
        if request.method != "GET" or answer.status != 200 or answer.text is not None:
            return answer
        etag = f'W/"{hashlib.sha256(json.dumps(answer.body, sort_keys=True).encode()).hexdigest()}"'
        headers = {**answer.headers, "etag": etag, "cache-control": "private, max-age=60, s-maxage=60"}
        if etag not in request.headers.get("if-none-match", ""):
            return Answer(200, answer.body, headers)
        self._state.meter.refund(bucket, cost)
        return Answer(304, None, headers)

    def _with_headers(self, answer: Answer, bucket: str) -> Answer:
        headers = {
            "x-github-media-type": "github.v3; format=json",
            "x-github-enterprise-version": "3.19.0",
            "x-github-api-version-selected": "2022-11-28",
            "x-github-request-id": secrets.token_hex(8).upper(),
            **self._state.meter.headers(bucket, "core"),
            **answer.headers,
        }
        return replace(answer, headers=headers)


class _Moved(Refusal):
    def __init__(self, location: str, status: int) -> None:
        message = "Moved Permanently" if status == 301 else "Temporary Redirect"
        super().__init__(status, message, headers={"location": location})
        self.location = location

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "url": self.location, "documentation_url": self.docs}


def _pattern(template: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        if name in _LONG:  # the path of the root folder is empty
            return f"(?P<{name}>.{'*' if name == 'path' else '+'}?)"
        return f"(?P<{name}>{r'[0-9]+' if name.endswith(('_id', '_number')) else '[^/]+'})"

    return re.compile(re.sub(r"\{(\w+)\}", group, template))


def _cost(request: Request) -> Cost:
    writes = request.method in _WRITES
    content = request.method == "POST" and not _NO_CONTENT.search(request.path)
    return Cost("core", 5 if writes else 1, content, request.method in ("PATCH", "PUT"))


def _parse(request: Request) -> Any:
    if not request.body.strip() or request.method == "GET":
        return None
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal(400, "Problems parsing JSON") from None


def _about_pull(call: Call) -> bool:
    """Whether the number in the path is a pull request."""
    number = call.params.get("issue_number")
    if number is not None:
        issue = call.repo.issues.get(int(number))
        return issue is not None and issue.pull is not None
    comment = int(call.params.get("comment_id", 0))
    return any(comment in issue.comments and issue.pull is not None for issue in call.repo.issues.values())


def _shown(needs: str) -> str:
    permission, level = needs.split(":")
    names = ("issues", "pull_requests") if permission == "conversation" else (permission,)
    return "; ".join(f"{name}={level}" for name in names)


def encode(answer: Answer) -> bytes:
    """The bytes of an answer's body."""
    if isinstance(answer.text, bytes):
        return answer.text
    if answer.text is not None:
        return answer.text.encode("utf-8", "replace")
    if answer.status in (204, 304):
        return b""
    return json.dumps(answer.body, ensure_ascii=False).encode("utf-8", "replace")  # names may not be UTF-8
