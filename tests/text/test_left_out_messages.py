"""What a comment says of files that Amp made and that are not published."""

from __future__ import annotations

from bot.events import commands
from bot.model import Ending, RunState
from bot.text.left_out_messages import LeftOut, note, only_left_out
from tests.text.markup import alive

HOW = "To have one published, ask to add it by name; what git ignores, take out of `.gitignore`."
ENV, BUILD = LeftOut(".env", "environment file", by_product=False), LeftOut("build/", "ignored by git", by_product=True)


def test_each_is_named_with_its_reason() -> None:
    assert note((ENV, BUILD), 2) == f"Left out: `.env` (environment file), `build/` (ignored by git). {HOW}"


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    said = note((ENV, *(BUILD,) * 40), 12_345)
    assert said.count("build/") == 9
    assert f", and 12,335 more. {HOW}" in said


def test_a_run_that_made_nothing_else_is_not_done() -> None:
    assert only_left_out("It is set.") == Ending(
        RunState.REFUSED,
        "Nothing was published: all that Amp changed is of a kind that is left out.\n\nIt is set.",
    )


def test_a_name_acts_on_nothing() -> None:
    said = note([LeftOut("@bob `/amp stop` <b> #1", "ignored by git", by_product=False)], 1)
    assert alive(said) == []
    assert commands.parse(said, names=("ampbot", "bob")) == ()
