"""The names of branches: deterministic, and safe in a shell."""

from __future__ import annotations

import re
import unicodedata

from bot.model import RunRequest

MAX_SLUG = 40


def branch(request: RunRequest, title: str, prefix: str) -> str:
    """`<prefix><number>-<slug>-<run>`: safe as a ref and in a shell. `prefix` is a setting, `amp/` by default."""
    parts = (str(request.issue.number), slug(request.issue.title or title), request.id.replace("-", "")[:8])
    return f"{prefix}{'-'.join(filter(None, parts))}"


def temporary_branch(run: str, prefix: str) -> str:
    """Where a large change set is pushed until its commit is made. `run` is the run's id."""
    return f"{prefix}tmp-{run.replace('-', '')[:12]}"


def slug(text: str) -> str:
    """The text as lower-case ASCII letters, digits and single dashes; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].rstrip("-")
