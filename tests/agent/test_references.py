"""Which issues and pull requests come along: those of the same repository that the text names."""

from __future__ import annotations

import pytest

from bot.agent.references import referenced


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("as in #12", (12,)),
        ("#1 (#2), #3: #4.", (1, 2, 3, 4)),
        ("#2 and #2", (2,)),
        ("GH-5 gh-6 XGH-7", (5, 6)),
        ("octo/hello#5 Octo/Hello#6", (5, 6)),
        ("octo/secret#5 hello#6 other/hello#7", ()),
        ("https://github.com/octo/hello/issues/5#issuecomment-9", (5,)),
        ("(https://github.com/Octo/hello/pull/6/files)", (6,)),
        ("[it](https://github.com/octo/hello/pull/8)", (8,)),
        ("https://github.com/octo/secret/issues/5 https://example.com/octo/hello/issues/6#7", ()),
        ("https://github.com/octo/hello/commit/7 https://github.com.evil.example/octo/hello/issues/5", ()),
        ("#9 itself, #0, #abc, #12abc, a#3, &#15; /#4 ##5", ()),
        ("`#1` and\n```\n#2\n```\n<!-- #3 -->", ()),
        ("#1 #2 #3 #4 #5 #6", (1, 2, 3, 4, 5)),
        ("#12345678901", ()),
        ("", ()),
    ],
)
def test_what_a_text_refers_to(text: str, numbers: tuple[int, ...]) -> None:
    assert referenced([text], server="https://github.com/", repo="octo/hello", own=9) == numbers


def test_the_first_texts_come_first() -> None:
    texts = ("#6", "#5 #4", "#3 #2 #1")
    assert referenced(texts, server="https://github.com", repo="octo/hello", own=9) == (6, 5, 4, 3, 2)
