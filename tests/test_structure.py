"""The shape of the program, held by tests: who may import what, how long a file may be, what may not be left lying."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 400


def files(*folders: str) -> list[Path]:
    """Ours, without the sample repository that the demo works on."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "sample/files" not in path.as_posix())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PRODUCT = [path for path in files("bot", "handlers") if not named(path).startswith("bot/rig/")]
RIG = files("bot/rig")
TESTS = files("tests")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module named in an import, wherever it stands. (What is relative stays in its package.)"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text())))


def importers(module: str, among: list[Path]) -> set[str]:
    return {
        named(path) for path in among if any(name == module or name.startswith(f"{module}.") for name in imported(path))
    }


# --- one vendor, one room ---------------------------------------------------------------------------

ROOMS = {
    "dbos": {"bot/engine.py"},
    "github": {"bot/github/client.py"},
    "requests": {"bot/github/client.py"},
    "jwt": {"bot/github/client.py"},
    "e2b": {"bot/sandbox.py"},
    "httpx": {"bot/sandbox.py"},
    "uvicorn": {"bot/service.py"},
    "pydantic_settings": {"bot/settings.py"},
    "markdown_it": {"bot/commands.py", "bot/markdown.py"},
    "typer": {"bot/cli.py", "bot/runs_cli.py"},
}


@pytest.mark.parametrize(("vendor", "room"), ROOMS.items(), ids=ROOMS.keys())
def test_a_vendor_is_known_in_its_room_alone(vendor: str, room: set[str]) -> None:
    assert importers(vendor, PRODUCT) <= room


@pytest.mark.parametrize("vendor", ["dbos", "github", "requests", "e2b"])
def test_each_of_these_vendors_is_used_at_all(vendor: str) -> None:
    assert importers(vendor, PRODUCT) == ROOMS[vendor]


def test_sqlite_is_opened_through_one_module_everywhere() -> None:
    for module in ("sqlite3", "pysqlite3"):
        assert importers(module, PRODUCT + RIG) <= {"bot/sqlite.py"}


# --- what is pure -----------------------------------------------------------------------------------

PURE = (
    "bot.model bot.commands bot.events bot.policy bot.messages bot.markdown bot.changes bot.bundle bot.paths bot.diff "
    "bot.agent bot.prompt bot.names bot.notices bot.effects bot.handler bot.redact handlers"
)
IO = {
    *(
        "github",
        "requests",
        "httpx",
        "urllib3",
        "e2b",
        "dbos",
        "sqlalchemy",
        "alembic",
        "sqlite3",
        "pysqlite3",
        "psycopg",
    ),
    *(
        "starlette",
        "uvicorn",
        "anyio",
        "bot.rig",
        "bot.github",
        "bot.sandbox",
        "bot.database",
        "bot.engine",
        "bot.store",
    ),
    *("bot.settings", "bot.world", "bot.run", "bot.service", "bot.app"),
}


def loaded(module: str) -> set[str]:
    """The modules that importing this one loads, in a process of its own."""
    program = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def of(module: str, found: set[str]) -> set[str]:
    return {name for name in found if name == module or name.startswith(f"{module}.")}


def test_decisions_are_made_without_the_world() -> None:
    found = loaded(", ".join(PURE.split()))
    assert {module for module in IO if of(module, found)} == set()


def test_each_pure_module_is_there() -> None:
    for module in PURE.split():
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists()


# --- the rig is nobody's import ---------------------------------------------------------------------


def test_only_the_command_line_and_the_tests_know_the_rig() -> None:
    assert importers("bot.rig", PRODUCT) == {"bot/cli.py"}


def test_the_command_line_loads_it_only_when_it_is_asked_for() -> None:
    tree = ast.parse((ROOT / "bot/cli.py").read_text())
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not any(name.startswith("bot.rig") for node in outside for name in imports(node))


def test_the_service_runs_without_it() -> None:
    found = loaded("bot.service, bot.cli, bot.check")
    assert of("bot.service", found)
    assert of("bot.rig", found) == set()


def test_help_is_quick_for_it_loads_no_vendor() -> None:
    found = loaded("bot.cli")
    assert {vendor for vendor in ("github", "e2b", "dbos", "sqlalchemy", "starlette") if of(vendor, found)} == set()


# --- order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PRODUCT + RIG + TESTS, ids=named)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", PRODUCT + RIG, ids=named)
def test_a_file_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    said = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0]
    assert said.endswith(".") or not text.strip()


def comments(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


@pytest.mark.parametrize("path", PRODUCT + RIG, ids=named)
def test_nothing_is_left_for_later_or_silenced_without_a_reason(path: Path) -> None:
    for comment in comments(path):
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment), comment
        if "noqa" in comment:
            assert re.search(r"noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)* - \w", comment), comment
        if "type: ignore" in comment:
            assert re.search(r"type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # \w", comment), comment
