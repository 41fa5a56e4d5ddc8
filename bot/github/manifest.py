"""Reads `app.yml`: the App's permissions and events, for its registration, `ampbot check` and the tests."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import yaml
from pydantic import BaseModel

# Permissions and events for planned features: each one added later needs the approval of every installer.
NOT_USED_YET = {
    "permission checks": "check runs with buttons",
    "permission actions": "reading the logs of failed workflow runs",
    "event check_run": "buttons of check runs",
    "event check_suite": "re-running the checks of a commit",
}


class Manifest(BaseModel):
    name: str
    url: str
    public: bool
    hook_attributes: Mapping[str, str | bool]
    default_permissions: Mapping[str, str]
    default_events: tuple[str, ...]


def load() -> Manifest:
    """Read the manifest. Raises: OSError: the file is missing. pydantic.ValidationError: it is malformed."""
    # Beside this file is a link to the `app.yml` at the top of the repository; a wheel holds its text in that place.
    return Manifest.model_validate(yaml.safe_load(files("bot.github").joinpath("app.yml").read_text()))


_LEVELS = {"": 0, "read": 1, "write": 2, "admin": 3}


def lacking(declared: Mapping[str, str], granted: Mapping[str, str]) -> tuple[str, ...]:
    """The declared permissions that are not granted in full, as `name: level`."""
    return tuple(
        f"{name}: {level}" for name, level in declared.items() if _LEVELS.get(granted.get(name, ""), 0) < _LEVELS[level]
    )
