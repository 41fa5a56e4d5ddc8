"""Generates tables in the documentation: `python -m bot.cli.docs`. A test checks that they are current."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import bot
from bot.settings import Settings, environment_name
from handlers import HANDLERS

ROOT = Path(bot.__file__).resolve().parents[1]


def pages() -> Iterator[Path]:
    """Every page of the documentation, the README first."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))
    yield from sorted((ROOT / "docs").glob("*.md"))


def settings_table() -> str:
    rows = ["| variable | meaning | default |", "| --- | --- | --- |"]
    for field, info in Settings.model_fields.items():
        default = "**required**" if info.is_required() else "" if info.default in (None, ()) else f"`{info.default}`"
        rows.append(f"| `{environment_name(field)}` | {info.description} | {default} |")
    return "\n".join(rows)


def handlers_table() -> str:
    rows = ["| what people write or do | what happens |", "| --- | --- |"]
    for handler in HANDLERS:
        usage = f"`{handler.usage}`" if handler.usage.startswith("/") else handler.usage
        rows.append(f"| {usage} | {handler.summary} |")
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {"settings": settings_table, "handlers": handlers_table}
"""A table stands between the lines `<!-- name -->` and `<!-- /name -->`."""


def rewritten(page: str) -> str:
    """The text of `page` with every marked table replaced by its current content."""
    for name, table in TABLES.items():
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        made = table().replace("\\", r"\\")
        page = re.sub(marks, rf"\g<1>{made}\n\g<2>", page, flags=re.DOTALL)
    return page


if __name__ == "__main__":
    for path in pages():
        path.write_text(rewritten(path.read_text()))
