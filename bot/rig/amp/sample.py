"""The demo's sample repository, and the comment that asks for its bug to be fixed."""

from __future__ import annotations

from pathlib import Path

SAMPLE = Path(__file__).parent.parent / "demo" / "sample" / "files"

SAMPLE_ISSUE_TITLE = "One page too many when the last page is full"

SAMPLE_ISSUE_BODY = """\
`page_count(40, 10)` says 5, but four pages of ten hold forty items. `bin/page` prints "page 4 of 5" then, and
asking for page 5 gives an empty list where it should be refused.

With 45 items the count is right. `python3 -m unittest` shows it: `test_full_pages_only` fails.
"""

SAMPLE_ASK = """\
/amp fix the page count when the last page is full, and show that the tests pass

- replace paging/pages.py: "return total // size + 1" -> "return (total + size - 1) // size"
- run: python3 -m unittest
- title: Count full pages right
- answer: `page_count` added a page even when the items filled the last one exactly. Now it rounds up.
- answer: All tests pass, `test_full_pages_only` among them.
"""
