"""Hidden markers: each text of ours begins with its own, and nothing that Amp or a person says can become one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agent.outcome import Failure
from bot.model import Actor, ActorKind, Ending, RunState
from bot.text import markers, messages, review_messages, stop_messages
from bot.text.markers import is_marked, is_of_a_run, key_marker, run_marker
from bot.text.messages import RunCost
from tests.factory import RUN, ending, outcome, pinned, run_request

OWN = run_marker(RUN)
OTHERS = (
    run_marker("ffffffff-ffff-5fff-8fff-ffffffffffff"),
    key_marker("denied:10:7"),
    key_marker("reply:issue:400:0123456789abcdef"),
    key_marker("reply:edit:issue:400:0123456789abcdef"),
    key_marker("status:issue:400:2026-01-02T03:04:05Z"),
    key_marker("stop:issue:400:2026-01-02T03:04:05Z"),
    key_marker("retry:issue:400"),
)
COST = RunCost(4, outcome(), None)

# How text can hold a marker: bare, as code of each kind, in a quote, behind what nobody sees, and in pieces.
FORMS = ("{}", "`{}`", "```\n{}\n```", "~~~\n{}\n~~~", "    {}", "\t{}", "> {}", "\ufeff{}", "\u200b{}", "\0{}", "\r{}")
PLACES = ("{}\n\nafter", "before\n\n{}\n\nafter", "before\n\n{}")

CARRIERS: dict[str, Callable[[str], str]] = {
    "an answer": lambda said: messages.final(run_request(), messages.answered(said), COST),
    "a pull request's comment": lambda said: messages.final(run_request(), messages.pull_opened(2, said, ()), COST),
    "a commit's comment": lambda said: messages.final(
        run_request(), messages.commit_added("a" * 7, "b", said, ()), COST
    ),
    "beside a branch": lambda said: messages.final(run_request(), messages.branch_moved("a", "b", "c", said), COST),
    "a failure": lambda said: messages.final(
        run_request(), messages.agent_failed(outcome(ok=False, error=said, failure=Failure.SERVER), kept=True), COST
    ),
    "a draft": lambda said: messages.final(
        run_request(), stop_messages.stopped_draft("mona", 2, (), said, draft=True), COST
    ),
    "a stop": lambda said: messages.final(run_request(), stop_messages.stopped_unchanged("mona", said), COST),
    "progress": lambda said: messages.progress(run_request(), RunState.WORKING, latest=said),
    "a request": lambda said: messages.final(run_request(text=said or "x"), ending(), COST),
    "a person": lambda said: messages.final(run_request(actor=Actor(1, said, ActorKind.USER)), ending(), COST),
    "a review": lambda said: review_messages.review_body(
        run_request(), said, [review_messages.off_diff_comment(said, 1, said)], COST
    ),
    "a pull request": lambda said: messages.pull_body(run_request(), pinned(), said, COST),
    "a draft's description": lambda said: messages.pull_body(
        run_request(), pinned(), stop_messages.draft_description("mona", said), COST
    ),
}


def test_markers_stay_what_they_are_in_the_comments_of_every_release() -> None:
    assert f"<!-- ampbot:run:{RUN} -->" == OWN
    assert key_marker("denied:10:7") == "<!-- ampbot:denied:10:7 -->"


@pytest.mark.parametrize("carry", CARRIERS.values(), ids=CARRIERS.keys())
@pytest.mark.parametrize("place", PLACES, ids=["start", "middle", "end"])
def test_whatever_the_answer_holds_only_the_runs_own_marker_counts(carry: Callable[[str], str], place: str) -> None:
    for form in FORMS:
        for marker in (OWN, *OTHERS):
            said = place.format(form.format(marker))
            text = carry(said)
            assert is_marked(text, OWN), said
            assert [other for other in OTHERS if is_marked(text, other)] == [], said


@given(said=st.text(), at=st.integers(0, 400))
def test_no_text_moves_the_marker_from_the_start(said: str, at: int) -> None:
    hidden = said[:at] + OTHERS[0] + said[at:]
    for carry in CARRIERS.values():
        text = carry(hidden)
        assert is_marked(text, OWN)
        assert not is_marked(text, OTHERS[0])


@pytest.mark.parametrize("before", ["\n", " ", "\ufeff", "> ", "\\", "`", "x\n\n"])
def test_a_marker_anywhere_else_is_none(before: str) -> None:
    assert is_marked(OWN, OWN)
    assert is_marked(f"{OWN}\n\ntext", OWN)
    assert not is_marked(before + OWN, OWN)


def test_no_marker_is_the_beginning_of_another() -> None:
    every = (OWN, *OTHERS)
    assert [one for one in every for other in every if one is not other and is_marked(one, other)] == []
    assert not is_marked(key_marker("denied:10:77"), key_marker("denied:10:7"))


def test_an_ending_of_an_older_release_is_found_by_the_same_marker() -> None:
    """As 0.1 wrote it: the marker, a blank line, a heading."""
    older = f"{OWN}\n\n### ✅ Done\n\n> **alice:** fix it\n\nOpened #2.\n\n<sub>4 s</sub>"
    assert is_marked(older, OWN)
    assert messages.final(run_request(), Ending(RunState.PUBLISHED, "Opened #2."), COST).startswith(older[:60])
    assert is_marked(f"{markers.key_marker('reply:issue:1:a')}\ntext", key_marker("reply:issue:1:a"))


def test_a_run_is_told_from_other_replies() -> None:
    assert is_of_a_run(f"{OWN}\n### Done")
    assert not any(map(is_of_a_run, (f"> {OWN}", key_marker("denied:10:7"), "", "Done")))
