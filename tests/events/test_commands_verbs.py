"""What the text of a command asks for: a verb, a request, or nothing that can be done; and what an edit adds."""

from __future__ import annotations

from functools import partial

import pytest

from bot.events import commands
from bot.events.commands import HELP, REQUEST, RETRY, REVIEW, STATUS, STOP, Verb
from bot.events.handler import verbs
from bot.model import Command, Problem
from handlers import HANDLERS

NAMES = ["ampbot"]
parse = partial(commands.parse, verbs=verbs(HANDLERS))
new_commands = partial(commands.new_commands, verbs=verbs(HANDLERS))
VERBS = [verb.word for verb in verbs(HANDLERS)]


def test_these_are_the_verbs() -> None:
    """A new one is one line in the table and one handler."""
    assert verbs(HANDLERS) == (REQUEST, REVIEW, STOP, RETRY, STATUS, HELP)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "work"])
@pytest.mark.parametrize("text", ["/amp {}", "/amp {}  \n", "/amp\n{}", "@ampbot {}", "/amp please {}!", "/amp **{}**"])
def test_a_verb_alone_is_a_command_in_any_case(verb: str, text: str) -> None:
    for written in (verb, verb.upper(), verb.title()):
        assert parse(text.format(written), names=NAMES) == (Command(verb, "", 0),)


@pytest.mark.parametrize(
    "text",
    [
        *("stop keep", "Stop  KEEP", "stop\tkeep\n", "stop, keep.", "please stop keep it", "cancel keep"),
        "stop keep\n\n-- \nAlice",
    ],
)
def test_stop_may_keep_the_work(text: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("stop", "keep", 0),)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("stop/cancel", Command("stop", "")),
        (":stop_sign: stop", Command("stop", "")),
        ("stop :octocat: <br>", Command("stop", "")),
        ("<!-- maybe --> stop <!-- not yet -->", Command("stop", "")),
        ("\uff53\uff54\uff4f\uff50", Command("stop", "")),
        ("stop/page is broken", Command("run", "stop/page is broken")),
        ("fix it\n<!-- not seen -->\n`<!-- seen -->`", Command("run", "fix it\n\n`<!-- seen -->`")),
    ],
)
def test_a_command_is_what_a_reader_sees(text: str, read: Command) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (read,)


@pytest.mark.parametrize(
    "text", ["cancel", "Abort!", "cancel that, please", "abort\n\nThanks!", "please cancel it now"]
)
def test_other_words_stop_when_they_are_all_that_is_said(text: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("stop", "", 0),)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("stop using the old API", Command("stop", "")),
        ("stop the flickering in the header", Command("stop", "")),
        ("stop keep-alive packets", Command("stop", "")),
        ("stop\n\nThe tests were red anyway.", Command("stop", "")),
        ("please stop the server", Command("stop", "")),
        ("stopしてその後は修正", Command("stop", "")),
        ("cancel\n\nuse the new API instead", Command("stop", "")),
        ("stop keep\n\nand fix the login", Command("stop", "keep")),
        ("status page is broken", Command("status", "")),
        ("help me with the login test", Command("help", "")),
    ],
)
def test_a_verb_that_starts_nothing_says_how_to_ask_for_what_follows_it(text: str, read: Command) -> None:
    command, problem = parse(f"/amp {text}", names=NAMES)
    assert command == read
    assert isinstance(problem, Problem)
    assert f"`/amp {read.verb}`" in problem.message
    assert "starts nothing" in problem.message
    assert "`/amp work`" in problem.message
    assert ("stops what runs here" in problem.message) == (read.verb == "stop")


@pytest.mark.parametrize(
    ("text", "focus"),
    [
        ("review the auth code", "the auth code"),
        ("review: the Auth code.", "the Auth code."),
        ("review, please, the auth code", "please, the auth code"),
        ("please review this PR", "this PR"),
        ("review\nand merge", "and merge"),
        ("review\n\n- one\n- two", "- one\n- two"),
        ("**review** `a.py`", "`a.py`"),
        ("review .env handling", ".env handling"),
        ("reviewしてauthを", "してauthを"),
        ("review please", ""),
        ("review it, thanks!", ""),
        ("review 👍", ""),
        ("review\n\n-- \nAlice", ""),
    ],
)
def test_what_follows_review_is_what_to_look_at(text: str, focus: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("review", focus, 0),)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("work stop the server in tearDown", "stop the server in tearDown"),
        ("work: review the docs, then fix them", "review the docs, then fix them"),
        ("WORK\n\n- create a.txt: a", "- create a.txt: a"),
        ("please work help.py over", "help.py over"),
        ("work work", "work"),
    ],
)
def test_work_forces_a_request(text: str, request_: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("run", request_, 0),)


