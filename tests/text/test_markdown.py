"""Other people's text in our comments: nothing in it acts on GitHub, and code stays code.

Most rows of the tables are attacks that a fuzzer found with cmark-gfm, GitHub's own parser, as its judge.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.events import commands
from bot.text.markdown import MAX_CHARS, code, line, plain, quote, sanitize, without_skips
from tests.text.markup import GITHUB, TEXTS, alive

J = "\u2060"

PROSE = {
    "a mention": ("thanks @bob", f"thanks @{J}bob"),
    "of a team": ("(@org/team)", f"(@{J}org/team)"),
    "emphasised": ("_@bob_ **@bob**", f"_@{J}bob_ **@{J}bob**"),
    "escaped, which does not help": ("\\@bob", f"\\@{J}bob"),
    "behind a letter that is not ASCII": ("é@bob", f"é@{J}bob"),
    "behind a backtick that opens nothing": ("`@bob", f"`@{J}bob"),
    "as an entity": ("&commat;bob &#64;bob &#x40;bob", "&amp;commat;bob &amp;#\u206064;bob &amp;#x40;bob"),
    "an e-mail address": ("a.b@example.com", "a.b@example.com"),
    "an at sign alone": ("a @ b", "a @ b"),
    "a reference": ("see #12, GH-12 and gh-12", f"see #{J}12, GH-{J}12 and gh-{J}12"),
    "into another repository": ("fixes octo/hello#1", f"fixes octo/hello#{J}1"),
    "emphasised reference": ("_#1_", f"_#{J}1_"),
    "reference with an escape in it": ("GH\\-1 \\#1", f"GH\\-{J}1 \\#{J}1"),
    "reference as an entity": ("&num;1 &#35;1", "&amp;num;1 &amp;#\u206035;1"),
    "a heading and a colour": ("# 1\n#fff", "# 1\n#fff"),
    "a closing address": (
        "Fixes: https://ghe.example/o/r/issues/1",
        f"Fixes: https:{J}//ghe.example/o/r/issues/1",
    ),
    "a closing address in emphasis": ("resolves **https://x.y/1**", f"resolves **https:{J}//x.y/1**"),
    "the address of an issue": (
        "see https://github.com/o/r/issues/1 and http://www.github.com/o/r/pull/2#x",
        "see https://redirect.github.com/o/r/issues/1 and https://redirect.github.com/o/r/pull/2#x",
    ),
    "without a scheme": ("www.github.com/o/r/pull/2", "https://redirect.github.com/o/r/pull/2"),
    "of somebody else": ("https://notgithub.com/o/r/issues/1", "https://notgithub.com/o/r/issues/1"),
    "any other address": ("https://github.com/o/r/blob/main/a.py", "https://github.com/o/r/blob/main/a.py"),
    "a name in an address": ("https://npmjs.com/@scope/x", "https://npmjs.com/%40scope/x"),
    "an address in brackets": ("<https://x.y/z>", "https://x.y/z"),
    "a command": ("/amp stop\n  /lgtm", "\\/amp stop\n  \\/lgtm"),
    "a command in a list and a quote": ("- /merge\n> 1. /hold\n+/x", "- \\/merge\n> 1. \\/hold\n+/x"),
    "a path": ("/ and a/b and //x", "/ and a/b and //x"),
    "markup": ("<img src=x> </details> <!-- x --> <?x?>", "&lt;img src=x> &lt;/details> &lt;!-- x --> &lt;?x?>"),
    "less than": ("a < b <3", "a < b <3"),
    "harmless entities": ("&lt;b&gt; &amp; &nbsp;&mdash;", "&lt;b&gt; &amp; &nbsp;&mdash;"),
    "an image": ("![alt](https://x.y/z.png)", "!\\[alt](https://x.y/z.png)"),
    "a link": ("[text](https://x.y/z)", "[text](https://x.y/z)"),
    "a link definition": ("[a]: https://x.y", f"[a]{J}: https://x.y"),
    "a footnote": ("x[^1]\n\n[^1]: y", f"x[{J}^1]\n\n[{J}^1]{J}: y"),
    "line ends": ("a\r\n/b\r/c", "a\n\\/b\n\\/c"),
    "control characters": ("a\0b\x1b[0m\x0c", "ab[0m"),
    "formatting": ("- **a**\n- [ ] b\n\n| a |\n| - |\n", "- **a**\n- [ ] b\n\n| a |\n| - |\n"),
}


@pytest.mark.parametrize(("text", "shown"), PROSE.values(), ids=PROSE.keys())
def test_prose_is_taken_apart(text: str, shown: str) -> None:
    assert sanitize(text) == shown


CODE = {
    "a span": "use `@bob #1 <T> ![x]`",
    "a span in longer ticks": "``a ` @bob``",
    "beside others": "`a`@ `@b`, `@c`",
    "in a heading, a list, a quote": "# `@a`\n\n- `@b`\n\n> `@c`",
    "a fence": "```python\n@fixture\n# <a> /amp #1\n```",
    "a path": "```\n/usr/bin/env\n/\n- /merge\n```",
    "what skips no commit here": "`[skip ci]`\n\n```yaml\n# [ci skip]\n```",
    "a fence of tildes": "~~~\n@bob\n```\n@bob\n~~~",
    "a longer fence": "````\n```\n@bob\n````",
    "a fence in a list": "- a\n\n  ```\n  @bob\n  -\n  ```\n- b",
    "a fence in a quote": "> ```\n> @bob\n> ```",
    "in a table's cell": "| a |\n| - |\n| `@bob` |",
    "a diff": "```diff\n-\n+\n 1.\n```",
}


@pytest.mark.parametrize("text", CODE.values(), ids=CODE.keys())
def test_code_is_left_as_it_is(text: str) -> None:
    assert sanitize(text) == text


def test_a_command_to_another_bot_is_none_in_code_either() -> None:
    """Prow and its like read the raw text of a comment."""
    text = "```\n/approve\n  /lgtm cancel\n```\n\n> ~~~\n> /hold\n> ~~~"
    assert sanitize(text) == f"```\n{J}/approve\n  {J}/lgtm cancel\n```\n\n> ~~~\n> {J}/hold\n> ~~~"


NOT_CODE = {
    "ticks that do not match": "``a` @bob",
    "escaped ticks": "\\`@bob`",
    "between spans": "`a\nb` @bob `c`",
    "behind a run that is never closed": "` ``a`` @bob ``@bob``",
    "in two cells": "| a | b |\n| - | - |\n| `x | @bob` |",
    "a fence in a list that ended": "- a\n\n  ```\n  x\n@bob",
    "a fence with a tick in its info": "``` a`b\n@bob",
    "a fence in an empty item": "-\n  \n  ```\n@bob",
    "in an address that takes the ticks": "https://x.y`@bob`",
    "in an address with an escape": "www.\\``@bob`",
    "in an address that an escape makes longer": "http://y<v`@bob`",
    "indented, which a list may make prose": "    @bob",
    "a tag that would end the paragraph": "```x\ny\n```\n`a\n<script>`",
}


@pytest.mark.parametrize("text", NOT_CODE.values(), ids=NOT_CODE.keys())
def test_what_only_looks_like_code_is_taken_apart(text: str) -> None:
    shown = sanitize(text)
    assert "@bob" not in shown
    assert "<script" not in shown


SETTLED = {
    "an empty item": ("-\n  \n  ```\n  @bob", f"- {J}\n  \n  ```\n  @bob"),
    "an empty task": ("> 1. [ ] \n>\n>     ```\n> @bob", f"> 1. [ ] {J} \n>\n>     ```\n> @{J}bob"),
    "a list behind a table": ("v\n-|\n9.\n   ```\n@bob", f"v\n-|\n9{J}. {J}\n   ```\n@bob\n```"),
    "a definition with a tick": ("[a]: <a `>\nfoo` `@bob`", f"[a]{J}: &lt;a `>\nfoo` `@bob`"),
    "a footnote with a tick": ("[^`]: a` `@bob`", f"[{J}^`]{J}: a` `@bob`"),
    "a rule is no empty item": ("- - -\n* * *\n---\n> - -  -", "- - -\n* * *\n---\n> - -  -"),
}


@pytest.mark.parametrize(("text", "shown"), SETTLED.values(), ids=SETTLED.keys())
def test_what_parsers_read_differently_is_made_plain(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("```\na", "\n```"),
        ("````\n```", "\n````"),
        ("~~~ x\na", "\n~~~"),
        ("```\na\n```", ""),
        ("use ``` to fence", ""),
        ("````\n```\n````", ""),
        ("- ```\n  a", ""),
        ("> ```\n> a", ""),
    ],
)
def test_an_open_fence_is_closed_and_no_other_opened(text: str, end: str) -> None:
    assert sanitize(text) == text + end


@pytest.mark.parametrize(
    ("text", "max_chars", "shown"),
    [
        ("abc", 3, "abc"),
        ("a" * 100, 50, f"{'a' * 18}\n\n… (cut: 100 characters in all)"),
        ("```\n" + "a" * 100, 60, "```\n" + "a" * 20 + "\n```\n\n… (cut: 104 characters in all)"),
        ("`" + "@bob " * 20 + "`", 60, f"`@{J}bob @{J}bob @{J}bob @{J}bob @{J}b\n\n… (cut: 102 characters in all)"),
    ],
)
def test_long_text_is_cut_with_a_word_about_it_and_stays_harmless(text: str, max_chars: int, shown: str) -> None:
    assert sanitize(text, max_chars) == shown


@pytest.mark.parametrize(
    "text",
    ["<a" * MAX_CHARS, "&#64;" * MAX_CHARS, "@a" * MAX_CHARS, "#1" * MAX_CHARS, "\n" * MAX_CHARS, "```\n" * MAX_CHARS],
)
def test_what_grows_by_being_made_harmless_still_fits(text: str) -> None:
    assert len(sanitize(text)) <= MAX_CHARS
    assert len(line(text, 2_000)) <= 2_000
    assert len(plain(text)) <= 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n  b\tc", "a b c"),
        ("@bob", f"@{J}bob"),
        ("`@bob` @bob", f"`@bob` @{J}bob"),
        ("~~~ @bob", f"~~~ @{J}bob"),
        ("```py\n@bob\n```", "```py @bob ```"),
        ("a" * 300, "a" * 199 + "…"),
    ],
)
def test_a_line_stands_in_the_middle_of_one(text: str, shown: str) -> None:
    assert line(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Fix <T> & `x` | y", "Fix <T> & `x` | y"),
        ("Fix #1 for @bob", f"Fix #{J}1 for @{J}bob"),
        ("closes https://x.y/1", f"closes https:{J}//x.y/1"),
        ("a\nb\x1b\u200b", "a b"),
        ("Do not [skip ci] [CI SKIP]", f"Do not [{J}skip ci] [{J}CI SKIP]"),
        (
            "[no ci] [skip actions] [skip-netlify] [vercel skip]",
            f"[{J}no ci] [{J}skip actions] [{J}skip-netlify] [{J}vercel skip]",
        ),
        ("skip-checks: true ***NO_CI***", f"skip-checks{J}: true ***{J}NO_CI***"),
        ("[skipper] [x] skip ci", "[skipper] [x] skip ci"),
        ("a" * 300, "a" * 199 + "…"),
        ("@a " * 150, f"@{J}a " * 49 + f"@{J}a…"),
        ("", ""),
    ],
)
def test_a_title_is_plain_text_that_acts_on_nothing(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a``b", "``` `a``b ```"),
        ("", "`  `"),
        ("a\nb\u202e", "`a�b�`"),
        ("@bob</code>", "`@bob</code>`"),
    ],
)
def test_inline_code_cannot_be_left(text: str, shown: str) -> None:
    assert code(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\nb", "> a\n>\n> b"),
        ("/amp stop @bob", f"> /amp stop @{J}bob".replace("> /", "> \\/")),
        ("```\na", "> ```\n> a\n> ```"),
        ("```\n\t```\n@bob\n```", "> ```\n>     ```\n> @bob\n> ```"),  # the tab must not become a closing fence
        ("```\n```\u2028\n@bob", "> ```\n> ```\u2028\n> @bob\n> ```"),
        ("a" * 601, "> " + "a" * 600 + " …"),
        ("", ""),
    ],
)
def test_a_quote_is_marked_in_every_line(text: str, shown: str) -> None:
    assert quote(text) == shown


# --- whatever it is ---------------------------------------------------------------------------------


def test_the_judge_sees_what_is_alive() -> None:
    assert alive("@bob `@bob` #1 <b>x</b> [@bob](x)\n\n<!-- x -->") == [" @b", "#1", "b", " x "] or alive("@bob") == [
        "@b"
    ]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("`X``` ```\n```<v>```")
@example("[^`#1`]")
@example('http://y<v`<b a="">`')
def test_no_text_acts_on_github(text: str) -> None:
    assert alive(sanitize(text)) == []
    assert alive(quote(text)) == []
    assert alive(f"- `a`: {line(text, 2_000)}") == []


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_text_reaches_beyond_its_place(text: str) -> None:
    shown = GITHUB.render(f"{sanitize(text)}\n\nCloses it\n\n---\nend")
    assert shown.endswith("<p>Closes it</p>\n<hr />\n<p>end</p>\n")


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(min_value=60, max_value=200))
def test_no_text_commands_us_or_exceeds_its_room(text: str, max_chars: int) -> None:
    for shown in (sanitize(text, max_chars), quote(text), line(text, max_chars)):
        assert commands.parse(shown, names=("v", "x")) == ()
    assert len(sanitize(text, max_chars)) <= max_chars
    assert len(line(text, max_chars)) <= max_chars
    assert len(plain(text, max_chars)) <= max_chars


# What other bots and GitHub itself act on in raw text, with no regard for Markdown.
OTHERS = re.compile(r"^(?:[ \t>]|[-*+] |[0-9]+[.)] )*/[a-z-]+(?:\s|$)", re.IGNORECASE | re.MULTILINE)
SKIPS = re.compile(r"\[skip ci\]|skip-checks:|\*\*\*NO_CI\*\*\*", re.IGNORECASE)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_text_commands_other_bots_or_skips_a_commit(text: str) -> None:
    outside_code = re.sub(r"(?s)(```|~~~).*", "", sanitize(text))
    assert OTHERS.findall(outside_code) == []
    assert re.findall(r"(?m)^[ \t>]*/[a-z]+(?:\s|$)", sanitize(text)) == []
    assert SKIPS.findall(plain(text)) == []
    assert SKIPS.findall(without_skips(sanitize(text))) == []


@given(st.text())
def test_inline_code_is_one_span_whatever_is_in_it(text: str) -> None:
    shown = GITHUB.render(f"a {code(text)} b")
    assert re.fullmatch(r"<p>a <code>[^<]*</code> b</p>\n", shown)
