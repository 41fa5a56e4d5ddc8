"""What holds of every text, however hostile: nothing raises, nothing hidden is found, and it takes little time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from bot.events.commands import MAX_CHARS, new_commands, parse
from bot.model import Command

NAMES = ["ampbot"]

PIECES = st.sampled_from(
    [
        *[
            "/amp ",
            "@ampbot ",
            "fix it",
            "stop",
            "\n",
            "\n\n",
            "\r\n",
            "\r",
            " ",
            "    ",
            "\t",
            "> ",
            ">",
            "- ",
            "* ",
            "1. ",
        ],
        *["`", "``", "```\n", "~~~\n", "\\", "\\`", "# ", "===\n", "---\n", "[a]: b", "[", "]", "_", "*"],
        *["<!--", "-->", "<b>", "</b>", "<div>", "</div>\n", "<b c='", "'>", "<?", "?>", "<!A", "<pre>"],
        *["\x0c", "\u2028", "\0", "\ud800"],
    ]
)
MARKDOWN = st.lists(PIECES, max_size=30).map("".join)


@given(text=st.text(st.characters(exclude_categories=())) | MARKDOWN)
@example(text="> - <!--\n/amp x\n> ")
@example(text="/amp x\n\n> - <script>\n>")
@settings(max_examples=500)
def test_no_text_makes_it_raise_and_every_command_was_written(text: str) -> None:
    written = text.replace("\r\n", "\n").replace("\r", "\n")
    for each in parse(text, names=NAMES):
        if isinstance(each, Command) and each.verb == "run":
            rest = iter(written)
            assert all(letter in rest for letter in each.text), "only comments were taken out"
    assert new_commands(text, text, NAMES) == ()
    assert new_commands(text, None, NAMES) == parse(text, names=NAMES)


@given(inside=MARKDOWN, fence=st.sampled_from(["```", "~~~", "`````"]))
def test_nothing_in_a_fence_is_a_command(inside: str, fence: str) -> None:
    closed = inside.replace(fence[0], "")
    assert parse(f"{fence}\n/amp a\n{closed}\n/amp b\n{fence}", names=NAMES) == ()


@given(inside=MARKDOWN)
def test_nothing_in_a_quote_is_a_command(inside: str) -> None:
    quoted = "\n".join(f"> {line}" for line in re.split("\r\n|\r|\n", inside))
    assert parse(quoted, names=NAMES) == ()


@given(inside=MARKDOWN)
def test_nothing_in_an_html_comment_is_a_command(inside: str) -> None:
    assert parse(f"<!--\n/amp a\n{inside.replace('--', '')}\n/amp b\n-->", names=NAMES) == ()


@given(
    texts=st.lists(st.from_regex(r"[a-z]{1,9}( [a-z]{1,9}){1,4}(\n\n[a-z ]{1,9}[a-z])?", fullmatch=True), max_size=5)
)
def test_what_was_asked_comes_back_word_for_word(texts: list[str]) -> None:
    requests = [text for text in texts if text != "stop keep"]
    comment = "\n".join(f"/amp {text}" for text in requests)
    assert parse(comment, names=NAMES) == tuple(
        Command("run", text, requests[:position].count(text)) for position, text in enumerate(requests)
    )


def in_html(text: str) -> set[int]:
    """The numbers of the lines in blocks of HTML, which Markdown's parser does not read."""
    tokens = MarkdownIt("commonmark").block.parse(f"{text}\n", MarkdownIt("commonmark"), {}, []) or ()
    blocks = [token.map for token in tokens if token.type == "html_block" and token.map]
    return {line for first, end in blocks for line in range(first, end)}


