"""The names of branches: made from numbers, the title's letters and the run's id, and safe as a ref."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.names import branch, slug, temporary_branch
from tests.factory import issue_ref, run_request


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Login fails on Mondays!", "login-fails-on-mondays"),
        ("  --Größe & Straße--  ", "groe-strae"),
        ("Ünïcödé", "unicode"),
        ("日本語", ""),
        ("", ""),
        ("a..b~^:?*[\\ @{c.lock", "a-b-c-lock"),
        ("../../etc/passwd", "etc-passwd"),
        ("$(touch x); `id` -rf", "touch-x-id-rf"),
        ("a" * 100, "a" * 40),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_a_slug_keeps_letters_and_digits_of_ascii(text: str, short: str) -> None:
    assert slug(text) == short


@pytest.mark.parametrize(
    ("title", "proposed", "name"),
    [
        ("Login fails", "Fix the login", "amp/7-login-fails-0123abcd"),
        ("", "Fix the login", "amp/7-fix-the-login-0123abcd"),
        ("日本語", "Fix", "amp/7-0123abcd"),
        ("", "", "amp/7-0123abcd"),
    ],
)
def test_a_branch_is_named_after_the_conversation_and_the_run(title: str, proposed: str, name: str) -> None:
    assert branch(run_request(issue=issue_ref(title=title)), proposed, "amp/") == name


def test_the_prefix_is_the_operators() -> None:
    asked = run_request()
    assert branch(asked, "", "bots/").startswith("bots/7-")
    assert temporary_branch(asked.id, "bots/") == "bots/tmp-0123abcd89ef"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=20))
def test_git_takes_every_branch(title: str, proposed: str) -> None:
    name = branch(run_request(issue=issue_ref(title=title)), proposed, "amp/")
    checked = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, f"{name}\n")


@given(st.text())
def test_a_slug_is_short_and_of_one_alphabet(text: str) -> None:
    short = slug(text)
    assert len(short) <= 40
    assert set(short) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not short.startswith("-")
    assert not short.endswith("-")
    assert "--" not in short
    assert slug(short) == short
