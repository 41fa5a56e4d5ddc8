"""Which files a request asks for by name: generated from what people write about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.changes.asked_for import Use, uses
from bot.changes.left_out import rules

SECRET, PLAIN = [".env", "web/.env.production", ".env.local"], ["node_modules", ".vscode/settings.json", "web/.venv"]
NAMES = SECRET + PLAIN
AROUND = ["", "`", "'", '"', "**"]
COURTESY = ["", "Please ", "please, ", "Hi! ", "Fix the login. ", "1. ", "- "]
AFTER = ["", ".", ", please", "; thanks", "\nMore words.", " and run the tests"]

ASKING = [
    "add {}",
    "Add a {}",
    "create the file {}",
    "write the new {}",
    "also commit {}",
    "include readme.txt and {}",
    "do not touch the docs, but add {}",
    "add it; commit {}",
]
MENTIONING = [
    "fix how {} is read",
    "the app does what {} says",
    "add support for {} files",
    "write a parser that reads {}",
    "why is {} so large?",
    "put the key into {}",
    "f\u00fcge {} hinzu",
]
REFUSING = [
    "don't commit {}",
    "don\u2019t add {}",
    "dont commit readme.txt and {}",
    "do not commit {}",
    "please never add {}",
    "remove {} from the repo",
    "Delete {}",
    "untrack {}",
    "stop committing {}",
    "add everything except {}",
    "commit the change without {}",
    "add {} to .gitignore",
    "make git ignore {}",
    "{} should not be committed",
    "{} must never be in the repository",
    "keep {} out of the repository",
    "Do not commit:\n- readme.txt\n- {}",
    "Never add these:\n\n1. {}",
    "Please do not\ncommit {}",
    "add .env.example instead of {}",
]


def said(sentence: str, name: str, around: str, before: str, after: str) -> str:
    return before + sentence.format(f"{around}{name}{around}") + after


CASE = (st.sampled_from(NAMES), st.sampled_from(AROUND), st.sampled_from(COURTESY), st.sampled_from(AFTER))


def let_in(request: str, name: str) -> bool:
    path = name if name.rpartition("/")[2] not in ("node_modules", ".venv") else f"{name}/"
    return rules((), request, ()).match(path) is None


@given(st.sampled_from(ASKING), *CASE)
def test_what_is_asked_for_is_published(sentence: str, name: str, around: str, before: str, after: str) -> None:
    assert let_in(said(sentence, name, around, before, after), name)


@given(st.sampled_from(MENTIONING), *CASE)
def test_to_mention_what_may_hold_secrets_is_not_enough(
    sentence: str, name: str, around: str, before: str, after: str
) -> None:
    assert let_in(said(sentence, name, around, before, after), name) is (name in PLAIN)


@given(st.sampled_from(REFUSING), *CASE)
def test_what_is_not_to_be_published_is_not(sentence: str, name: str, around: str, before: str, after: str) -> None:
    before = "" if before in ("- ", "1. ") and "\n" in sentence else before
    assert not let_in(said(sentence, name, around, before, after), name)


@given(st.sampled_from(ASKING), st.sampled_from(REFUSING), st.sampled_from(NAMES))
def test_a_refusal_anywhere_counts(asking: str, refusing: str, name: str) -> None:
    for first, second in ((asking, refusing), (refusing, asking)):
        assert not let_in(f"{first.format(name)}.\n\n{second.format(name)}.", name)


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("Do not commit node_modules. Add .env.", {"node_modules": Use.REFUSED, ".env": Use.ASKED}),
        ("add .env, but not .venv", {".env": Use.ASKED, ".venv": Use.REFUSED}),
        ("add .env so that the tests do not fail", {".env": Use.ASKED}),
        ("Do not commit:\n- .venv\n\nAdd .env", {".venv": Use.REFUSED, ".env": Use.ASKED}),
    ],
)
def test_each_name_by_itself(request_text: str, expected: dict[str, Use]) -> None:
    found = uses(request_text)
    assert {name: found[name] for name in expected} == expected


@given(st.text())
def test_any_text_is_read(request_text: str) -> None:
    uses(request_text)
