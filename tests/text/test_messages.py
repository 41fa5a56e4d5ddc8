"""Every sentence a person on GitHub can see: golden comments, and that nobody's words act, command or overflow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.agent.outcome import Failure, Outcome
from bot.agent.stream import Usage
from bot.changes.changeset import Change, Violation
from bot.events import commands
from bot.model import Actor, ActorKind, Ending, RunKind, RunRequest, RunState
from bot.text import messages, refusal_messages, review_messages, sandbox_messages
from bot.text.messages import RunCost
from tests.events.deliveries import ACTOR, PLACE, PULL_PLACE
from tests.factory import outcome, pinned, run_request
from tests.text.markup import TEXTS, alive

REQUEST = run_request()
GITHUB_MOST = 65_536
J = "\u2060"
MARK = "<!-- ampbot:run:0123abcd-89ef-5000-8000-000000000000 -->"
REVIEW = run_request(kind=RunKind.REVIEW, issue=PULL_PLACE, text="")
PINNED = pinned()
USAGE = Usage(input_tokens=1_000, output_tokens=234, cache_read=20_000, cache_creation=5)
OUTCOME = outcome(usage=USAGE)
PRICE = RunCost(83.4, OUTCOME, "https://ampcode.com/threads/T-1")
CHEAP = RunCost(4.2, None, None)
TOOK = (
    "<sub>1 min 23 s · 21,005 tokens in, 234 out · [Amp thread](https://ampcode.com/threads/T-1) · run `0123abcd`</sub>"
)
ASKED = "> **alice:** fix it"


def changes(count: int) -> tuple[Change, ...]:
    return tuple(Change(f"f{number}", "100644", None, "0" * 40, b"", "added") for number in range(count))


# --- the one comment of a run -----------------------------------------------------------------------

WAITS = "Another run of this conversation is at work; this one is number 2 in line and starts by itself."
PROGRESS: list[tuple[RunRequest, RunState, int, int, str]] = [
    (REQUEST, RunState.QUEUED, 0, 0, f"### ⏳ Working on it\n\n{ASKED}\n\nPreparing a sandbox with a fresh checkout."),
    (
        REQUEST,
        RunState.QUEUED,
        2,
        0,
        f"### ⏳ Queued\n\n{ASKED}\n\n{WAITS}",
    ),
    (REQUEST, RunState.WORKING, 0, 0, f"### ⏳ Working on it\n\n{ASKED}\n\nAmp is at work."),
    (REQUEST, RunState.WORKING, 0, 1, f"### ⏳ Working on it\n\n{ASKED}\n\nAmp is at work (1 step so far)."),
    (
        REVIEW,
        RunState.WORKING,
        0,
        12,
        "### ⏳ Reviewing\n\n> **alice:** Review this pull request.\n\nAmp is at work (12 steps so far).",
    ),
    (
        run_request(text=""),
        RunState.WORKING,
        0,
        0,
        "### ⏳ Working on it\n\n> **alice:** Resolve this issue.\n\nAmp is at work.",
    ),
]


@pytest.mark.parametrize(("request_", "state", "position", "tools", "shown"), PROGRESS)
def test_a_run_under_way(request_: RunRequest, state: RunState, position: int, tools: int, shown: str) -> None:
    assert messages.progress(request_, state, position=position, tools=tools) == f"{MARK}\n\n{shown}"


def test_a_run_under_way_quotes_what_amp_said_last() -> None:
    shown = messages.progress(REQUEST, RunState.WORKING, latest="Asking @bob\n\n#1")
    assert shown.endswith(f"\n\nAmp is at work.\n\n> Asking @{J}bob\n>\n> #{J}1")


@pytest.mark.parametrize(
    ("state", "head"),
    [
        (RunState.PUBLISHED, "✅ Done"),
        (RunState.ANSWERED, "💬 Answered"),
        (RunState.REVIEWED, "🔎 Reviewed"),
        (RunState.REFUSED, "🚫 Not published"),
        (RunState.FAILED, "⚠️ It did not work out"),
    ],
)
def test_a_run_that_has_ended(state: RunState, head: str) -> None:
    assert (
        messages.final(REQUEST, Ending(state, "Said."), PRICE) == f"{MARK}\n\n### {head}\n\n{ASKED}\n\nSaid.\n\n{TOOK}"
    )


def test_every_end_has_its_comment() -> None:
    for state in RunState:
        if state.ended:
            assert messages.final(REQUEST, Ending(state, "Said."), CHEAP)


@pytest.mark.parametrize(
    ("price", "line"),
    [
        (PRICE, TOOK),
        (CHEAP, "<sub>4 s · run `0123abcd`</sub>"),
        (
            RunCost(0, replace(OUTCOME, thread=None), None),
            "<sub>0 s · 21,005 tokens in, 234 out · run `0123abcd`</sub>",
        ),
    ],
)
def test_what_a_run_took(price: RunCost, line: str) -> None:
    assert messages.price_line(REQUEST.id, price) == line


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_durations_read_well(seconds: float, shown: str) -> None:
    assert messages.duration(seconds) == shown


# --- the ends ---------------------------------------------------------------------------------------

WORKED = {
    "a pull request": (
        messages.pull_opened(12, "Fixed it.", changes(1)),
        Ending(RunState.PUBLISHED, "Opened #12 (1 file changed).\n\nFixed it."),
    ),
    "without a word": (
        messages.pull_opened(12, "", changes(1_000)),
        Ending(RunState.PUBLISHED, "Opened #12 (1,000 files changed)."),
    ),
    "a commit": (
        messages.commit_added("c0ffee", "fix/`x`", "Done.", changes(2)),
        Ending(RunState.PUBLISHED, "Added c0ffee to `` fix/`x` `` (2 files changed).\n\nDone."),
    ),
    "a question": (messages.answered("Yes, @bob."), Ending(RunState.ANSWERED, f"Yes, @{J}bob.")),
    "nothing at all": (
        messages.answered(""),
        Ending(RunState.ANSWERED, "Amp changed nothing and had nothing to say."),
    ),
    "a review": (
        review_messages.reviewed("https://x.y/r", 1, 0),
        Ending(RunState.REVIEWED, "The [review](https://x.y/r) is posted, with 1 comment on the diff."),
    ),
    "a review of other lines": (
        review_messages.reviewed("https://x.y/r", 0, 2),
        Ending(
            RunState.REVIEWED,
            "The [review](https://x.y/r) is posted, with 0 comments on the diff. 2 more did not fit a line of the diff "
            "and stand in its summary.",
        ),
    ),
    "a review that GitHub does not take": (
        review_messages.review_in_comment("All @bob's.", ["- `a.py:3`: Why?"], "c0ffee"),
        Ending(
            RunState.REVIEWED,
            "GitHub took no review of c0ffee, so here is what Amp found. To have the newest commit read, comment "
            f"`/amp review`.\n\nAll @{J}bob's.\n\n"
            "**On lines, which are here because GitHub took no comments on them**\n\n"
            "- `a.py:3`: Why?",
        ),
    ),
}


@pytest.mark.parametrize(("ending", "expected"), WORKED.values(), ids=WORKED.keys())
def test_an_end_that_worked_says_what_came_of_it(ending: Ending, expected: Ending) -> None:
    assert ending == expected


def failed(failure: Failure | None) -> Outcome:
    return replace(OUTCOME, ok=False, answer="", error="It broke for @bob", failure=failure)


DID_NOT = {
    "paths": messages.refused_paths([Violation(".github/x.yml", "is below `.github/`")]),
    "change": messages.refused_change("The change is too large."),
    "permission": messages.permission_lost(ACTOR),
    "archived": messages.archived(),
    "empty": messages.empty(),
    "fork": messages.fork_work(),
    "closed": messages.closed_pull(),
    "amp": messages.amp_missing("The sandbox has no Amp."),
    "sandbox gone": sandbox_messages.gone(),
    "sandbox refused": sandbox_messages.refused("amp`x", "404 template @bob not found"),
    "sandbox trouble": sandbox_messages.trouble(),
    "sandbox overran": sandbox_messages.overran(preparing=False),
    "sandbox overran while preparing": sandbox_messages.overran(preparing=True),
    "github down": messages.github_down(),
    "tree": messages.tree_differs(),
    "internal": messages.internal_error(REQUEST.id),
    **{f"amp: {failure}": messages.agent_failed(failed(failure), kept=True) for failure in (*Failure, None)},
}


@pytest.mark.parametrize("ending", DID_NOT.values(), ids=DID_NOT.keys())
def test_an_end_that_did_not_work_says_what_is_left_and_what_to_do(ending: Ending) -> None:
    assert ending.state in (RunState.REFUSED, RunState.FAILED)
    left = ("kept", "lost", "othing was changed", "othing was published", "othing to start from", "othing to push to")
    assert any(word in ending.message for word in left) or ending == messages.archived()
    todo = (
        "ask again",
        "try again",
        "ask there",
        "check",
        "/amp review",
        "add credits",
        "pin a tested",
        "Amp plan",
        "set `",
    )
    assert any(word in ending.message.lower() for word in map(str.lower, todo)), ending.message
    assert alive(ending.message) == []
    assert commands.parse(ending.message, names=("ampbot", "bob")) == ()


def test_an_amp_that_failed_is_quoted() -> None:
    assert messages.agent_failed(failed(Failure.CREDITS), kept=False) == Ending(
        RunState.FAILED,
        "The Amp account is out of credits. Add credits, then ask again. Nothing was published. It had changed "
        f"nothing. The transcript is kept.\n\n> It broke for @{J}bob",
    )


def test_many_refused_paths_are_counted() -> None:
    ending = messages.refused_paths([Violation(f"f{number}`", "is a symbolic link") for number in range(22)])
    rows = [row for row in ending.message.split("\n") if row.startswith("- ")]
    assert (len(rows), rows[0], rows[-1]) == (21, "- `` f0` ``: is a symbolic link", "- … and 2 more")


def test_a_branch_that_moved_leaves_the_work_beside_it() -> None:
    ending = messages.branch_moved("fix", "amp/7-x", "https://github.com/o/r/compare/fix...amp/7-x", "Done.")
    assert ending.state is RunState.PUBLISHED
    assert "The work is on `amp/7-x`: [look at it](https://github.com/o/r/compare/fix...amp/7-x)" in ending.message
    assert ending.message.endswith("\n\nDone.")


# --- replies ----------------------------------------------------------------------------------------

REPLIES = {
    "denied": messages.denied(Actor(9, "mallory", ActorKind.USER)),
    "not offered": messages.not_offered("status"),
    "too many": messages.too_many_asks(5),
    "not the author": messages.not_the_author(),
}


@pytest.mark.parametrize("text", REPLIES.values(), ids=REPLIES.keys())
def test_a_reply_is_one_paragraph_that_starts_nothing(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text
    assert alive(text) == []
    assert commands.parse(text, names=("ampbot",)) == ()


def test_who_is_denied_is_told_so_by_name_and_not_notified() -> None:
    assert messages.denied(Actor(9, "mallory", ActorKind.USER)) == (
        "Sorry mallory, only people with write access to this repository can ask ampbot to work here. Somebody who has "
        "it can ask in your place."
    )


def test_whoever_edits_a_command_into_the_text_of_another_is_told_how_to_ask() -> None:
    assert messages.not_the_author() == (
        "A command counts only if the author of the text wrote it. This one was edited into somebody else's text, so "
        "nothing was started. To ask for it, write a comment of your own."
    )


# --- what is published ------------------------------------------------------------------------------


def test_a_commit_names_its_run_and_who_asked() -> None:
    assert messages.commit_message("Fix the login", REQUEST, "github.example") == (
        "Fix the login\n\nAmpbot-Run: 0123abcd-89ef-5000-8000-000000000000\n"
        "Co-authored-by: alice <1+alice@users.noreply.github.example>\n"
    )


@pytest.mark.parametrize(
    ("title", "proposed", "shown"),
    [
        ("Login fails", "Fix <the> login", "Fix <the> login"),
        ("Login fails\n", None, "Login fails"),
        ("Closes #1 @bob", None, f"Closes #{J}1 @{J}bob"),
        ("x" * 300, None, "x" * 199 + "…"),
        ("Stop honouring [skip ci]", None, f"Stop honouring [{J}skip ci]"),
        ("\u200b", "\n", "Resolve #7"),
        ("", None, "Resolve #7"),
    ],
)
def test_a_title_is_one_line_and_never_empty(title: str, proposed: str | None, shown: str) -> None:
    assert messages.pull_title(run_request(issue=replace(PLACE, title=title)), proposed) == shown


def test_a_pull_request_closes_its_issue_and_says_who_asked_and_on_what_it_was_made() -> None:
    assert messages.pull_body(REQUEST, PINNED, "It was the cookie. Fixes #99.", PRICE) == (
        f"{MARK}\n\nIt was the cookie. Fixes #{J}99.\n\nCloses #7\n\n---\nAsked by @alice in #7; "
        f"based on {'ba5e' * 10}.\n\n{TOOK}"
    )
    # A squash takes the description as the commit's message, code and all.
    assert f"`[{J}skip ci]`" in messages.pull_body(REQUEST, PINNED, "Use `[skip ci]`.", PRICE)
    assert "\n\nAmp left no description.\n\n" in messages.pull_body(REQUEST, PINNED, "", PRICE)


def test_a_review_says_what_fits_no_line() -> None:
    rows = [review_messages.off_diff_comment("a`b.py", 3, "Ask @bob\n\n- why?")]
    assert review_messages.review_body(REVIEW, "All well.", rows, CHEAP) == (
        f"{MARK}\n\nAll well.\n\n**On lines outside the diff**\n\n- ``a`b.py:3``: Ask @{J}bob - why?\n\n"
        "<sub>4 s · run `0123abcd`</sub>"
    )
    assert review_messages.review_body(REVIEW, "", [], CHEAP) == (
        f"{MARK}\n\nAmp had nothing to say about this pull request.\n\n<sub>4 s · run `0123abcd`</sub>"
    )


def test_a_review_of_a_replaced_commit_says_so() -> None:
    assert review_messages.review_body(REVIEW, "All well.", [], CHEAP, replaced="c0ffee") == (
        f"{MARK}\n\nThis is about c0ffee, which a push has replaced since Amp read it. To have the new head read, "
        "comment `/amp review`.\n\nAll well.\n\n<sub>4 s · run `0123abcd`</sub>"
    )


# --- whatever anybody writes ------------------------------------------------------------------------


def everything(words: str) -> list[str]:
    """Every body that holds somebody's words, where GitHub would be told of them."""
    request = run_request(text=words, issue=replace(PLACE, title=words))
    error = replace(OUTCOME, ok=False, error=words)
    endings = [
        messages.pull_opened(1, words, changes(1)),
        messages.commit_added("c0ffee", words[:255], words, changes(1)),
        messages.branch_moved(words[:255], "amp/1", f"https://x.y/{'z' * 600}", words),
        messages.answered(words),
        messages.refused_paths([Violation(words[:200], "is a symbolic link")] * 21),
        sandbox_messages.refused("amp", words),
        refusal_messages.github_refused(words, preparing=False, kept=True),
        refusal_messages.fetch_failed(words),
        messages.agent_failed(error, kept=True),
    ]
    rows = [review_messages.off_diff_comment(words[:200], 1, words)] * 50
    endings.append(review_messages.review_in_comment(words, rows, "c0ffee" * 6))
    return [
        messages.progress(request, RunState.WORKING, latest=words),
        messages.pull_body(request, PINNED, words, PRICE),
        review_messages.review_body(request, words, rows, PRICE, replaced="c0ffee" * 6),
        *(messages.final(request, ending, PRICE) for ending in endings),
    ]


LONG = [
    "a" * 70_000,
    "<a" * 70_000,
    "`" * 70_000,
    "&#64;" * 20_000,
    "\n" * 70_000,
    "- @a\n" * 20_000,
    "````\n" * 20_000,
]


@pytest.mark.parametrize("words", LONG, ids=lambda words: repr(words[:6]))
def test_nothing_grows_beyond_what_github_takes(words: str) -> None:
    assert max(map(len, everything(words))) <= GITHUB_MOST
    assert len(messages.pull_title(REQUEST, words)) <= 256


@settings(max_examples=60, deadline=None)
@given(TEXTS)
@example("```<div>")  # a quote must begin a line
def test_nobodys_words_act_or_command_anywhere(words: str) -> None:
    for body in everything(words):
        found = {item for item in alive(body) if not item.startswith(" ampbot:run:")}
        assert found <= {"sub", "#1", "#7", " @a"}, body  # our own small print, references and requester
        assert commands.parse(body, names=("ampbot", "v", "x")) == ()


@given(st.text())
def test_a_title_is_one_printable_line_whatever_is_proposed(words: str) -> None:
    title = messages.pull_title(REQUEST, words)
    assert title
    assert title.splitlines() == [title]
    assert len(title) <= 200
