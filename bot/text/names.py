"""The names of branches: deterministic, and safe in a shell."""

from __future__ import annotations

import re
import unicodedata

from bot.model import RunRequest

MAX_SLUG = 40


def branch(request: RunRequest, title: str) -> str:
    """`amp/<number>-<slug>-<run>`. `title`: for an issue without one."""
    parts = (str(request.issue.number), slug(request.issue.title or title), request.id.replace("-", "")[:8])
    return f"amp/{'-'.join(filter(None, parts))}"


def slug(text: str) -> str:
    """The text as lower-case ASCII letters, digits and single dashes; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].rstrip("-")
