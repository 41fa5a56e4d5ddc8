"""What is not published though the agent made it: files that a commit seldom means to hold. One table. No I/O.

A line is one of `.gitignore`, and the last that fits decides: `*` stands for any characters, a slash at the end is for
folders alone, `!` takes back. A line is about one name in a path: it has no other slash, and no `?`, `[` or `\\`.
bot/sandbox/shell/collect.sh gives the lines to git, so a folder of a hundred thousand files is not even listed. What it
brings is held to the same lines here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.changes.asked_for import Use, uses


@dataclass(frozen=True, slots=True)
class Group:
    """Lines with the reason for them, as a phrase.

    `by_product`: what tools leave behind, which nobody asked for. `secret`: it may hold secrets, so that the request
    mentions it is not enough.
    """

    reason: str
    lines: tuple[str, ...]
    by_product: bool = False
    secret: bool = False


TABLE = (
    Group(
        "environment file",
        (
            *(".env", ".env.*", ".envrc"),
            *("!.env.example", "!.env.sample", "!.env.template", "!.env.dist", "!.env.defaults", "!.env.schema"),
            *("!.env.*.example", "!.env.*.sample", "!.env.*.template", "!.env.*.dist"),
        ),
        secret=True,
    ),
    Group("bytecode", ("__pycache__/", "*.pyc", "*.pyo", "*.class"), by_product=True),
    Group("virtual environment", (".venv/", "venv/", ".virtualenv/"), by_product=True),
    Group("dependencies", ("node_modules/",), by_product=True),
    Group("cache of a tool", (".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".tox/", ".nox/"), by_product=True),
    Group("editor file", (".idea/", ".vscode/", "*.swp", "*.swo", "*~")),
    Group("system file", (".DS_Store", "Thumbs.db", "desktop.ini"), by_product=True),
)

# What builds and tests leave behind. Where the repository's .gitignore names it, it is no work that goes missing.
BUILT = (
    *("build/", "dist/", "target/", "out/", "bin/", "obj/", "coverage/", "htmlcov/", "*.egg-info/", ".cache/"),
    *(".gradle/", ".next/", ".nuxt/", ".turbo/", ".hypothesis/", ".coverage", "*.o", "*.log", "*.tsbuildinfo"),
)

IGNORED = "ignored by git"
BY_OPERATOR = "left out here"

_PLAIN_NAME = re.compile(r"[\w.@+~-]{1,255}")
_MAX_NAMED = 100


@dataclass(frozen=True)
class Rules:
    """The lines that hold for one run."""

    lines: tuple[str, ...]

    @cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], bool, bool, str], ...]:
        return tuple(reversed([_compile(line) for line in self.lines]))

    def match(self, path: str) -> str | None:
        """The line that leaves this path out; None if it is published. A folder ends in a slash."""
        *folders, name = path.removesuffix("/").split("/")
        for folder in folders:
            if (line := self._line(folder, is_folder=True)) is not None:
                return line
        return self._line(name, is_folder=path.endswith("/"))

    def reason(self, path: str) -> str | None:
        """Why this path is left out, as a phrase; None if it is published."""
        line = self.match(path)
        return None if line is None else next((g.reason for g in TABLE if line in g.lines), BY_OPERATOR)

    def _line(self, name: str, *, is_folder: bool) -> str | None:
        for pattern, negated, only_folders, line in self._compiled:
            if (is_folder or not only_folders) and pattern.fullmatch(name):
                return None if negated else line
        return None


NO_RULES = Rules(())


def rules(setting: Sequence[str], request: str, base_paths: Iterable[str]) -> Rules:
    """The table, with the operator's lines, without what the request asks for, and without folders that the base has.

    What may hold secrets it must ask for; any other name it need only mention (bot/changes/asked_for.py).

    `request`: its text. `base_paths`: the files of the pinned tree.
    """
    lines = [line for group in TABLE for line in group.lines] + list(setting)
    table = Rules(tuple(lines))
    lines += [f"!{name}/" for name in _folders_of(base_paths, table)]
    lines += [f"!{name}" for name, use in uses(request).items() if _lets_in(table, name, use)][:_MAX_NAMED]
    return Rules(tuple(lines))


def is_by_product(path: str, reason: str) -> bool:
    """Whether this was left behind by a tool, so that nobody misses it."""
    if reason == IGNORED:
        return _BUILT.match(path) is not None
    return any(group.by_product for group in TABLE if group.reason == reason)


_BUILT = Rules(BUILT)


def _compile(line: str) -> tuple[re.Pattern[str], bool, bool, str]:
    body = line.removeprefix("!")
    parts = (re.escape(part) for part in body.removesuffix("/").split("*"))
    return re.compile(".*".join(parts), re.DOTALL), line.startswith("!"), body.endswith("/"), line


def _folders_of(base_paths: Iterable[str], table: Rules) -> Iterable[str]:
    """Names of folders that would be left out, and that hold files of the base."""
    bodies = [line[:-1] for line in table.lines if line.endswith("/") and not line.startswith("!")]
    choice = "|".join("[^/]*".join(map(re.escape, body.split("*"))) for body in bodies)
    inside = re.compile(f"(?:^|/)({choice})/")
    found = dict.fromkeys(match[1] for path in base_paths if (match := inside.search(path)))
    return [name for name in found if _PLAIN_NAME.fullmatch(name) and table.match(f"{name}/")]


def _lets_in(table: Rules, name: str, use: Use) -> bool:
    """Whether the request takes this name out of the table."""
    line = table.match(name) or table.match(f"{name}/")
    if line is None or use is Use.REFUSED:
        return False
    return use is Use.ASKED or not any(group.secret for group in TABLE if line in group.lines)
