"""Where a command starts, how far its text goes, and what Markdown hides."""

from __future__ import annotations

import tracemalloc
from functools import partial

import pytest

from bot.events import commands
from bot.events.commands import MAX_CHARS
from bot.events.handler import verbs
from bot.model import Command, Problem
from bot.text import command_messages
from handlers import HANDLERS

NAMES = ["ampbot"]
parse = partial(commands.parse, verbs=verbs(HANDLERS))


def asked(text: str) -> list[tuple[str, str]]:
    return [(each.verb, each.text) for each in parse(text, names=NAMES) if isinstance(each, Command)]


def run(*texts: str) -> list[tuple[str, str]]:
    return [("run", text) for text in texts]


# --- what a command is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/amp fix the login test", run("fix the login test")),
        ("/AMP Fix The Login Test", run("Fix The Login Test")),
        ("/amp\tfix it", run("fix it")),
        ("/amp\u00a0fix it", run("fix it")),
        ("/amp   fix it  \n\n", run("fix it")),
        ("/amp\nfix it", run("fix it")),
        ("   /amp fix it", run("fix it")),
        ("@ampbot fix it", run("fix it")),
        ("@ampbot[bot] fix it", run("fix it")),
        ("@AmpBot fix it", run("fix it")),
        ("  @ampbot\nfix it", run("fix it")),
        ("/amp, fix it", run("fix it")),
        ("/amp: fix it", run("fix it")),
        ("/amp:fix it", run("fix it")),
        ("@ampbot[bot], fix it", run("fix it")),
        ("@ampbot! Fix it", run("Fix it")),
        ("/amp\u3000fix it", run("fix it")),
        ("/amp\uff1afix it", run("fix it")),
        ("@ampbot\uff0cfix it", run("fix it")),
        ("/amp\u3001fix it", run("fix it")),
        ("/ampログインを直して", run("ログインを直して")),
        ("/amp「ログイン」を直して", run("「ログイン」を直して")),
        ("@ampbot修复登录测试", run("修复登录测试")),
        ("@ampbot[bot]แก้การทดสอบ", run("แก้การทดสอบ")),
    ],
)
def test_a_command_is_slash_amp_or_a_mention_at_the_start_of_a_line(text: str, found: list[tuple[str, str]]) -> None:
    assert asked(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please /amp fix it",
        "/amped fix it",
        "/amp-foo fix it",
        "/amp/foo fix it",
        "/amp.foo fix it",
        "/amp_foo fix it",
        "/amp's fix",
        "/amp(1) fix it",
        "/ampère fix it",
        "/amp\u0430 fix it",  # Cyrillic a
        "/ampbot fix it",
        "//amp fix it",
        "\\/amp fix it",
        "amp fix it",
        "/ amp fix it",
        "@ampbot2 fix it",
        "@ampbot's login is broken",
        "@ampbot\u2019s login is broken",
        "@ampbot/team fix it",
        "@ampbot.com fix it",
        "@ampbot_ fix it",
        "@ampbot-preview fix it",
        "@ampbot[bot]s fix it",
        "@ampbotx fix it",
        "hello @ampbot fix it",
        "@somebody fix it",
        "**/amp fix it**",
        "[/amp](https://x) fix it",
        "<b>/amp fix it</b>",
        "# /amp fix it",
        "| /amp fix it |",
    ],
)
def test_anything_else_on_a_line_is_none(text: str) -> None:
    assert parse(text, names=NAMES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "/a\u200bmp fix it",
        "/amp\u200b fix it",
        "\u200b/amp fix it",
        "\ufeff/amp fix it",
        "/\u0430mp fix it",  # Cyrillic a
        "/\uff41mp fix it",  # full-width a
        "\uff0famp fix it",  # full-width slash
        "\u2215amp fix it",  # division slash
        "@amp\u200bbot fix it",
        "@\u0430mpbot fix it",
        "\uff20ampbot fix it",
        "@ampb\u043et fix it",  # Cyrillic o
    ],
)
def test_zero_width_characters_and_look_alikes_are_no_name(text: str) -> None:
    assert parse(text, names=NAMES) == ()


def test_letters_that_fold_to_ascii_are_no_name() -> None:
    assert parse("@\u212aodiak fix it", names=["kodiak"]) == ()  # the Kelvin sign
    assert parse("@bot\u017f fix it", names=["bots"]) == ()  # the long s


