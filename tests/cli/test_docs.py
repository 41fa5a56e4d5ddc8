"""The documentation says what the code does, and its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.cli import docs
from bot.cli.docs import ROOT, TABLES, pages, rewritten
from bot.model import RunState
from bot.settings import Settings, environment_name
from tests.stories.package import HELLO

README = ROOT / "README.md"
PAGES = tuple(pages())
MAX_README_LINES = 140
# Read by the tests alone.
OTHER_VARIABLES = {"AMPBOT_LIVE_REPO"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- what is generated or drawn from the code -------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert rewritten(text) == text, f"run: .venv/bin/python -m {docs.__name__}"


@pytest.mark.parametrize(("table", "page"), [("handlers", "README.md"), ("settings", "docs/settings.md")])
def test_each_table_has_one_place(table: str, page: str) -> None:
    text = {named(path): path.read_text() for path in PAGES}
    places = Counter({name: said.count(f"<!-- {table} -->\n{TABLES[table]()}\n") for name, said in text.items()})
    assert +places == {page: 1}


def test_an_outdated_table_is_rewritten() -> None:
    old = "before\n\n<!-- handlers -->\n| outdated |\n<!-- /handlers -->\n\nafter\n"
    assert rewritten(old) == old.replace("| outdated |", TABLES["handlers"]())


def test_the_diagram_has_every_state_of_a_run() -> None:
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    drawn = set(re.findall(r"--> (\w+)", diagram)) | set(re.findall(r"^ *(\w+) -->", diagram, re.MULTILINE))
    assert drawn == {state.value for state in RunState}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_names_only_settings_that_exist(page: Path) -> None:
    known = {environment_name(field) for field in Settings.model_fields} | OTHER_VARIABLES
    assert set(re.findall(r"\bAMPBOT_[A-Z0-9_]+", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_names_only_make_targets_that_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_every_threat_names_tests_that_exist() -> None:
    page = (ROOT / "docs/security-model.md").read_text()
    rows = [row for row in page.splitlines() if row.startswith("|")][2:]
    assert len(rows) >= 10
    for row in rows:
        tests = re.findall(r"`(tests/[^`]+)`", row)
        assert tests, row
        for path in tests:
            assert (ROOT / path).exists(), f"{path} in {row}"


def test_the_page_on_testing_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/testing.md").read_text())
    assert len(named) >= 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < MAX_README_LINES


# --- links ------------------------------------------------------------------------------------------


def inline(text: str) -> Iterator[tuple[Token, Token]]:
    """(the block it is in, the token) for everything inline; code blocks hold none."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    for before, block in pairwise(blocks):
        for token in block.children or ():
            yield before, token


def links(text: str) -> list[str]:
    """Addresses of links and pictures that lead into the repository."""
    found = [str(token.attrGet("href") or token.attrGet("src") or "") for _, token in inline(text)]
    return [target for target in found if target and not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings: lower case, no punctuation, hyphens for spaces, numbered if equal."""
    headings: dict[int, str] = {}
    for block, token in inline(text):
        if block.type == "heading_open" and block.map is not None:
            headings[block.map[0]] = headings.get(block.map[0], "") + token.content
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings.values():
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def linked(page: Path, target: str) -> tuple[Path, str]:
    """(the file, the anchor or nothing) that `target` means on `page`."""
    path, _, anchor = unquote(target).partition("#")
    return ((page.parent / path).resolve() if path else page), anchor


def broken(page: Path) -> list[str]:
    """The relative links of `page` that lead nowhere."""
    found = []
    for target in links(page.read_text()):
        path, anchor = linked(page, target)
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_links_lead_to_something(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_its_links_stay_in_the_repository(page: Path) -> None:
    assert [target for target in links(page.read_text()) if not linked(page, target)[0].is_relative_to(ROOT)] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    todo = {README}
    while todo:
        page = todo.pop()
        reached.add(page)
        pointed = {linked(page, target)[0] for target in links(page.read_text())}
        todo |= {path for path in pointed if path in PAGES} - reached
    assert {named(page) for page in PAGES} == {named(page) for page in reached}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# What's new?\n\n## Run `amp` *now*\n\n## Twice\n\n## Twice\n")
    good = (
        "[a](other.md#whats-new) [b](other.md#run-amp-now) [c](other.md#twice-1) [d](#here) [e](https://example.com/x)"
    )
    bad = ["other.md#whats-new-1", "other.md#Twice", "absent.md", "#there", "absent.png", "cell.md"]
    page.write_text(
        f"# Here\n\n{good} `[not](a-link.md)` `absent.py`\n\n"
        "[1](other.md#whats-new-1) [2](other.md#Twice) [3](absent.md) [4](#there) ![5](absent.png)\n\n"
        "| a |\n| --- |\n| [6](cell.md) |\n\n```sh\n[not](a-link.md)\n```\n"
    )
    assert broken(page) == bad


def test_the_map_names_each_part_once_in_the_order_of_the_layers() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"^\| `([a-z_]+)(?:/|\.py)` \|", text, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    assert named == [part for layer in layers for part in layer.split(" | ")]


def test_the_glossary_has_at_most_twenty_five_words() -> None:
    glossary = (ROOT / "CONTRIBUTING.md").read_text().partition("## Glossary")[2].partition("\n## ")[0]
    assert 0 < len(re.findall(r"^\| [a-z]", glossary, re.MULTILINE)) - 1 <= 25


def test_the_command_of_your_own_is_the_one_that_a_story_tells() -> None:
    source = (ROOT / "docs/own-commands.md").read_text().partition("```python\n")[2].partition("```")[0]
    assert source.strip() == HELLO.strip()
