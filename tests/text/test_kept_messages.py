"""What a comment says of a change set that could not be published."""

from __future__ import annotations

import pytest

from bot.events import commands
from bot.model import Ending, Kept, RunState
from bot.text import kept_messages, messages
from tests.factory import outcome, run_request
from tests.text.markup import alive

RUN = "0123abcd-89ef-5000-8000-000000000000"
OTHER = "fedcba98-89ef-5000-8000-000000000000"
SEE = "The operator of ampbot sees the change set with `ampbot runs diff 0123abcd`."

SENTENCES = {
    "nothing": (kept_messages.how(RUN, Kept.NOTHING), ""),
    "to see": (kept_messages.how(RUN, Kept.TO_SEE), SEE),
    "to publish": (
        kept_messages.how(RUN, Kept.TO_PUBLISH),
        f"`/amp retry` publishes the kept change set, and starts Amp again only if it no longer applies. {SEE}",
    ),
    "beginning": (
        kept_messages.beginning(RUN),
        "Publishing the change set kept from run `0123abcd`, if it still applies.",
    ),
    "published": (
        kept_messages.without_amp(RUN, RunState.PUBLISHED),
        "Published the change set kept from run `0123abcd`. Amp was not started again.",
    ),
    "not published": (
        kept_messages.without_amp(RUN, RunState.FAILED),
        "This run had only to publish the change set kept from run `0123abcd`. Amp was not started again.",
    ),
    "changed since": (
        kept_messages.anew(RUN, kept_messages.Anew.CHANGED),
        (
            "The change set kept from run `0123abcd` no longer applies, as files that it touches have changed since. "
            "So Amp worked again."
        ),
    ),
    "gone": (
        kept_messages.anew(RUN, kept_messages.Anew.GONE),
        "The change set of run `0123abcd` is no longer kept, so Amp worked again.",
    ),
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.values(), ids=SENTENCES.keys())
def test_each_sentence_names_the_run_and_acts_on_nothing(text: str, expected: str) -> None:
    assert text == expected
    assert alive(text) == []
    assert commands.parse(text, names=("ampbot",)) == ()


def test_a_comment_says_what_became_of_it_what_happened_and_how_to_go_on() -> None:
    ending = Ending(RunState.FAILED, "GitHub refused.", Kept.TO_PUBLISH)
    spent = messages.RunCost(4, outcome(kept_from=OTHER), None)
    note = kept_messages.without_amp(OTHER, ending.state)
    assert messages.final(run_request(RUN), ending, spent, note).split("\n\n")[3:] == [
        note,
        "GitHub refused.",
        SENTENCES["to publish"][1],
        "<sub>4 s · no new tokens · run `0123abcd`</sub>",
    ]


def test_a_retry_of_what_is_kept_says_so_from_the_start() -> None:
    shown = messages.progress(run_request(kept_from=OTHER), RunState.QUEUED)
    assert shown.endswith("\n\nPublishing the change set kept from run `fedcba98`, if it still applies.")