def test_every_name_counts_and_is_taken_literally() -> None:
    found = parse("@one do a\n@t.o do b\n@two do c\n@ampbot do d", names=["one", "t.o"])
    assert found == (Command("run", "do a", 0), Command("run", "do b\n@two do c\n@ampbot do d", 0))
    assert parse("@ampbot fix it\n/amp fix it", names=[]) == (Command("run", "fix it", 0),)


# --- how far its text goes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hello,\n\n/amp fix it\n\nThanks!", run("fix it\n\nThanks!")),
        ("Hello,\n/amp fix it", run("fix it")),
        ("/amp one\n/amp two", run("one", "two")),
        ("/amp one\n\nmore\n@ampbot two\n/amp stop", [*run("one\n\nmore", "two"), ("stop", "")]),
        ("/amp one /amp two", run("one /amp two")),
        ("/amp do\n```\n/amp not\n```\nthis", run("do\n```\n/amp not\n```\nthis")),
        ("/amp do\n\n> /amp not\n\nthis", run("do\n\n> /amp not\n\nthis")),
        ("/amp do\n\n    /amp not", run("do\n\n    /amp not")),
        ("/amp do <!-- this --> and `<!-- that -->`", run("do  and `<!-- that -->`")),
        ("/amp do\n\n- /amp not", run("do\n\n- /amp not")),
        ("/amp one\r\ntwo\r\n\r\n/amp three\r\n", run("one\ntwo", "three")),
        ("/amp one\rtwo\r/amp three\r", run("one\ntwo", "three")),
        ("/amp one\u2028/amp two", run("one\u2028/amp two")),
        ("/amp one\x0b/amp two", run("one\x0b/amp two")),
    ],
)
def test_its_text_runs_to_the_next_command_or_the_end_verbatim_but_for_html_comments(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert asked(text) == found


def test_what_is_longer_than_githubs_limit_is_cut_there() -> None:
    assert MAX_CHARS == 65_536
    text = "/amp " + "x" * MAX_CHARS
    assert parse(text, names=NAMES) == (Command("run", "x" * (MAX_CHARS - 5), 0),)
    assert parse("x" * (MAX_CHARS - 4) + "\n/amp fix it", names=NAMES) == ()


def test_equal_commands_are_numbered_and_others_do_not_move_them() -> None:
    found = parse("/amp one\n/amp\n/amp two\n/amp one\n/amp stop", names=NAMES)
    assert [(each.text, each.index) for each in found if isinstance(each, Command)] == [
        ("one", 0),
        ("two", 0),
        ("one", 1),
        ("", 0),
    ]


# --- where there is none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "```\n/amp fix it\n```",
        "```sh\n/amp fix it\n```",
        "~~~\n/amp fix it\n~~~",
        "````\n```\n/amp fix it\n```\n````",
        "```\n/amp fix it",  # a fence that is never closed goes to the end
        "   ```\n   /amp fix it\n   ```",
        "    /amp fix it",
        "\t/amp fix it",
        " \t/amp fix it",
        "text\n    /amp fix it",
        "text `code\n/amp fix it\n` text",
        "text ``code `\n/amp fix it\n`` text",
        "text `code ````\n/amp fix it\n` text",
    ],
)
def test_code_holds_no_command(text: str) -> None:
    assert parse(text, names=NAMES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "> /amp fix it",
        ">/amp fix it",
        "> > /amp fix it",
        "> text\n/amp fix it",  # Markdown goes on with the quoted paragraph
        "> > text\n/amp fix it",
        "> - text\n/amp fix it",
        "text\n> quoted\n/amp fix it",
        "- item\n> quoted\n/amp fix it",
        "> > > > > > text\n> /amp fix it",
        "> [!NOTE]\n> /amp fix it",
        "- > /amp fix it",
    ],
)
def test_a_quote_holds_no_command(text: str) -> None:
    assert parse(text, names=NAMES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "<!-- /amp fix it -->",
        "<!--\n/amp fix it\n-->",
        "<!--\n\n/amp fix it",  # a comment that is never closed goes to the end
        "text <!--\n/amp fix it\n-->",
        "text <!-- a --> b <!-- c\n/amp fix it\n-->",
        "<details>\n/amp fix it\n</details>",
        "<pre>\n\n/amp fix it\n\n</pre>",
        "text <b title='\n/amp fix it\n'>bold</b>",
        "text <?\n/amp fix it\n?>",
        "text <![CDATA[\n/amp fix it\n]]>",
        "text <!X\n/amp fix it\nx>",
    ],
)
def test_html_holds_no_command(text: str) -> None:
    assert parse(text, names=NAMES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "- /amp fix it",
        "1. /amp fix it",
        "- step\n  /amp fix it",
        "1. step\n\n   /amp fix it",
        "- a\n  - b\n /amp fix it",
    ],
)
def test_an_item_of_a_list_holds_no_command(text: str) -> None:
    assert parse(text, names=NAMES) == ()


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode\n```\n/amp fix it",
        "`code`\n/amp fix it",
        "a ` lonely backtick\n/amp fix it",
        "``a` lonely run\n/amp fix it",
        "an escaped \\` backtick\n/amp fix it\n`",
        "an escaped \\\\`backslash`\n/amp fix it",
        "an escaped \\<!-- comment\n/amp fix it\n-->",
        "text <!-- never closed\n/amp fix it",
        "text <!-->\n/amp fix it\n-->",
        "text <!-- ` -->\n/amp fix it\n`",
        "text <b>\n/amp fix it\n</b>",
        "1 < 2\n/amp fix it\n3 > 2",
        "<!-- c -->\n/amp fix it",
        "> text\n\n/amp fix it",
        "> text\n>\n/amp fix it",
        "> > text\n> >\n/amp fix it",
        "> > > > text\n> > > >\n/amp fix it",
        "> ```\n/amp fix it",
        "> # heading\n/amp fix it",
        "- item\n/amp fix it",
        "- item\n\n /amp fix it",
        "- a\n  - b\n    - c\n      - d\n/amp fix it",
        "# heading\n/amp fix it",
        "---\n/amp fix it",
        "[a]: https://x\n/amp fix it",
        "| a |\n|---|\n\n/amp fix it",
    ],
)
def test_behind_code_quotes_html_and_lists_a_line_is_free_again(text: str) -> None:
    assert asked(text)
    assert asked(text)[0][1].startswith("fix it")