def by_markdown(text: str) -> list[int]:
    """The numbers of the lines that start a command, as Markdown's own inline parser sees them."""
    lines = re.split("\r\n|\r|\n", text)
    hits: list[int] = []

    def at_line_start(state: StateInline, silent: bool) -> bool:
        before = state.src[: state.pos].rpartition("\n")[2]
        if not silent and not before.strip(" "):
            hits.append(state.env["first"] + state.src.count("\n", 0, state.pos))
        return False

    markdown = MarkdownIt("commonmark")
    markdown.inline.ruler.before("text", "at_line_start", at_line_start)
    markdown.inline.ruler.enableOnly(["at_line_start", "text", "newline", "escape", "backticks", "html_inline"])
    found, quotes, lists = [], 0, 0
    for token in markdown.block.parse("\n".join([*lines, ""]), markdown, {}, []) or ():
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        lists += token.nesting if token.type.startswith("list_item") else 0
        if token.type == "inline" and token.map and not quotes:
            hits.clear()
            source = "\n".join(line.lstrip(" \t") for line in lines[token.map[0] : token.map[1]])
            markdown.inline.parse(source, markdown, {"first": token.map[0]}, [])
            indent = "" if lists else " {0,3}"
            found += [n for n in dict.fromkeys(hits) if re.match(rf"{indent}(/amp|@ampbot)\s", lines[n] + " ")]
    return found


# markdown-it differs from GitHub on comments with more than two dashes in a row, so these are left out.
@given(text=MARKDOWN.filter(lambda text: "---" not in text))
@example(text="`\n/amp x\n`")
@example(text="``` a\n`\n/amp x\n`")
@example(text="</div>\n/amp x")
@example(text="a <b c='\n/amp x\n'> `\n@ampbot y\n`")
@settings(max_examples=500)
def test_the_lines_that_start_a_command_are_those_of_markdowns_own_parser(text: str) -> None:
    lines = re.split("\r\n|\r|\n", text)
    numbered = [re.sub(r"^( {0,3})(/amp|@ampbot)(?=\s|$)", rf"\1\2 [{n}]", line) for n, line in enumerate(lines)]
    written = "\n".join(numbered)
    found = [each for each in parse(written, names=NAMES) if isinstance(each, Command)]
    starts = [int(each.text[1:].partition("]")[0]) for each in found]
    assert [line for line in starts if line not in in_html(written)] == by_markdown(written)


# --- any length ------------------------------------------------------------------------------------

HOSTILE = [
    *[
        "\n",
        "- [x] ",
        "- [x] a\n",
        ">",
        "> ",
        "[",
        "![",
        "[a](",
        "*",
        "_",
        "`",
        "``a`",
        "\\",
        "&",
        "<",
        "<!--",
        "<!-- ---",
        "<?",
        "<![CDATA[",
        "<!A",
    ],
    *[
        '<a b="',
        "<a b='",
        "<a ",
        "</",
        "<http:",
        "- ",
        "-\n",
        "- a\n",
        "1) a\n",
        "- > ",
        "\n",
        "a\n",
        "`\n",
        "#",
        "===\n",
    ],
    *[
        "[a]: ",
        "[a]:\n",
        "[a]: b '",
        "```\n",
        "~~~",
        "    a\n",
        "\t",
        "<div>\n",
        "/amp\n",
        "/amp a\n",
        "|a",
        "\r",
        "\0",
    ],
    "".join("`" * length + " " for length in range(1, 361)),
    ">" * 19 + "a\n" + "a\n" * MAX_CHARS,
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_longest_hostile_comment_takes_no_longer_than_a_long_one(piece: str) -> None:
    # Linear takes well under a second, quadratic a minute: the limit only tells these apart.
    for first, last in [("/amp x\n", ""), ("/amp x\na ", ""), ("/amp x\na ", " --->"), ("", "\n\n/amp x")]:
        middle = (piece * (MAX_CHARS // len(piece) + 1))[: MAX_CHARS - len(first) - len(last)]
        started = time.process_time()
        new_commands(first + middle + last, None, NAMES)  # reads as `parse` does, and looks for ticked boxes
        assert time.process_time() - started < 5
