"""Stopping is safe, starting costs: every verb with everything that people and mail programs put around it.

What a text comes to is read from the actions that its handlers plan: runs that work, runs that read, stops, answers.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, product

import pytest

from bot.events.commands import MAX_CHARS, new_commands, parse
from bot.events.effects import Action, Reply, RetryRun, ShowStatus, StartRun, StopRuns
from bot.events.handler import HandlerContext, Invocation, reply, verbs
from bot.model import Command, CommentEvent, CommentKind, Problem, RunKind
from handlers import HANDLERS
from tests.events.deliveries import ACTOR, PULL_PLACE

VERBS = verbs(HANDLERS)
NAMES = ("ampbot",)
SAID = CommentEvent(PULL_PLACE, ACTOR, "", CommentKind.ISSUE, 400, "2026-01-02T03:04:05Z")

ADDRESSED = [
    *("/amp ", "/AMP ", "  /amp ", "/amp, ", "/amp: ", "/amp:", "/amp\n", "/amp\n\n", "/amp\u3000", "/amp\uff1a"),
    *(
        "@ampbot ",
        "@AmpBot ",
        "@ampbot[bot] ",
        "@ampbot, ",
        "@ampbot! ",
        "@ampbot /amp ",
        "/amp, @ampbot[bot]: ",
        "/amp /amp ",
        "@ampbot\n",
        "Hello,\n\n/amp ",
        "Hi\r\n@ampbot ",
    ),
]
POLITELY = ["", "please ", "Please, ", "pls ", "kindly ", "now ", "**"]
PUNCTUATION = ["", ".", "!", "!!!", "...", "…", ",", ":", " -", " —", "?", "。", "！", " 🛑", "🛑", "**"]
COURTESY = ["", " please", ", please!", " thank you!", " pls 🙏", "\nplease", "\n\nThanks!"]
MAIL = [
    "",
    "\n\n-- \nAlice",
    "\n--\nAlice",
    "\n\nSent from my iPhone",
    "\n\nGet Outlook for iOS<https://aka.ms/o0ukef>",
    "\n\nOn Tue, Jan 6, 2026 at 3:04 PM mona <\nnotifications@github.com> wrote:\n\n> /amp do it\n",
    "\n\n-----Original Message-----\nFrom: mona\n\n/amp do it",
    "\n\n________________________________\nFrom: mona\nSent: Tue\nTo: y\nSubject: z\n\n/amp do it",
]
REMARKS = [
    "\n\nI changed my mind.",
    "\n\nThe tests were red.\n\n- one\n- two",
    "\r\n\r\nAlice",
    "\n\n```\n/amp do it\n```",
    "\n\n> /amp do it\n\nI take that back.",
    "\n\n| a |\n| --- |\n| b |",
]
BEGINNINGS = [
    *(
        " using the old API",
        " button is broken",
        ": the page hangs",
        ", the page hangs",
        " - the page hangs",
        "\nthe page hangs",
    ),
    *(
        "!the page hangs",
        " (the page) hangs",
        " `page.py` hangs",
        " 页面挂起",
        "页面挂起",
        " the server when #12 is closed",
    ),
]
# First words that count whatever follows, and shapes that count alone.
STOPS = ["stop", "STOP"]
ALONE = ["stop keep", "cancel", "Abort", "cancel it", "abort that"]


def texts(said: list[str], *behind: list[str]) -> Iterator[str]:
    """Each of `said` with everything that may be behind it, addressed in turns in every way and politeness."""
    fronts = cycle(product(ADDRESSED, POLITELY))
    for word, *rest in product(said, *behind):
        text = "".join([word, *rest])
        if not re.search(":\n\n(Sent|Get)", text):  # a line that ends in a colon announces what is below it
            yield "".join([*next(fronts), text])


def actions(text: str, before: str | None = None) -> tuple[Action, ...]:
    """What the text comes to; with `before`, what the edit comes to."""
    planned: list[Action] = []
    for found in new_commands(text, before, NAMES, VERBS):
        if isinstance(found, Problem):
            planned.append(reply(SAID, "issue:400", found.message))
            continue
        invocation = Invocation(SAID, found, frozenset(NAMES))
        (handler,) = (handler for handler in HANDLERS if handler.matches(invocation))
        planned += handler.plan(HandlerContext(invocation, "issue:400"))
    return tuple(planned)


def effects(text: str, before: str | None = None) -> Counter[str]:
    """How many of each: runs that work (a retry may), runs that read, stops, answers, and hints at `/amp work`."""
    counted: Counter[str] = Counter()
    for action in actions(text, before):
        match action:
            case StartRun(request=request):
                counted["works" if request.kind is RunKind.WORK else "reads"] += 1
            case RetryRun():
                counted["works"] += 1
            case StopRuns():
                counted["stops"] += 1
            case Reply(text=said):
                counted["answers"] += 1
                counted["hints"] += "`/amp work`" in said
            case ShowStatus():
                counted["answers"] += 1
            case _:
                pass
    return +counted


def failures(cases: Iterator[str], expected: dict[str, int]) -> list[str]:
    wrong = [text for text in cases if effects(text) != Counter(expected)]
    return wrong[:5]


# --- what stops ---------------------------------------------------------------------------------------


def test_a_text_that_stops_starts_nothing() -> None:
    said = [*STOPS, *ALONE]
    assert failures(texts(said, PUNCTUATION, COURTESY, MAIL), {"stops": 1}) == []


def test_a_remark_below_a_stop_starts_nothing_and_is_told_how_to_become_a_request() -> None:
    cases = texts([*STOPS, *ALONE], PUNCTUATION, COURTESY[:5], REMARKS, MAIL[:4])
    assert failures(cases, {"stops": 1, "answers": 1, "hints": 1}) == []


def test_a_request_that_begins_with_stop_stops_and_is_told_how_to_become_one() -> None:
    assert failures(texts(STOPS, BEGINNINGS, COURTESY, MAIL), {"stops": 1, "answers": 1, "hints": 1}) == []


def test_a_stop_with_a_slip_of_the_pen_starts_nothing() -> None:
    slips = ["sotp", "stpo", "stp", "stopp", "atop", "cancle", "abrot", "cancl"]
    cases = texts(
        slips, [mark for mark in PUNCTUATION if mark != "**"], COURTESY[:5], [*MAIL, "\n\nI changed my mind."]
    )
    assert failures(cases, {"answers": 1, "hints": 1}) == []


# --- what reads ---------------------------------------------------------------------------------------


def test_a_text_that_reviews_pushes_nothing() -> None:
    said = ["review", "Review"]
    assert failures(texts(said, PUNCTUATION, COURTESY, MAIL), {"reads": 1}) == []
    assert failures(texts(said, PUNCTUATION, COURTESY, REMARKS), {"reads": 1}) == []
    assert failures(texts(said, BEGINNINGS, COURTESY, MAIL), {"reads": 1}) == []


def test_what_follows_review_reaches_the_reviewer() -> None:
    for text in texts(["review"], BEGINNINGS, MAIL):
        (request,) = (action.request for action in actions(text) if isinstance(action, StartRun))
        assert "hangs" in request.text or "broken" in request.text or "API" in request.text or len(request.text) > 3, (
            text
        )


@pytest.mark.parametrize("verb", ["status", "help"])
def test_a_text_that_asks_how_things_stand_starts_nothing(verb: str) -> None:
    said = [verb, verb.title()]
    assert failures(texts(said, PUNCTUATION, COURTESY, MAIL), {"answers": 1}) == []
    for text in (*texts(said, PUNCTUATION, REMARKS), *texts(said, BEGINNINGS, COURTESY, MAIL)):
        done = effects(text)
        assert (done["answers"], done["works"], done["reads"], done["stops"]) == (2, 0, 0, 0), text


# --- what works ---------------------------------------------------------------------------------------


def test_retry_counts_alone_and_is_a_request_otherwise() -> None:
    assert failures(texts(["retry", "Retry", "retry that"], PUNCTUATION, COURTESY, MAIL), {"works": 1}) == []
    for text in texts(["retry"], PUNCTUATION, COURTESY[:5], [*MAIL, *REMARKS]):
        assert any(isinstance(action, RetryRun) for action in actions(text)), text
    for text in texts(
        ["retry", "cancel", "abort", "drop", "go", "undo"], [" logic in client.py is wrong", " the second one"], MAIL
    ):
        (request,) = (action.request for action in actions(text) if isinstance(action, StartRun))
        assert request.kind is RunKind.WORK, text
        assert request.text.endswith((" logic in client.py is wrong", " the second one")), text


def test_work_makes_a_request_of_anything_word_for_word() -> None:
    requests = [
        *("stop the server in tearDown", "stop", "review the docs", "status", "retry", "work", "help me"),
        "stop\n\nkeep",
        "- one\n- two\n\n```\n/amp stop\n```",
    ]
    for request, mail in product(requests, MAIL):
        for text in texts([f"work {request}{mail}", f"Work: {request}{mail}", f"work\n\n{request}{mail}"]):
            (planned,) = (action.request for action in actions(text) if isinstance(action, StartRun))
            assert (planned.kind, planned.text) == (RunKind.WORK, request), text
            assert effects(text) == Counter(works=1), text


# --- answers, edits, time -----------------------------------------------------------------------------

WORDS = [
    "",
    "stop",
    "review",
    "status",
    "help",
    "work",
    "retry",
    "cancel",
    "fix",
    "fix it",
    "sotp",
    "thanks",
    "🙂",
    "?",
    "...",
    "页面",
]


def test_whoever_addresses_the_bot_gets_an_answer() -> None:
    behind = [*PUNCTUATION, *COURTESY, *MAIL, *REMARKS, *BEGINNINGS]
    assert [text for text in texts(WORDS, behind, MAIL[:4]) if not effects(text)] == []
    silent = [address for address in ADDRESSED if not effects(address.rstrip(" "))]
    assert silent == []


def test_an_edit_of_what_starts_nothing_starts_nothing() -> None:
    for word in ("stop", "stop keep", "cancel", "status", "help", "review", "retry"):
        for before, after in product([word, f"{word}, please"], [f"{word}{more}" for more in (*COURTESY, *MAIL)]):
            assert effects(f"/amp {after}", f"/amp {before}") == Counter(), (before, after)
    for before, after in product(["", *REMARKS, *BEGINNINGS], repeat=2):
        done = effects(f"/amp stop{after}", f"/amp stop{before}")
        assert (done["works"], done["reads"], done["stops"]) == (0, 0, 0), (before, after)


def test_commands_keep_their_runs_whatever_a_mail_program_adds() -> None:
    for mail, text in product(MAIL, ["/amp fix it", "/amp work fix it", "@ampbot fix it"]):
        assert parse(text + mail, names=NAMES, verbs=VERBS) == (Command("run", "fix it"),)


HOSTILE = [
    *(
        "/amp stop a\n",
        "/amp sotp\n",
        "/amp work x\n",
        "/amp work stop ",
        "/amp please\n",
        "please ",
        "stop ",
        "keep ",
        "stop-",
        "stop.",
    ),
    *(
        "-- \n",
        "--\n",
        "-- \na\n\n",
        "On 1:11 a wrote:\n",
        "On 1:11 ",
        "From: a\n",
        "From: a\n\n",
        "\n\nFrom: a",
        "_" * 10 + "\n",
    ),
    *(
        "<a@",
        "a@",
        "@github.",
        "Sent from my ",
        "Sent from my a\n",
        "> a\n",
        "---",
        "页",
        "页 ",
        "**",
        "!",
        ".py",
        "a's",
    ),
    *("From: a@github.com\nSent: b\nTo: c\n", "wrote:\n", "schrieb ", "a écrit "),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_longest_hostile_comment_takes_no_longer_than_a_long_one(piece: str) -> None:
    # Linear takes well under a second, quadratic a minute: the limit only tells these apart.
    for first, last in [
        ("/amp ", ""),
        ("/amp stop ", "\n"),
        ("/amp x\nOn 1:11 ", " wrote:\n\n> a"),
        ("/amp\n", "\n/amp x"),
    ]:
        middle = (piece * (MAX_CHARS // len(piece) + 1))[: MAX_CHARS - len(first) - len(last)]
        started = time.process_time()
        parse(first + middle + last, names=NAMES, verbs=VERBS)
        assert time.process_time() - started < 5
