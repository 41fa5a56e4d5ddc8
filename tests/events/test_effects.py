"""A plan is written down before it is performed: what is read back is what was decided."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.events.effects import Effect, FinalizeStopped, React, RemoveLabel, Reply, StartRun, dump, load
from bot.model import CommentKind, CommentRef, RunKind
from tests.events.deliveries import PLACE
from tests.factory import issue_ref, run_request

ONE_OF_EACH: tuple[Effect, ...] = (
    React(PLACE, CommentRef(CommentKind.LINE, 5), "eyes"),
    Reply(PLACE, "reply:issue:1:0", "Text\n`x` ünï", "2026-01-02T03:04:05Z"),
    StartRun(run_request(kind=RunKind.REVIEW, path="a/b.py", line=3)),
    RemoveLabel(PLACE, "amp:review"),
    FinalizeStopped(PLACE, CommentRef(CommentKind.ISSUE, 6), ("a", "b"), ("c",)),
)


def test_every_effect_survives_being_written_down() -> None:
    assert load(dump(ONE_OF_EACH)) == ONE_OF_EACH
    assert {type(effect) for effect in ONE_OF_EACH} == set(get_args(Effect))


def test_a_plan_may_be_empty() -> None:
    assert (dump(()), load("[]")) == ("[]", ())


def test_every_effect_says_what_it_is() -> None:
    types = [row["type"] for row in json.loads(dump(ONE_OF_EACH))]
    assert types == ["react", "reply", "start_run", "unlabel", "show_stopped"]


@pytest.mark.parametrize("wrong", ["", "{}", '[{"type": "explode"}]', '[{"type": "unlabel"}]', "[null]"])
def test_what_is_no_plan_is_an_error(wrong: str) -> None:
    with pytest.raises(ValidationError):
        load(wrong)


STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(STORABLE, STORABLE, st.integers(1, 2**53))
def test_any_text_survives(text: str, title: str, number: int) -> None:
    request = run_request(issue=issue_ref(title=title, number=number), text=text)
    assert load(dump((StartRun(request),))) == (StartRun(request),)
