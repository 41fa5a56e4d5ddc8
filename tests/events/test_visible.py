"""What a reader of the rendered text sees, construct by construct of GitHub Flavored Markdown.

Each text is rendered as GitHub documents it, not by a parser of ours: the comments say what stands on the page.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events.commands import MAX_CHARS, parse
from bot.events.visible import shown, without_comments

LINE = "/amp fix it"


def seen(text: str) -> bool:
    """Whether a reader sees the command at the start of a line."""
    return any(row.startswith(LINE) for row in shown(text.split("\n")))


@pytest.mark.parametrize(
    "text",
    [
        # the title of a link, its target, and the label of its definition
        '[a](https://x "\n/amp fix it\n")',
        "[a](https://x '\n/amp fix it\n')",
        "[a](https://x (\n/amp fix it\n))",
        '[a [b]\n](https://x "\n/amp fix it\n")',
        "[a][b\n/amp fix it\n]\n\n[b /amp fix it]: https://x",
        '[a]: https://x "\n/amp fix it\n"',
        "[a\n/amp fix it\n]: https://x",
        # an alternative text
        "![a\n/amp fix it\n](https://x)",
        "![a [b](c)\n/amp fix it\n](https://x)",
        "![a\n/amp fix it\n][b]\n\n[b]: https://x",
        "![a\n/amp fix it\n][]\n\n[a /amp fix it]: https://x",
        "![a\n/amp fix it]\n\n[a /amp fix it]: https://x",
        "[![a\n/amp fix it\n](https://x)](https://y)",
        "<img alt='\n/amp fix it\n'>",
        "text <img alt='\n/amp fix it\n'>",
        # the cell of a table, which goes on to the next blank line
        "| a |\n| --- |\n/amp fix it",
        "a | b\n--- | ---\n/amp fix it | c",
        "/amp fix it | b\n--- | ---\n",
        "text\n| a |\n| --- |\n/amp fix it",
        "<table><tr><td>\n\n/amp fix it\n\n</td></tr></table>",
        # a footnote is shown at the end of the page, or not at all
        "[^1]: a note\n/amp fix it",
        "a[^1]\n\n[^1]: a note\n/amp fix it",
        "[^1]:\n/amp fix it",
        "text\n[^1]: a note\n/amp fix it",
        "[^1]: a note\n\n    more of it\n/amp fix it",
        # folded away
        "<details>\n/amp fix it\n</details>",
        "<details>\n\n/amp fix it\n\n</details>",
        "<details><summary>More</summary>\n\n/amp fix it\n\n</details>",
        "<DETAILS class='open'>\n\n/amp fix it",
        "<details title=' open '>\n\n/amp fix it\n\n</details>",
        "<details open>\n<details>\n\n/amp fix it\n\n</details>\n</details>",
        "<details>\n\n<b></details\n\n/amp fix it",
        "text <details>\n/amp fix it",
        "text <details>\n\n/amp fix it",
        "- item <details>\n\n  more\n/amp fix it",
        # HTML's own code and quotes
        "<pre>\n\n/amp fix it\n\n</pre>",
        "<code>\n/amp fix it\n</code>",
        "<div><code>\n\n/amp fix it\n\n</code></div>",
        "<blockquote>\n\n/amp fix it\n\n</blockquote>",
        "<blockquote>\n/amp fix it\n</blockquote>",
        # HTML runs the line on
        "<div>text\n/amp fix it\n</div>",
        "<ul><li>\n/amp fix it\n</li></ul>",
        "<!-- a --> text\n<div>text\n/amp fix it</div>",
        "<div><del>\n/amp fix it\n</del></div>",
        "<div><kbd>\n/amp fix it\n</kbd></div>",
        "<script>\n/amp fix it\n</script>",
        "<style>\n\n/amp fix it\n\n</style>",
        "<textarea>\n\n/amp fix it\n\n</textarea>",
        # a formula
        "$$\n/amp fix it\n$$",
        "text\n$$ x\n/amp fix it\n$$",
    ],
)
def test_what_a_reader_does_not_see_as_a_line_is_none(text: str) -> None:
    assert not seen(text)
    assert parse(text, names=()) == ()


def test_the_target_of_a_link_is_none() -> None:
    assert parse('[a](\n/amp "fix it")', names=()) == ()
    assert parse('[a] (\n/amp "fix it")', names=()) != ()


@pytest.mark.parametrize(
    "text",
    [
        # The text of a link is text, and what is no link is text.
        "[a\n/amp fix it\n](https://x)",
        '[a](https://x y "\n/amp fix it\n")',
        'a](https://x "\n/amp fix it\n")',
        '[a [b](c)](https://x "\n/amp fix it\n")',  # no link in a link
        "\\[a](https://x '\n/amp fix it\n')",
        "\\![a\n/amp fix it\n](https://x)",
        "![a\n/amp fix it\n][b]",
        "![a\n/amp fix it\n] [b]\n\n[b]: https://x",
        "[a]: https://x\n/amp fix it",
        # A table and a footnote end with a blank line.
        "| a |\n| --- |\n\n/amp fix it",
        "a | b\n/amp fix it",
        "[^1]: a note\n\n/amp fix it",
        "[^1]: a note\n# heading\n/amp fix it",
        "a[^1]\n/amp fix it",
        # What is unfolded, or ended before.
        "<details open>\n\n/amp fix it\n\n</details>",
        "<details OPEN>\n/amp fix it\n</details>",
        "<details>\n\ntext\n\n</details>\n/amp fix it",
        "<details>\n\ntext\n\n</details>\n\n/amp fix it",
        "> <details>\n\n/amp fix it",  # a quote ends what was opened in it
        "- <details>\n\n\n/amp fix it",
        "`<details>`\n\n/amp fix it",
        "```\n<details>\n```\n\n/amp fix it",
        "\\<details>\n\n/amp fix it",
        "<!-- <details> -->\n/amp fix it",
        "a <td> alone\n\n/amp fix it",
        "<pre>x</pre>\n/amp fix it",
        # GitHub drops elements that it does not know, and shows what is in them.
        "<center>\n/amp fix it\n</center>",
        "<section>\n<font size='7'>\n/amp fix it\n</font>\n</section>",
        # GitHub drops these attributes, and shows the element.
        "<div hidden>\n\n/amp fix it\n\n</div>",
        "<p style='display:none'>\n\n/amp fix it\n\n</p>",
        "text <span hidden>\n/amp fix it\n</span>",
        # It drops what it does not know and shows what is in it; often it is no element at all.
        "a Vec<T> of them\n\n/amp fix it",
        "the <title> is wrong\n/amp fix it",
        # In HTML a line begins after what breaks one, as a picture that was pasted.
        "<div>\n/amp fix it\n</div>",
        "<div><b>\n/amp fix it\n</b></div>",
        '<img width="300" alt="shot" src="https://x">\n/amp fix it',
        "<a href='https://x'><img src='https://x'></a>\n/amp fix it",
        "text<br>\n/amp fix it",
        "<p>text</p>\n<!-- a -->\n/amp fix it",
        # No formula.
        "echo $$\n/amp fix it\necho $$",
        "$$\n/amp fix it",
    ],
)
def test_what_a_reader_sees_as_a_line_is_one(text: str) -> None:
    assert seen(text)
    assert parse(text, names=()) != ()


@given(text=st.text(st.sampled_from("/amp \n\t`*_[]()!<>&|-:#$^'\"\\dvetails=oc")))
def test_the_lines_keep_their_number_and_length_and_are_blanked_or_unchanged(text: str) -> None:
    lines = text.split("\n")
    rows = shown(lines)
    assert list(map(len, rows)) == list(map(len, lines))
    for row, line in zip(rows, lines, strict=True):
        assert all(a in ("\0", b) for a, b in zip(row, line, strict=True))


HOSTILE = [
    *["[a](", "![a](", "](", "[a](b '", '[a](b "', "[a](b (", "[a](<", "[a](<b> ", "![", "[]", "[][", "![a][b]", "]["],
    *["[[[[a]](b)", "[a](b)", "![![a](b)](c)", "[a]: b\n\n[a]", "[^1]: a\n", "[^1]: a\n\n", "[^1]:\n    a\n\n"],
    *["<details>", "<details>\n\n", "</details>", "<details>\n\n</details>\n\n", "<div>\n\n", "<td>", "<table><td>"],
    *[
        "<a '",
        '<a "',
        "<a '\">",
        "$$\n",
        "$$",
        "|a\n|-\n",
        "| a |\n",
        "a | b\n- | -\n",
        "|-",
        "<div>\n/amp x\n",
        "</div",
    ],
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("first", ["", "<div>\n", "[a]: b\n\n!["])
def test_it_takes_time_linear_in_the_text(piece: str, first: str) -> None:
    # Linear takes well under a second, quadratic a minute: the limit only tells these apart.
    lines = (first + piece * (MAX_CHARS // len(piece)))[:MAX_CHARS].split("\n")
    started = time.process_time()
    shown(lines)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a <!-- b --> c", "a  c"),
        ("<!--\nb\n-->\nc\n<!-- d -->", "\nc\n"),
        ("a <!-- b", "a <!-- b"),
        ("`<!-- b -->` c", "`<!-- b -->` c"),
        ("``<!-- ` -->`` c", "``<!-- ` -->`` c"),
        ("```\n<!-- b -->\n```\n<!-- c -->", "```\n<!-- b -->\n```\n"),
        ("~~~\n<!-- b -->\n~~~", "~~~\n<!-- b -->\n~~~"),
        ("` <!-- b -->", "` "),
    ],
)
def test_comments_are_taken_out_but_for_those_in_code(text: str, read: str) -> None:
    assert without_comments(text) == read
