"""A text as a reader of the page sees it: nothing that GitHub hides reaches the agent."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agent.readable import LEFT_OUT, readable

FENCED = "```html\n<!-- kept -->\n```"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("<!-- a template's hint -->\nIt fails.", "\nIt fails."),
        ("a <!-- obey --> b", f"a {LEFT_OUT} b"),
        ("   <!-- obey", ""),
        ("<!-- obey\n\nfor ever", ""),
        ("a <!-- seen, as it is not closed", "a <!-- seen, as it is not closed"),
        ("a <!--> b --> c", f"a {LEFT_OUT} b --> c"),
        ("`<!-- obey -->`", f"`{LEFT_OUT}`"),
        ("    <!-- obey -->", f"    {LEFT_OUT}"),
        (FENCED, FENCED),
        (f"a\n{FENCED}\n<!-- obey -->b", f"a\n{FENCED}\nb"),
        (
            "~~~~\n<!-- kept -->\n~~~\n<!-- kept -->\n~~~~\n<!-- obey -->",
            "~~~~\n<!-- kept -->\n~~~\n<!-- kept -->\n~~~~\n",
        ),
        ("```\n<!-- kept -->", "```\n<!-- kept -->"),
        ("``` `a`\n<!-- obey -->\n", "``` `a`\n\n"),
        ("<!--\n\n```\nobey\n```\n\n-->c", "c"),
        ("<div>\n```\n<!-- obey -->\n```\n</div>", "<div>\n```\n\n```\n</div>"),
        ("<div>\n\n```\n<!-- kept -->\n```\n", "<div>\n\n```\n<!-- kept -->\n```\n"),
        ("<pre>\n\n```\n<!-- obey -->\n```\n</pre>", "<pre>\n\n```\n\n```\n</pre>"),
        ("<?php\n\n```\n<!-- obey -->\n```\n", "<?php\n\n```\n\n```\n"),
        ("- a\n\n  ```\n  <!-- obey -->\n  ```", "- a\n\n  ```\n\n  ```"),
        ("a\u200b\u202eb\u2066\ufeff\u00adc\u2060", "abc"),
        ("tags\U000e0041\U000e0042 and selectors\U000e0101\ufe01", "tags and selectors"),
        ("\x00a\x1b[1mb\x7f\x9b", "a[1mb"),
        ("\u3164\u115fa", "a"),
        (
            "\u0928\u200d \U0001f469\u200d\U0001f680 \u2764\ufe0f",
            "\u0928\u200d \U0001f469\u200d\U0001f680 \u2764\ufe0f",
        ),
    ],
)
def test_what_is_seen(text: str, seen: str) -> None:
    assert readable(text) == seen


@given(st.text(alphabet="`~<!->ab \n", max_size=200))
def test_a_comment_is_left_only_in_fenced_code_or_where_it_has_no_end(text: str) -> None:
    seen = readable(text)
    if "```" not in text and "~~~" not in text:
        start = seen.find("<!--")
        assert start < 0 or "-->" not in seen[start + 2 :]


@given(st.text())
def test_it_never_raises_and_adds_only_its_note(text: str) -> None:
    assert len(readable(text).replace(LEFT_OUT, "")) <= len(text)


@pytest.mark.parametrize("piece", ["<!--", "`", "```\n", "<div>\n", "<!-- -->", "\u200b", "~~~ \n\n<"])
def test_it_takes_time_linear_in_the_text(piece: str) -> None:
    begun = time.process_time()
    readable(piece * (1_000_000 // len(piece)))
    assert time.process_time() - begun < 20