@pytest.mark.parametrize(
    "text",
    [
        "retry the request when it fails",
        "retry logic in client.py is wrong",
        "cancel button does nothing",
        "abort early in main()",
        "drop support for Python 3.8",
        "keep stop",
        "stop-gap for the login",
        "stop's signature is wrong",
        "stop.py is slow",
        "stop/start is slow",
        "status_code is wrong",
        "help.html is wrong",
        "review.py raises",
        "`stop` hangs",
        '"review" is misspelt',
        "/stop answers 500",
        "this review is wrong",
        "that help text is wrong",
        "don't stop the server",
        "- review the docs\n- fix them",
        "```\nstop\n```",
        "> stop\n\nwhat does this mean?",
        "workflows are slow",
        "keep",
        "fix",
        "run",
        "undo",
        "stopping",
        "helpers",
    ],
)
def test_what_only_looks_like_a_verb_is_a_request(text: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("run", text, 0),)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/amp explain", Command("explain", "")),
        ("/amp EXPLAIN  Bot/Model.py ", Command("explain", "Bot/Model.py")),
        ("/amp explain\nwhat\nit is", Command("explain", "what\nit is")),
        ("/amp explained it", Command("run", "explained it")),
    ],
)
def test_a_verb_may_take_text_which_stays_as_it_was_written(text: str, found: Command) -> None:
    assert commands.parse(text, names=NAMES, verbs=(Verb("explain", takes_text=True),)) == (found,)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/amp hello", Command("hello", "")),
        ("/amp Hello, please!", Command("hello", "")),
        ("/amp hello loud", Command("hello", "loud")),
        ("/amp hello\n\nSent from my iPhone", Command("hello", "")),
        ("/amp hello\n\nand good day", Command("hello", "")),
        ("/amp hello world is not printed", Command("run", "hello world is not printed")),
    ],
)
def test_a_verb_that_says_nothing_of_its_shape_has_a_fixed_one(text: str, found: Command) -> None:
    """The default for handlers of other packages."""
    assert commands.parse(text, names=NAMES, verbs=(Verb("hello", ("loud",)),)) == (found,)


@pytest.mark.parametrize(
    "text",
    [
        *("/amp", "/amp ", "@ampbot", "@ampbot[bot]\n\n", "/amp\n\u00a0\n", "/amp!", "@ampbot?", "/amp...", "/amp :"),
        *(
            "/amp please",
            "@ampbot thank you!",
            "/amp 👍",
            "/amp\n\nSent from my iPhone",
            "/amp work",
            "/amp work, please!",
            "/amp\n<!-- Describe the bug -->\n\n<!--\nand its steps\n-->",
            "/amp :eyes:",
            "/amp <br>",
        ),
    ],
)
def test_nothing_asked_gets_a_useful_answer(text: str) -> None:
    (problem,) = parse(text, names=NAMES)
    assert isinstance(problem, Problem)
    assert problem.message.startswith("Nothing was asked")
    assert "`/amp help`" in problem.message


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("hlep", "help"),
        ("halp", "help"),
        ("hel", "help"),
        ("elp", "help"),
        ("hepl!", "help"),
        ("hlp, please", "help"),
        ("please hlep", "help"),
        ("help1", "help"),
        ("stauts", "status"),
        ("statuss", "status"),
        ("sttatus", "status"),
        ("st\u043ep", "stop"),  # Cyrillic o
        ("stp", "stop"),
        ("sotp", "stop"),
        ("retyr", "retry"),
        ("re-try", "retry"),
        ("reveiw", "review"),
        ("preview", "review"),
        ("wrok", "work"),
        ("cancle", "cancel"),
        ("abrot", "abort"),
        ("sotp\n\nI changed my mind.", "stop"),
    ],
)
def test_a_word_within_one_edit_of_a_verb_is_asked_about_and_not_run(word: str, meant: str) -> None:
    (problem,) = parse(f"/amp {word}", names=NAMES)
    assert isinstance(problem, Problem)
    assert f"did you mean `/amp {meant}`?" in problem.message


