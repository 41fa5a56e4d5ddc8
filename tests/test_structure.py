"""The shape of the program, held by tests: who may import what, how long a file may be, what may not be left lying."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 400


def files(*folders: str) -> list[Path]:
    """Ours, without the sample repository that the demo works on."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "sample/files" not in path.as_posix())


def relative(path: Path) -> Path:
    return path.relative_to(ROOT)


def named(path: Path) -> str:
    return relative(path).as_posix()


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


# --- what import-linter holds ------------------------------------------------------------------------

# One import that each contract of pyproject.toml must refuse: (contract, file, forbidden line).
PLANTED = [
    ("layers", "bot/model.py", "from bot.settings import Settings"),
    ("layers", "bot/store/runs.py", "from bot.run.work import work"),
    ("circles", "bot/store/kv.py", "from bot.store.upgrade import migrate"),
    ("handlers", "bot/text/messages.py", "from handlers import HANDLERS"),
    ("handlers-below", "handlers/stop.py", "from bot.store import runs"),
    ("rig", "bot/service.py", "from bot.rig.rig import Rig"),
    ("dbos", "bot/sweep/loop.py", "import dbos"),
    ("pygithub", "bot/github/app.py", "import github"),
    ("e2b", "bot/run/work.py", "import e2b"),
    ("httpx", "bot/run/work.py", "import httpx"),
    ("psycopg", "bot/store/runs.py", "import psycopg"),
    ("sqlite", "bot/store/database.py", "import sqlite3"),
    ("starlette", "bot/run/work.py", "from starlette.requests import Request"),
    ("uvicorn", "bot/web/app.py", "import uvicorn"),
    ("settings", "bot/run/work.py", "import pydantic_settings"),
    ("markdown", "bot/run/work.py", "import markdown_it"),
    ("typer", "bot/run/work.py", "import typer"),
    ("sqlalchemy", "bot/text/messages.py", "import sqlalchemy"),
]


def lint_imports(folder: Path) -> tuple[int, str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied")
    for name in ("bot", "handlers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "files"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_tree_keeps_every_contract(copied: Path) -> None:
    code, said = lint_imports(copied)
    assert code == 0, said


def test_each_contract_has_a_planted_import() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in declared} == {name for name, _, _ in PLANTED}
    assert all("ignore_imports" not in contract for contract in declared)


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED, ids=[f"{name}: {file}" for name, file, _ in PLANTED])
def test_a_forbidden_import_is_refused(copied: Path, contract: str, file: str, line: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (name,) = (each["name"] for each in declared if each["id"] == contract)
    path = copied / file
    text = path.read_text()
    try:
        # Inside a function: those imports count too.
        path.write_text(f"{text}\n\ndef planted() -> None:\n    {line}\n")
        code, said = lint_imports(copied)
    finally:
        path.write_text(text)
    assert code == 1
    assert re.search(rf"^{re.escape(name)} BROKEN$", said, re.MULTILINE), said


# --- what it cannot say ------------------------------------------------------------------------------

PURE = "bot.model bot.agent bot.changes bot.text bot.events handlers"
IO = {
    *("github", "requests", "httpx", "urllib3", "e2b", "dbos", "sqlalchemy", "alembic", "sqlite3", "pysqlite3"),
    *("psycopg", "starlette", "uvicorn", "anyio", "bot.rig", "bot.github", "bot.sandbox", "bot.store", "bot.engine"),
    *("bot.settings", "bot.context", "bot.run", "bot.service", "bot.web"),
}


def loaded(*modules: str) -> set[str]:
    """The modules that importing these loads, in a process of its own."""
    program = f"import sys, {', '.join(modules)}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def of(module: str, found: set[str]) -> set[str]:
    return {name for name in found if name == module or name.startswith(f"{module}.")}


def test_decisions_are_made_without_io() -> None:
    names = [path.with_suffix("").as_posix().replace("/", ".") for path in map(relative, PRODUCT)]
    modules = [name for name in names if any(f"{name}.".startswith(f"{package}.") for package in PURE.split())]
    assert len(modules) > 25
    found = loaded(*(name.removesuffix(".__init__") for name in modules))
    assert {module for module in IO if of(module, found)} == set()


def test_a_package_itself_loads_no_vendor() -> None:
    packages = [relative(path).parent.as_posix().replace("/", ".") for path in PRODUCT if path.name == "__init__.py"]
    found = loaded(*packages)
    vendors = {"dbos", "github", "e2b", "sqlalchemy", "starlette", "uvicorn", "typer", "httpx"}
    assert {vendor for vendor in vendors if of(vendor, found)} == set()


def test_no_module_only_passes_on_what_others_define() -> None:
    for path in PRODUCT:
        body = ast.parse(path.read_text()).body
        rest = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
        names = [
            target.id
            for node in rest
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        assert not any(isinstance(node, ast.ImportFrom) for node in body[1:]) or names != ["__all__"], path


def test_the_command_line_loads_the_rig_only_when_it_is_asked_for() -> None:
    for path in (ROOT / "bot/cli").glob("*.py"):
        tree = ast.parse(path.read_text())
        outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert not any(name.startswith("bot.rig") for node in outside for name in imports(node))


def test_the_service_runs_without_the_rig() -> None:
    found = loaded("bot.service", "bot.cli.main", "bot.cli.check")
    assert of("bot.service", found)
    assert of("bot.rig", found) == set()


def test_help_is_quick_for_it_loads_no_vendor() -> None:
    found = loaded("bot.cli.main")
    assert {vendor for vendor in ("github", "e2b", "dbos", "sqlalchemy", "starlette") if of(vendor, found)} == set()


def test_no_test_is_imported_from_another() -> None:
    """What tests share stands in a module that holds no tests, such as tests/factory.py."""
    found = {
        (named(path), name)
        for path in TESTS
        for name in imports(ast.parse(path.read_text()))
        if name.startswith("tests.") and ".test_" in name
    }
    assert found == set()


# --- order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PRODUCT + RIG + TESTS, ids=named)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


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