def test_a_line_that_markdown_underlines_to_a_heading_is_a_command_all_the_same() -> None:
    assert asked("/amp fix it\n===\nnow") == run("fix it\n===\nnow")
    assert asked("/amp fix it\n--\nAlice") == run("fix it")  # a signature, by which the line becomes a heading


# --- said once more, or said oddly ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("/amp /stop", "stop"),
        ("/amp /stop everything", "stop"),
        ("@ampbot /amp /review, please", "review"),
        ("/amp /stop answers 500", "run"),
        ("/amp cancel the run", "stop"),
        ("/amp retry everything", "retry"),
        ("/amp /help/page.md is wrong", "run"),
        ("/amp /usr/bin/amp is gone", "run"),
        ("/amp cancel the subscription of a user", "run"),
    ],
)
def test_a_slash_or_an_object_makes_no_request_of_a_verb(text: str, verb: str) -> None:
    found = parse(text, names=NAMES)
    assert [each.verb for each in found if isinstance(each, Command)] == [verb]


def test_words_below_a_command_that_takes_none_are_answered() -> None:
    found = parse("/amp retry\n\nuse approach B", names=NAMES)
    assert found == (Command("retry", "", 0), Problem(command_messages.not_taken_along("retry")))
    assert parse("/amp retry\n\nThanks!", names=NAMES) == (Command("retry", "", 0),)


def test_a_misspelt_verb_with_thanks_below_starts_nothing() -> None:
    found = parse("/amp stpo\nThanks", names=NAMES)
    assert found == (Problem(command_messages.did_you_mean("stop")),)


def test_a_request_that_looks_like_the_line_above_a_mail_is_one() -> None:
    texts = ["the user <a@b.org> gets at 10:30 this error:\n> Trace", "mail <bob@x.org> daily at 10:30:"]
    for text in texts:
        assert parse(f"/amp {text}", names=NAMES) == (Command("run", text, 0),)


def test_tables_cost_no_memory() -> None:
    """Markdown-it completes short rows: gigabytes for one comment."""
    table = "\n" + "|a" * 180 + "\n" + "|-" * 180 + "\n" + "a\n" * 360 + "\n"
    tracemalloc.start()
    try:
        assert parse("/amp x\n" + table * 45 + "\n/amp y", names=NAMES)[1:] == (Command("run", "y", 0),)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
