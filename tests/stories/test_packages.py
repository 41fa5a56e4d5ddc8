"""A command from outside: a package that is installed beside ampbot brings it, and nothing of ours is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.rig.rig import Rig
from tests.stories.package import HELLO, install
from tests.stories.story import BOT, Story


@pytest.fixture(scope="module")
def greeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot has the package installed."""
    folder = tmp_path_factory.mktemp("hello") / "site"
    install(folder, "ampbot-hello", {"hello": "ampbot_hello:HANDLER"}, {"ampbot_hello": HELLO})
    with Rig(tmp_path_factory.mktemp("greeting"), {"PYTHONPATH": str(folder)}) as rig:
        rig.serve()
        yield rig


def test_its_command_is_answered_and_is_in_the_help(greeting: Rig) -> None:
    story = Story.begin(greeting)
    number = story.issue()
    for text in ("/amp hello", "/amp helo", "/amp help"):
        story.say(number, text)
        story.settle()
    greeted, asked_back, helped = story.from_bot(number)
    assert "Hello, mona." in greeted
    assert "did you mean `/amp hello`?" in asked_back
    assert "- **`/amp hello`**: Greets you.\n" in helped
    assert helped.index("/amp status") < helped.index("/amp hello") < helped.index("**`/amp help`**")
    assert (story.runs(), {comment.author.account.login for comment in story.comments(number)}) == ([], {"mona", BOT})


def test_with_a_package_that_cannot_be_loaded_ampbot_does_not_start_and_says_which(tmp_path: Path) -> None:
    install(tmp_path / "site", "ampbot-broken", {"broken": "broken:HANDLER"}, {"broken": "import no_such_module\n"})
    with Rig(tmp_path, {"PYTHONPATH": str(tmp_path / "site")}) as rig:
        with pytest.raises(RuntimeError) as refused:
            rig.bot.start()
        assert (
            "ampbot cannot start. The handler `broken` of the package ampbot-broken 1.0 cannot be used: loading it "
            "failed (ModuleNotFoundError: No module named 'no_such_module'). Correct the package, or uninstall it."
        ) in str(refused.value)
