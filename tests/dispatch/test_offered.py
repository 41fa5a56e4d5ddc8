"""Handlers of other packages: each is what it must be and takes nobody's place, or a sentence says why not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from bot.dispatch import offered
from bot.dispatch.offered import GROUP, HandlersError, Offered
from bot.events.commands import REQUEST, Verb
from bot.events.handler import Handler, On
from bot.events.triggers import ASSIGNED, LABELED
from handlers import HANDLERS, status

HELLO = Handler("hello", "/amp hello", "Greets.", ("/amp hello",), status.plan, Verb("hello"))
ON = replace(HELLO, verb=None)

Load = Callable[..., Offered]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load as if one package brought these, each under its keyword."""

    def load(**found: object) -> Offered:
        module = ModuleType("outside")
        vars(module).update(found)
        monkeypatch.setitem(sys.modules, "outside", module)
        entries = [EntryPoint(name, f"outside:{name}", GROUP) for name in found]
        monkeypatch.setattr(offered, "entry_points", lambda group: entries if group == GROUP else [])
        return offered.load()

    return load


def names(found: Offered) -> list[str]:
    return [handler.name for handler in found.handlers]


def test_without_packages_there_is_what_we_have(load: Load) -> None:
    found = load()
    assert names(found) == [handler.name for handler in HANDLERS]
    assert (found.packages, found.problems) == ((), ())


def test_others_come_after_ours_and_before_the_help(load: Load) -> None:
    bye = replace(HELLO, name="bye", verb=Verb("bye"))
    found = load(hello=HELLO, bye=bye, on=replace(ON, name="on", on=(On(ASSIGNED), On(LABELED, "hello"))))
    assert names(found) == [*(handler.name for handler in HANDLERS[:-1]), "bye", "hello", "on", "help"]
    assert found.packages == (("bye", "outside"), ("hello", "outside"), ("on", "outside"))
    assert found.or_error() == found.handlers


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("hello", "`outside:x` is no Handler, but str"),
        (replace(HELLO, name="stop"), "the name `stop` is taken"),
        (replace(HELLO, name="help"), "the name `help` is taken"),
        (replace(HELLO, usage=" "), "it lacks the usage or the summary for `/amp help`"),
        (replace(HELLO, summary=""), "it lacks the usage or the summary for `/amp help`"),
        (replace(HELLO, verb=Verb("Hello")), "`Hello` is not one word in small letters"),
        (replace(HELLO, verb=Verb("good day")), "`good day` is not one word in small letters"),
        (replace(HELLO, verb=Verb("review")), "the command `/amp review` is taken"),
        (replace(HELLO, verb=REQUEST), "the command `/amp work` is taken"),
        (replace(HELLO, verb=Verb("run")), "the command `/amp run` is taken"),
        (replace(HELLO, verb=Verb("cancel")), "the command `/amp cancel` is taken"),
        (replace(HELLO, verb=Verb("hi", aliases=("abort",))), "the command `/amp abort` is taken"),
        (replace(HELLO, verb=Verb("hi", aliases=("Hey",))), "`Hey` is not one word in small letters"),
        (replace(ON, on=(On(LABELED, "AMP"),)), "`labeled` of amp on issues is answered already"),
        (
            replace(ON, on=(On(replace(ASSIGNED, name="closed")),)),
            "it answers `closed`, which is not declared in bot/events/triggers.py",
        ),
    ],
)
def test_one_that_cannot_be_offered_is_a_sentence(load: Load, handler: object, why: str) -> None:
    found = load(x=handler, fine=replace(HELLO, name="fine", verb=Verb("fine")))
    said = f"The handler `x` of the package outside cannot be used: {why}. Correct the package, or uninstall it."
    assert [problem.message for problem in found.problems] == [said]
    assert names(found)[-2:] == ["fine", "help"], "the others are as good as before"
    with pytest.raises(HandlersError, match="cannot be used"):
        found.or_error()


def test_a_label_of_ours_may_mean_something_elsewhere(load: Load) -> None:
    """`amp` is answered on issues only."""
    assert load(x=replace(ON, on=(On(LABELED, "amp", issues=False),))).problems == ()


def test_of_two_packages_with_the_same_command_the_second_is_refused(load: Load) -> None:
    found = load(a=HELLO, b=replace(HELLO, name="again"))
    (problem,) = found.problems
    assert (
        "The handler `b` of the package outside cannot be used: the command `/amp hello` is taken." in problem.message
    )


def test_a_module_that_raises_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("x", "no_such_module:HANDLER", GROUP)
    monkeypatch.setattr(offered, "entry_points", lambda group: [entry])
    (problem,) = offered.load().problems
    assert "loading it failed (ModuleNotFoundError: No module named 'no_such_module')" in problem.message