@pytest.mark.parametrize("word", ["he", "pleh", "stat", "tpos", "hexxlp", "hp", "retries", "rev", "x"])
def test_a_word_two_edits_from_every_verb_is_a_request(word: str) -> None:
    assert parse(f"/amp {word}", names=NAMES) == (Command("run", word, 0),)


def test_one_text_gets_one_answer_however_many_mistakes_it_has() -> None:
    first, second, third = parse("/amp sotp\n/amp fix it\n/amp\n/amp hlep\n/amp help", names=NAMES)
    assert isinstance(first, Problem)
    assert "`/amp stop`" in first.message
    assert "`/amp help`" in first.message
    assert "Nothing was asked" in first.message
    assert (second, third) == (Command("run", "fix it"), Command("help", ""))


@pytest.mark.parametrize("text", ["/amp", "/amp work", *(f"/amp {verb}x" for verb in VERBS)])
def test_no_answer_holds_a_command(text: str) -> None:
    (problem,) = parse(text, names=NAMES)
    assert isinstance(problem, Problem)
    assert parse(problem.message, names=NAMES) == ()


# --- edits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "text", "found"),
    [
        ("/amp one", "/amp one", []),
        ("/amp one", "", []),
        ("/amp one\n/amp two", "/amp two", []),
        ("", "/amp one", [Command("run", "one", 0)]),
        (None, "/amp one", [Command("run", "one", 0)]),
        ("/amp one", "/amp one\n/amp two", [Command("run", "two", 0)]),
        ("/amp one", "/amp two\n/amp one", [Command("run", "two", 0)]),
        ("/amp one\n/amp two", "/amp two\n/amp one", []),
        ("/amp one", "/amp one and more", [Command("run", "one and more", 0)]),
        ("/amp one", "/amp one\n/amp one", [Command("run", "one", 1)]),
        ("/amp one\n/amp one", "/amp one\n/amp one", []),
        ("/amp stop", "/amp STOP", []),
        ("/amp stop", "/amp stop keep", [Command("stop", "keep", 0)]),
        ("/amp one", "Hello\n\n@ampbot one  \n", []),
        ("/amp one\n\ntwo", "/amp one\r\n\r\ntwo", []),
        ("> /amp one", "/amp one", [Command("run", "one", 0)]),
        ("/amp one", "> /amp one", []),
        ("```\n/amp one\n```", "/amp one", [Command("run", "one", 0)]),
        ("/amp\n/amp one", "/amp\n/amp one", []),
        ("/amp sotp", "/amp stop", [Command("stop", "", 0)]),
        ("/amp stop", "/amp stop, please!", []),
        ("/amp stop", "/amp stop\n\nThanks!", []),
        ("/amp stop", "/amp cancel", []),
        ("/amp stop please", "/amp stop", []),
        ("/amp retry", "/amp retry please", []),
        ("/amp review", "/amp please review", []),
        ("/amp review", "/amp review a.py", [Command("review", "a.py", 0)]),
        ("/amp fix it", "/amp work fix it", []),
        ("/amp stop the server", "/amp work stop the server", [Command("run", "stop the server", 0)]),
        ("/amp fix it", "/amp fix it\n\nSent from my iPhone", []),
        ("/amp do\n- [ ] one\n1. [ ] two", "/amp do\n- [x] one\n1. [X] two", []),
        ("/amp do\n- [x] one", "/amp do\n- [ ] one", []),
        ("/amp do\n- [ ] one", "/amp do\n- [x] two", [Command("run", "do\n- [x] two", 0)]),
    ],
)
def test_an_edit_asks_for_what_was_not_there_before(before: str | None, text: str, found: list[Command]) -> None:
    assert list(new_commands(text, before, NAMES)) == found


def test_a_remark_that_is_added_to_a_stop_stops_nothing_more() -> None:
    (problem,) = new_commands("/amp stop using the old API", "/amp stop", NAMES)
    assert isinstance(problem, Problem)
    assert "`/amp work`" in problem.message
    assert new_commands("/amp stop using the new API", "/amp stop using the old API", NAMES) == ()


def test_a_mistake_is_answered_once_and_a_second_one_when_it_is_new() -> None:
    assert new_commands("/amp hlep\nHello", "/amp hlep", NAMES)[0] == Command("run", "hlep\nHello", 0)
    assert new_commands("Hello\n/amp hlep", "/amp hlep", NAMES) == ()
    (problem,) = new_commands("/amp sotp\n/amp hlep", "/amp sotp", NAMES)
    assert isinstance(problem, Problem)
    assert "`/amp help`" in problem.message
