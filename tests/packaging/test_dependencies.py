"""pyproject.toml declares every package that is imported, where it is imported, and hardly any other."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.cli import extra

ROOT = Path(__file__).parents[2]
# What only `make` runs, in a checkout: it may import what the tests may.
OF_MAKE = {"bench", "contract", "crash", "soak"}

NOT_IMPORTED = {
    "dependencies": {
        "httptools": "uvicorn loads it by name",
        "jinja2": "for the web pages of runs; so far only the rig's pages use it",
        "prometheus-client": "for the metrics endpoint that comes with the web pages",
        "sse-starlette": "for the web pages of runs, which follow a run live",
        "uvloop": "uvicorn loads it by name",
    },
    "rig": {"python-multipart": "Starlette loads it to read forms"},
    "dev": {
        "build": "make check",
        "import-linter": "make check",
        "mypy": "make check",
        "pytest-asyncio": "a plugin of pytest",
        "pytest-xdist": "a plugin of pytest",
        "ruff": "make check",
        "setuptools": "builds the wheel without isolation",
        "types-pyyaml": "types for mypy",
    },
}


def declared(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = declared(PROJECT["dependencies"])
RIG = declared(PROJECT["optional-dependencies"]["rig"])
DEV = declared(PROJECT["optional-dependencies"]["dev"])


def modules(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "sample/files" not in path.as_posix())


def is_of_make(path: Path) -> bool:
    return path.is_relative_to(ROOT / "bot/rig") and path.relative_to(ROOT / "bot/rig").parts[0] in OF_MAKE


IN_RIG = modules("bot/rig")
FILES = {
    "the product": [path for path in modules("bot", "handlers") if path not in IN_RIG],
    "the rig": [path for path in IN_RIG if not is_of_make(path)],
    "tests": [*filter(is_of_make, IN_RIG), *modules("tests")],
}
MAY_IMPORT = {"the product": DEPENDENCIES, "the rig": DEPENDENCIES | RIG, "tests": DEPENDENCIES | RIG | DEV}


def top_level(path: Path) -> Iterator[str]:
    """The first part of each module that the file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


OURS = {"bot", "handlers", "tests"}
INSTALLED = packages_distributions()


def imported(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Other people's modules that are imported, and the packages that hold each."""
    names = {name for path in paths for name in top_level(path)} - sys.stdlib_module_names - OURS
    return {name: {canonicalize_name(holder) for holder in INSTALLED.get(name, [name])} for name in names}


@pytest.mark.parametrize("part", FILES)
def test_what_is_imported_is_declared(part: str) -> None:
    found = imported(FILES[part])
    assert len(found) >= 8
    assert {name: holders for name, holders in found.items() if not holders & MAY_IMPORT[part]} == {}


@pytest.mark.parametrize(
    ("extra", "names", "part"),
    [("dependencies", DEPENDENCIES, "the product"), ("rig", RIG, "the rig"), ("dev", DEV, "tests")],
)
def test_what_is_declared_is_imported_or_has_its_reason(extra: str, names: set[str], part: str) -> None:
    found = {holder for holders in imported(FILES[part]).values() for holder in holders}
    assert names - found == set(NOT_IMPORTED[extra])
    assert all(reason for reason in NOT_IMPORTED[extra].values())


def test_nothing_is_declared_twice() -> None:
    assert len(DEPENDENCIES | RIG | DEV) == len(DEPENDENCIES) + len(RIG) + len(DEV)


def test_the_command_line_asks_for_the_packages_of_the_extra() -> None:
    assert {canonicalize_name(holder) for name in extra.RIG for holder in INSTALLED[name]} == RIG
