"""The seed alone decides what users do in a soak, and every kind of action occurs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

from bot.rig.rig import Rig
from bot.rig.soak.evidence import Expect, UserAction
from bot.rig.soak.users import Users


def told(folder: Path, seed: int, actions: int) -> list[UserAction]:
    folder.mkdir()
    with Rig(folder) as rig:  # the bot is never started
        users = Users(rig, Random(seed), Random(0), repositories=3)
        users.arrive()
        for _ in range(actions):
            users.act()
        return users.actions


def test_the_same_seed_gives_the_same_user_actions(tmp_path: Path) -> None:
    one, same, other = (told(tmp_path / name, seed, 60) for name, seed in (("one", 5), ("same", 5), ("other", 6)))
    assert [(each.number, each.expect, each.text) for each in one] == [
        (each.number, each.expect, each.text) for each in same
    ]
    assert [each.text for each in one] != [each.text for each in other]


def test_everything_people_can_do_is_done(tmp_path: Path) -> None:
    actions = told(tmp_path / "all", 1, 400)
    assert set(Counter(each.expect for each in actions)) == set(Expect)
    texts = "\n".join(each.text for each in actions)
    for kind in (
        "on an issue",
        "on a pull request",
        "on second thought",
        "on a line",
        "in a review",
        "the label amp",
        "the label amp:review",
    ):
        assert kind in texts
    for kind in ("/amp stop", "/amp stop keep", "/amp retry", "/amp status"):
        assert kind in {each.text for each in actions}
    for kind in ("a review request", "/amp review", "/amp help", "let me in", "beep", "> /amp", "```", "<!--", "fail:"):
        assert kind in texts
    # Several requests on one issue have different tags; reviews share one needle.
    tags = Counter(each.needle for each in actions if each.expect is Expect.RUN and each.needle.startswith("s0"))
    assert set(tags.values()) == {1}
