"""The JSON of the control API: requests and answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from bot.rig.e2b import network
from bot.rig.e2b.fleet import Refusal
from bot.rig.e2b.state import DEFAULT_TIMEOUT, ENVD_VERSION, CreateOptions, Sandbox

CPUS, MEMORY_MB, DISK_MB = 2, 512, 10_240  # as in E2B's base template
PAGE = 100  # most sandboxes on a page
_CLIENT = "6532622b"


async def read(request: Request) -> dict[str, Any]:
    """The JSON object of a request, {} if it has no body. Raises Refusal."""
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Refusal(400, f"Error when parsing request: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "Error when parsing request: an object is expected")
    return body


def integer(body: Mapping[str, Any], name: str) -> int | None:
    """Raises Refusal for anything but a whole number of at least 0."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal(400, f"Error when parsing request: {name} must be a number of at least 0")
    return value


def create_options(body: Mapping[str, Any], key: str | None) -> CreateOptions:
    """The options of a create call. Raises Refusal."""
    template = body.get("templateID")
    if not isinstance(template, str) or not template:
        raise Refusal(400, "Error when parsing request: templateID is required")
    timeout = integer(body, "timeout")
    config = body.get("network")
    if config is not None and not isinstance(config, dict):
        raise Refusal(400, "Error when parsing request: network must be an object")
    if config is not None and (found := network.problem(config)):
        raise Refusal(400, found)
    pause = body.get("autoPause")
    return CreateOptions(
        template=template,
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        metadata=_strings(body, "metadata"),
        env=_strings(body, "envVars"),
        network=config,
        allow_internet=body.get("allow_internet_access"),
        on_timeout=None if pause is None else "pause" if pause else "kill",
        pause_memory=body.get("autoPauseMemory") is not False,
        auto_resume=bool((body.get("autoResume") or {}).get("enabled")),
        idempotency_key=key,
        body=body,
    )


def created(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "templateID": sandbox.options.template,
        "sandboxID": sandbox.id,
        "clientID": _CLIENT,
        "envdVersion": ENVD_VERSION,
        "envdAccessToken": sandbox.token,
        "domain": None,
    }


def listed(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "templateID": sandbox.options.template,
        "alias": sandbox.options.template,
        "sandboxID": sandbox.id,
        "clientID": _CLIENT,
        "startedAt": timestamp(sandbox.started),
        "endAt": timestamp(sandbox.ends),
        "cpuCount": CPUS,
        "memoryMB": MEMORY_MB,
        "diskSizeMB": DISK_MB,
        "state": sandbox.state.value,
        "envdVersion": ENVD_VERSION,
        "metadata": dict(sandbox.options.metadata),
    }


def detailed(sandbox: Sandbox) -> dict[str, Any]:
    detail = {
        **listed(sandbox),
        "envdAccessToken": sandbox.token,
        "domain": None,
        "allowInternetAccess": sandbox.allow_internet,
        "lifecycle": {"onTimeout": sandbox.on_timeout, "autoResume": sandbox.options.auto_resume},
    }
    if sandbox.network is not None:
        detail["network"] = _without_password(sandbox.network)
    return detail


def snapshot(snapshot_id: str) -> dict[str, Any]:
    return {"snapshotID": snapshot_id, "names": [snapshot_id]}


def page(sandboxes: list[Sandbox], query: Mapping[str, str]) -> tuple[list[Sandbox], str]:
    """One page of a list call, and the token of the next page or "". Raises Refusal."""
    newest_first = query.get("order", "desc") != "asc"
    wanted = sorted((sandbox for sandbox in sandboxes if _wanted(sandbox, query)), key=_place, reverse=newest_first)
    limit = query.get("limit", str(PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= PAGE:
        raise Refusal(400, f"limit must be between 1 and {PAGE}")
    if token := query.get("nextToken"):
        last = _place_of(token)
        wanted = [sandbox for sandbox in wanted if (_place(sandbox) < last if newest_first else _place(sandbox) > last)]
    shown = wanted[: int(limit)]
    return shown, _token(shown[-1]) if len(wanted) > len(shown) else ""


def timestamp(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _strings(body: Mapping[str, Any], name: str) -> dict[str, str]:
    value = body.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise Refusal(400, f"Error when parsing request: {name} must be an object of strings")
    return value


def _without_password(config: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(config)
    if shown.get("egressProxy"):
        proxy = shown["egressProxy"]
        shown["egressProxy"] = {name: value for name, value in proxy.items() if name != "password"}
    return shown


def _wanted(sandbox: Sandbox, query: Mapping[str, str]) -> bool:
    states = query.get("state")
    if states and sandbox.state.value not in states.split(","):
        return False
    if (template := query.get("template")) and sandbox.options.template != template:
        return False
    if since := query.get("startedAfter"):
        try:
            if sandbox.started < datetime.fromisoformat(since).timestamp():
                return False
        except ValueError as error:
            raise Refusal(400, f"invalid startedAfter: {error}") from error
    # The SDK encodes it three times; the framework has decoded it once.
    wanted = parse_qsl(query.get("metadata", ""), keep_blank_values=True)
    return all(sandbox.options.metadata.get(unquote(name)) == unquote(value) for name, value in wanted)


def _place(sandbox: Sandbox) -> tuple[float, str]:
    return (sandbox.started, sandbox.id)


def _token(sandbox: Sandbox) -> str:
    return base64.urlsafe_b64encode(f"{sandbox.started!r}__{sandbox.id}".encode()).decode()


def _place_of(token: str) -> tuple[float, str]:
    try:
        started, _, sandbox_id = base64.urlsafe_b64decode(token).decode().partition("__")
        return (float(started), sandbox_id)
    except ValueError as error:
        raise Refusal(400, "Invalid next token") from error
