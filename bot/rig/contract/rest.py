"""Checks REST requests and answers against GitHub's OpenAPI description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from jsonschema_path import SchemaPath
from openapi_core import Config, OpenAPI
from openapi_core.templating.datatypes import TemplateResult
from openapi_core.templating.paths.datatypes import PathOperationServer
from openapi_core.templating.paths.finders import BasePathFinder
from openapi_core.testing import MockRequest, MockResponse

from bot.rig.contract.exceptions import ANYWHERE, Kind, Violation
from bot.rig.contract.schema_keys import unknown_keys
from bot.rig.http.request_log import Entry

_HOST = "https://api.github.com"
_UNREADABLE = object()
_LONG = 300  # characters of an error message, which may quote a whole body


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint of the description, and the values of its path parameters."""

    method: str
    template: str
    values: Mapping[str, str]


class RestContract:
    def __init__(self, description: Path) -> None:
        self._spec: dict[str, Any] = json.loads(description.read_bytes(), object_hook=_mended)
        config = Config(spec_validator_cls=None, path_finder_cls=_Finder)
        self._openapi = OpenAPI.from_dict(self._spec, config=config)
        self._templates = [_Template(path, self._paths_with_slashes(path)) for path in self._spec["paths"]]
        self.route = lru_cache(maxsize=10_000)(self._route)

    def check_request(self, entry: Entry, route: Route, *, whole: bool) -> Iterator[Violation]:
        """Violations of a request. Its body is checked only if it was recorded `whole`."""
        operation = self._spec["paths"][route.template][route.method.lower()]
        known = {name for name, _ in self._parameters(operation, "query")}
        for name in sorted(set(_arguments(entry)) - known):
            yield _violation("query key", route, f"there is no query parameter {name}")
        if not whole:
            return
        for error in self._openapi.iter_request_errors(_request(entry, route)):
            yield _violation("request", route, _describe(error))
        yield from self._check_keys(operation, entry, route)

    def check_answer(self, entry: Entry, route: Route, *, whole: bool) -> Iterator[Violation]:
        """Violations of the answer. Its body is checked only if it was recorded `whole`."""
        operation = self._spec["paths"][route.template][route.method.lower()]
        status = str(entry.status)
        if status not in operation["responses"]:
            yield from _check_undescribed(entry, route)
            return
        answer = self._resolve(operation["responses"][status])
        kind = entry.answer_headers.get("content-type", "")
        if not whole or "content" not in answer or _asked_for_another_form(entry, kind):
            return
        response = MockResponse(entry.answer, status_code=int(status), content_type=kind)
        for error in self._openapi.iter_response_errors(_request(entry, route), response):
            yield _violation("answer", route, _describe(error))
        schema = answer["content"].get("application/json", {}).get("schema")
        value = _json(entry.answer)
        if schema is not None and value is not _UNREADABLE:
            for key in unknown_keys(value, schema, self._resolve):
                yield _violation("answer key", route, f"GitHub's answer has no {key}")

    def _check_keys(self, operation: Mapping[str, Any], entry: Entry, route: Route) -> Iterator[Violation]:
        value = _json(entry.body) if entry.body else {}
        if value is _UNREADABLE:
            return
        content = self._resolve(operation.get("requestBody", {})).get("content")
        if content is None:
            if value:
                yield _violation("body key", route, "the endpoint takes no body")
        elif "application/json" in content:
            for key in unknown_keys(value, content["application/json"]["schema"], self._resolve):
                yield _violation("body key", route, f"the endpoint's body has no {key}")

    def _route(self, method: str, path: str) -> Route | None:
        """The endpoint of a raw path, the most specific if several match; None if there is none."""
        fitting = [(template, values) for template in self._templates if (values := template.values(path)) is not None]
        fitting.sort(key=lambda fit: fit[0].vagueness)
        for template, values in fitting:
            if method.lower() in self._spec["paths"][template.path]:
                return Route(method, template.path, {name: unquote(value) for name, value in values.items()})
        return None

    def _paths_with_slashes(self, path: str) -> set[str]:
        """Names of the path parameters whose values may contain unescaped slashes."""
        return {
            name
            for operation in self._spec["paths"][path].values()
            for name, parameter in self._parameters(operation, "path")
            if parameter.get("x-multi-segment")
        }

    def _parameters(self, operation: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for reference in operation.get("parameters", ()):
            parameter = self._resolve(reference)
            if parameter["in"] == place:
                yield parameter["name"], parameter

    def _resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._spec
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node


class _Template:
    def __init__(self, path: str, slashed: set[str]) -> None:
        self.path = path
        pieces = re.split(r"\{(\w+)\}", path)
        names = pieces[1::2]
        pattern = re.escape(pieces[0])
        for name, literal in zip(names, pieces[2::2], strict=True):
            pattern += f"(?P<{name}>{'.+' if name in slashed else '[^/]+'}){re.escape(literal)}"
        self._pattern = re.compile(pattern)
        self.vagueness = (len(names), bool(slashed), -sum(map(len, pieces[0::2])))

    def values(self, path: str) -> dict[str, str] | None:
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()


class _Finder(BasePathFinder):
    """Returns the known template; openapi-core's own search is slow and accepts suffixes of paths."""

    def find(self, method: str, name: str) -> PathOperationServer:
        template = name.removeprefix(_HOST)
        path: SchemaPath = self.spec / "paths" / template
        result = TemplateResult(template, {})
        return PathOperationServer(path, path / method, None, result, TemplateResult("", {}))


def _mended(node: dict[str, Any]) -> dict[str, Any]:
    """Fix parts of the description that would make GitHub's own answers invalid under OpenAPI 3.0.

    `nullable` enumerations and choices do not list null
    (https://github.com/OAI/OpenAPI-Specification/issues/1900). Some discriminators apply to arrays or name schemas
    that do not exist.
    """
    values = node.get("enum")
    if node.get("nullable") is True and isinstance(values, list) and None not in values:
        node["enum"] = [*values, None]
    for choice in ("oneOf", "anyOf"):
        if node.get("nullable") is True and choice in node:
            node[choice] = [*node[choice], {"enum": [None], "nullable": True}]
    if "oneOf" in node or "anyOf" in node:
        node.pop("discriminator", None)
    return node


def _request(entry: Entry, route: Route) -> MockRequest:
    return MockRequest(
        _HOST,
        route.method,
        route.template,
        path_pattern=route.template,
        view_args=dict(route.values),
        args=_arguments(entry),
        data=entry.body,
        content_type=entry.headers.get("content-type", "application/json"),
    )


def _arguments(entry: Entry) -> dict[str, list[str]]:
    return parse_qs(entry.query, keep_blank_values=True)


def _violation(kind: Kind, route: Route, detail: str) -> Violation:
    return Violation(kind, f"{route.method} {route.template}", detail)


def _check_undescribed(entry: Entry, route: Route) -> Iterator[Violation]:
    if entry.status not in ANYWHERE:
        yield _violation("answer", route, f"GitHub does not answer {entry.status} here")
        return
    value = _json(entry.answer)
    if not isinstance(value, dict) or not isinstance(value.get("message"), str):
        yield _violation("answer", route, f"the body of a {entry.status} is an object with a message")


def _asked_for_another_form(entry: Entry, kind: str) -> bool:
    """Whether a diff, patch or raw file was requested: GitHub describes only the JSON.

    https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#media-types
    """
    wanted = re.search(r"vnd\.github\.(?:v3\.)?(diff|patch|raw|html|sha)\b", entry.headers.get("accept", ""))
    return wanted is not None and "json" not in kind.partition(";")[0]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return _UNREADABLE


def _describe(error: Any) -> str:
    """Place and innermost cause of an error; for schema errors each with its path in the body."""
    where = f"{error.location} parameter {error.name}" if hasattr(error, "location") else "body"
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    complaints = [_deepest(each) for each in getattr(cause, "schema_errors", ())]
    if not complaints:
        return f"{where}: {str(cause)[:_LONG]}"
    said = (f"{'.'.join(map(str, (where, *each.absolute_path)))}: {_message(each)}" for each in complaints)
    return "; ".join(islice(said, 8))


def _message(complaint: Any) -> str:
    """The error message, without its value if that is long."""
    value = repr(complaint.instance)
    message: str = complaint.message
    return (message.replace(value, "it", 1) if len(value) > 60 else message)[:_LONG]


def _deepest(complaint: Any) -> Any:
    """The most deeply nested error, if all alternatives of a choice fail."""
    while complaint.context:
        complaint = max(complaint.context, key=lambda inner: len(inner.absolute_path))
    return complaint
