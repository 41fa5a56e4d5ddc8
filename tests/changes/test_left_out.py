"""Which files are left out, and how a line of the setting, a request and the base change that."""

from __future__ import annotations

import time

import pytest

from bot.changes.left_out import BUILT, IGNORED, TABLE, Rules, is_by_product, rules

DEFAULT = rules((), "make it faster", ())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".env", "environment file"),
        ("web/.env.production", "environment file"),
        ("a/__pycache__/b.cpython-311.pyc", "bytecode"),
        ("b.pyc", "bytecode"),
        (".venv/bin/python", "virtual environment"),
        ("web/node_modules/", "dependencies"),
        ("web/node_modules/.bin/tsc", "dependencies"),
        (".pytest_cache/v/cache", "cache of a tool"),
        (".idea/workspace.xml", "editor file"),
        ("src/.main.py.swp", "editor file"),
        ("notes.txt~", "editor file"),
        ("img/.DS_Store", "system file"),
        (".env.example", None),
        ("web/.env.local.example", None),
        ("src/environment.ts", None),
        ("node_modules", None),  # a file, or a link
        ("docs/venv.md", None),
        ("", None),
    ],
)
def test_what_is_left_out_by_default_and_why(path: str, reason: str | None) -> None:
    assert DEFAULT.reason(path) == reason


def test_the_operator_widens_and_narrows_it() -> None:
    found = rules(("*.log", "!.vscode/", "!*.swp"), "", ())
    assert found.reason("a/b.log") == "left out here"
    assert (found.reason(".vscode/launch.json"), found.reason("x.swp")) == (None, None)
    assert found.reason(".env") == "environment file"


@pytest.mark.parametrize(
    "request_text",
    [
        "add a `.env.production`.",
        "write web/.env.production, please",
        "Add (.env.production)",
        "create .env.production:",
    ],
)
def test_what_the_request_asks_for_is_published(request_text: str) -> None:
    found = rules((), request_text, ())
    assert found.match("web/.env.production") is None
    assert found.reason("web/.env") == "environment file"


def test_a_folder_that_the_request_names_is_published_with_all_in_it() -> None:
    assert rules((), "vendor node_modules/left-pad", ()).match("web/node_modules/left-pad/index.js") is None


def test_the_last_word_is_the_requests() -> None:
    assert rules(("*.log",), "keep build.log", ()).match("build.log") is None


def test_a_folder_that_the_base_has_is_published_and_no_other_of_its_kind() -> None:
    found = rules((), "", ["README.md", "sub/.vscode/settings.json", ".env"])
    assert found.match(".vscode/launch.json") is None
    assert found.reason(".idea/x.xml") == "editor file"
    assert found.reason("sub/.env") == "environment file", "a file in the base speaks for itself alone"


def test_what_tools_leave_behind_is_not_missed() -> None:
    assert is_by_product("a/__pycache__/", "bytecode")
    assert is_by_product("target/", IGNORED)
    assert not is_by_product(".env", "environment file")
    assert not is_by_product("config/local.yml", IGNORED)


def test_every_line_is_about_one_name_and_has_one_reason() -> None:
    lines = [line for group in TABLE for line in group.lines]
    assert len(lines) == len(set(lines))
    for line in (*lines, *BUILT):
        assert "/" not in line.removesuffix("/")
        assert not set("?[]\\,# ") & set(line)


def test_names_that_git_cannot_print_are_matched_too() -> None:
    assert Rules(("*.pyc",)).match("a\n\udcff.pyc") == "*.pyc"


def test_a_long_request_and_a_large_base_cost_little() -> None:
    names = (f"packages/{index}/node_modules/x/{index}.js" for index in range(200_000))
    begun = time.process_time()
    found = rules((), " ".join(f".env.{index}" for index in range(20_000)), names)
    assert time.process_time() - begun < 10
    assert len(found.lines) < 200
