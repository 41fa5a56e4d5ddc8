"""One REST request and its answer, with GitHub's rules for fields and pagination."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from bot.rig.github.auth import Identity
from bot.rig.github.records import Actor, Installation, Repository
from bot.rig.github.refusal import Refusal
from bot.rig.github.shapes import Json
from bot.rig.github.state import State

T = TypeVar("T")

_KINDS = {str: "a string", bool: "a boolean", int: "an integer", list: "an array", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is sent as JSON, `text` unchanged."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | bytes | None = None
    content_type: str = "application/json; charset=utf-8"


NOTHING = Answer(204)


def created(shape: Json) -> Answer:
    return Answer(201, shape, {"location": shape["url"]})


@dataclass(frozen=True, slots=True)
class Call:
    state: State
    identity: Identity
    path: str  # below the API's root
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    accept: str = ""
    found: Repository | None = None

    @property
    def url(self) -> str:
        return self.state.url

    @property
    def repo(self) -> Repository:
        """The repository of the path. Raises Refusal (404) if there is none."""
        if self.found is None:
            raise Refusal.not_found()
        return self.found

    @property
    def actor(self) -> Actor:
        return self.identity.actor

    @property
    def installation(self) -> Installation:
        if self.identity.installation is None:
            raise Refusal(403, "You must authenticate with an installation access token in order to list repositories")
        return self.identity.installation

    def number(self, name: str) -> int:
        return int(self.params[name])

    # --- body ---------------------------------------------------------------------------------

    @property
    def fields(self) -> Mapping[str, Any]:
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise Refusal(400, "Body should be a JSON object")
        return self.body

    def require(self, *names: str) -> None:
        absent = [f'"{name}"' for name in names if name not in self.fields]
        if absent:
            verb = "wasn't" if len(absent) == 1 else "weren't"
            raise Refusal.unprocessable(f"Invalid request.\n\n{', '.join(absent)} {verb} supplied.")

    def string(self, name: str, default: str = "") -> str:
        return self._typed(name, str, default) or default

    def string_or_none(self, name: str) -> str | None:
        return self._typed(name, str, None)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        value = self._typed(name, bool, default)
        return default if value is None else value

    def integer(self, name: str) -> int | None:
        return self._typed(name, int, None)

    def strings(self, name: str) -> list[str]:
        values = self._typed(name, list, None) or []
        for at, value in enumerate(values):
            if not isinstance(value, str):
                raise _wrong(f"properties/{name}/items/{at}", value, str)
        return values

    def objects(self, name: str) -> list[Mapping[str, Any]]:
        values = self._typed(name, list, None) or []
        for at, value in enumerate(values):
            if not isinstance(value, dict):
                raise _wrong(f"properties/{name}/items/{at}", value, dict)
        return values

    def _typed(self, name: str, kind: type[T], default: T | None) -> T | None:
        value = self.fields.get(name, default)
        if value is None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(f"properties/{name}", value, kind)
        return value

    # --- lists --------------------------------------------------------------------------------

    def page(
        self,
        things: Sequence[T],
        shape: Callable[[T], Json],
        *,
        created_at: Callable[[T], float] | None = None,
        wrap: str | None = None,
    ) -> Answer:
        """One page. With `created_at` the newest rows may still be missing; `wrap` puts the rows in an object."""
        if created_at is not None:
            things = self.state.visible(things, created_at)
        size = min(max(_number(self.query.get("per_page"), 30), 1), 100)
        number = max(_number(self.query.get("page"), 1), 1)
        last = max((len(things) + size - 1) // size, 1)
        rows = [shape(thing) for thing in things[(number - 1) * size : number * size]]
        body: Any = rows if wrap is None else {"total_count": len(things), wrap: rows}
        links = []
        if number > 1:
            links.append(("prev", min(number - 1, last)))
        if number < last:
            links += [("next", number + 1), ("last", last)]
        if number > 1:
            links.append(("first", 1))
        linked = ", ".join(f'<{self._page_url(page)}>; rel="{name}"' for name, page in links)
        return Answer(body=body, headers={"link": linked} if linked else {})

    def _page_url(self, page: int) -> str:
        """The URL of a page by the repository's id, as in GitHub's Link headers."""
        path = self.path
        if self.found is not None:
            rest = path.split("/", 4)[4:]
            path = "/".join([f"/repositories/{self.found.id}", *rest])
        return f"{self.url}/api/v3{path}?{urlencode({**self.query, 'page': page})}"


def _wrong(where: str, value: object, kind: type) -> Refusal:
    said = "nil" if value is None else f'"{value}"' if isinstance(value, str) else str(value).lower()
    return Refusal.unprocessable(f"Invalid request.\n\nFor '{where}', {said} is not {_KINDS[kind]}.")


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default
