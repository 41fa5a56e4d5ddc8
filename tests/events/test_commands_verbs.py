"""What the text of a command asks for: a verb, a request, or nothing that can be done; and what an edit adds."""

from __future__ import annotations

from functools import partial

import pytest

from bot.events import commands
from bot.events.commands import Verb
from bot.events.handler import verbs
from bot.model import Command, Problem
from handlers import HANDLERS

NAMES = ["ampbot"]
parse = partial(commands.parse, verbs=verbs(HANDLERS))
new_commands = partial(commands.new_commands, verbs=verbs(HANDLERS))
VERBS = [verb.word for verb in verbs(HANDLERS)]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("text", ["/amp {}", "/amp {}  \n", "/amp\n{}", "@ampbot {}"])
def test_a_verb_is_the_whole_text_in_any_case(verb: str, text: str) -> None:
    for written in (verb, verb.upper(), verb.title()):
        assert parse(text.format(written), names=NAMES) == (Command(verb, "", 0),)


@pytest.mark.parametrize("text", ["stop keep", "Stop  KEEP", "stop\tkeep\n"])
def test_stop_may_keep_the_work(text: str) -> None:
    assert parse(f"/amp {text}", names=NAMES) == (Command("stop", "keep", 0),)


@pytest.mark.parametrize(
    "text",
    [
        "stop the flickering in the header",
        "stop keep it",
        "stop it",
        "keep stop",
        "help me with the login test",
        "status page is broken",
        "retry the request when it fails",
        "review the auth code",
        "review: the auth code",
        "review\nand merge",
        "keep",
        "fix",
        "run",
        "undo",
        "stopping",
        "helpers",
    ],
)
def test_a_verb_with_more_behind_it_is_a_request_like_any_other(text: str) -> None:
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


@pytest.mark.parametrize("text", ["/amp", "/amp ", "@ampbot", "@ampbot[bot]\n\n", "/amp\n\u00a0\n"])
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
        ("help!", "help"),
        ("/help", "help"),
        ("HELP?", "help"),
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
        ("review.", "review"),
    ],
)
def test_a_word_within_one_edit_of_a_verb_is_asked_about_and_not_run(word: str, meant: str) -> None:
    (problem,) = parse(f"/amp {word}", names=NAMES)
    assert isinstance(problem, Problem)
    assert f"did you mean `/amp {meant}`?" in problem.message


@pytest.mark.parametrize(
    "word", ["hepl!", "hlp!", "he", "pleh", "stat", "sto!!", "tpos", "hexxlp", "hp", "retries", "rev", "x"]
)
def test_a_word_two_edits_from_every_verb_is_a_request(word: str) -> None:
    assert parse(f"/amp {word}", names=NAMES) == (Command("run", word, 0),)


def test_one_text_gets_one_answer_however_many_mistakes_it_has() -> None:
    first, second, third = parse("/amp sotp\n/amp fix it\n/amp\n/amp hlep\n/amp help", names=NAMES)
    assert isinstance(first, Problem)
    assert "`/amp stop`" in first.message
    assert (second, third) == (Command("run", "fix it"), Command("help", ""))


@pytest.mark.parametrize("text", ["/amp", *(f"/amp {verb}x" for verb in VERBS)])
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
    ],
)
def test_an_edit_asks_for_what_was_not_there_before(before: str | None, text: str, found: list[Command]) -> None:
    assert list(new_commands(text, before, NAMES)) == found


def test_a_mistake_is_answered_once_and_a_second_one_when_it_is_new() -> None:
    assert new_commands("/amp hlep\nHello", "/amp hlep", NAMES)[0] == Command("run", "hlep\nHello", 0)
    assert new_commands("Hello\n/amp hlep", "/amp hlep", NAMES) == ()
    (problem,) = new_commands("/amp sotp\n/amp hlep", "/amp sotp", NAMES)
    assert isinstance(problem, Problem)
    assert "`/amp help`" in problem.message
