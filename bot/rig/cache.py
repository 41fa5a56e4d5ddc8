"""Where what was fetched or measured is kept between two calls."""

from __future__ import annotations

import os
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]


def cache(name: str) -> Path:
    """The folder `name` in `.cache` of a checkout, or in the user's own cache where ampbot is installed. May not exist.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if (_TOP / "app.yml").is_file():
        return _TOP / ".cache" / name
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "ampbot" / name
