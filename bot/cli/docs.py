"""Keeps the README's tables what the code says: `python -m bot.cli.docs` rewrites them, a test holds them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bot.settings import Settings, environment_name
from handlers import HANDLERS

README = Path(__file__).resolve().parents[2] / "README.md"


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


def rewritten(readme: str) -> str:
    """`readme` with each table between its marks replaced by what the code says now."""
    for name, table in TABLES.items():
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        made = table().replace("\\", r"\\")
        readme = re.sub(marks, rf"\g<1>{made}\n\g<2>", readme, flags=re.DOTALL)
    return readme


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text()))
