"""git's pkt-lines."""

from __future__ import annotations

import pytest

from bot.rig.github.pktline import Command, Report, commands

OLD, NEW = "a" * 40, "b" * 40


def _line(text: str) -> bytes:
    return f"{len(text.encode()) + 4:04x}{text}".encode()


def test_the_head_of_a_push_says_what_is_asked() -> None:
    body = _line(f"{OLD} {NEW} refs/heads/a\0 report-status side-band-64k") + _line(f"{OLD} {NEW} refs/heads/b c")
    assert commands(body + b"0000PACK...") == [
        Command(OLD, NEW, "refs/heads/a"),
        Command(OLD, NEW, "refs/heads/b c"),
    ]
    assert commands(b"0000") == []


@pytest.mark.parametrize("banded", [True, False])
def test_a_report_is_read_and_written(*, banded: bool) -> None:
    results = {"refs/heads/a": None, "refs/heads/b": "hook declined"}
    report = Report("ok", results, b"remote says\n" if banded else b"", banded)
    assert Report.parse(report.encode()) == report


def test_a_report_longer_than_one_band_is_put_together() -> None:
    results: dict[str, str | None] = {f"refs/heads/{number:05}": None for number in range(5000)}
    report = Report("ok", results, b"", banded=True)
    assert Report.parse(report.encode()) == report
