from __future__ import annotations

import pytest

from bot.rig.contract.exceptions import ANYWHERE, EXCUSES, Excuse, Violation


@pytest.mark.parametrize("excuse", EXCUSES, ids=lambda excuse: f"{excuse.method} {excuse.path}")
def test_every_excuse_has_a_reason(excuse: Excuse) -> None:
    assert len(excuse.reason.split()) > 3


def test_every_status_that_counts_as_right_everywhere_has_a_reason() -> None:
    assert [status for status, reason in ANYWHERE.items() if len(reason.split()) < 2] == []


def test_no_excuse_stands_twice() -> None:
    assert len(set(EXCUSES)) == len(EXCUSES)


@pytest.mark.parametrize(
    ("excuse", "covers"),
    [
        (Excuse("GET", "/x", "answer", "missing", "why"), True),
        (Excuse("*", "*", "answer", "", "why"), True),
        (Excuse("POST", "/x", "answer", "", "why"), False),
        (Excuse("GET", "/y", "answer", "", "why"), False),
        (Excuse("GET", "/x", "request", "", "why"), False),
        (Excuse("GET", "/x", "answer", "extra", "why"), False),
    ],
)
def test_an_excuse_covers_only_what_it_names(excuse: Excuse, covers: bool) -> None:
    assert excuse.covers(Violation("answer", "GET /x", "a key is missing")) is covers
