"""The README says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from bot.cli.docs import README, rewritten
from bot.model import RunState

ROOT = Path(README).parent


def test_its_tables_are_what_the_code_says() -> None:
    readme = README.read_text()
    assert rewritten(readme) == readme, "run: .venv/bin/python -m bot.cli.docs"


def test_its_diagram_has_every_state_of_a_run() -> None:
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", README.read_text(), re.DOTALL)
    drawn = set(re.findall(r"--> (\w+)", diagram)) | set(re.findall(r"^ *(\w+) -->", diagram, re.MULTILINE))
    assert drawn == {state.value for state in RunState}


def test_its_pictures_and_links_are_there() -> None:
    for page in ("README.md", "SECURITY.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text()):
            assert (ROOT / target).exists(), f"{page} links {target}"


def test_every_threat_names_tests_that_exist() -> None:
    rows = [row for row in (ROOT / "SECURITY.md").read_text().splitlines() if row.startswith("|")][2:]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row)
        assert named, row
        for path in named:
            assert (ROOT / path).exists(), f"{path} in {row}"
