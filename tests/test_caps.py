"""The operator's caps, and a layer below that may only lower them."""

from __future__ import annotations

import pytest

from bot.caps import Caps, Day
from bot.settings import Settings

CAPS = Caps(minutes=50, tokens=2_000_000, turns=300, person=20, repository=100, installation=300)


def test_they_are_on_from_the_first_start(settings: Settings) -> None:
    assert settings.caps == CAPS


def test_a_layer_below_lowers_them_and_never_raises_them() -> None:
    lower = Caps(minutes=10, tokens=2_000_000, turns=300, person=1, repository=100, installation=300)
    assert CAPS.narrowed(minutes=10, tokens=9_000_000, person=1, repository=101) == lower


def test_a_cap_that_is_none_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="no such caps: hours"):
        CAPS.narrowed(hours=1)


def test_each_day_has_its_cap() -> None:
    assert [day.of(CAPS) for day in Day] == [20, 100, 300]
