"""The operator puts work on hold: what is asked meanwhile says so, waits, and is done once after `ampbot resume`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from bot.rig.rig import Rig
from bot.text import cap_messages
from tests.stories.conftest import LITTLE_LAG
from tests.stories.story import BOT, HELD, Story

ANSWER = "/amp why?\n\n- answer: Because.\n"


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot these stories may end and put on hold. One run at once, so that others are in the queue."""
    with Rig(tmp_path_factory.mktemp("held"), LITTLE_LAG | {"AMPBOT_MAX_RUNS": "1"}) as rig:
        rig.serve()
        yield rig


@pytest.fixture
def held(lonely: Rig) -> Iterator[Story]:
    yield Story.begin(lonely)
    operate(lonely, "resume")
    lonely.wait_idle()


def operate(rig: Rig, *words: str) -> str:
    """What an `ampbot` command prints, in the folder of the bot."""
    environment = {**os.environ, **rig.environment}
    done = subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=rig.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def on_hold(story: Story, number: int) -> None:
    story.until("the comment to say so", lambda: any(cap_messages.on_hold() in each for each in story.from_bot(number)))


def test_a_command_on_hold_says_so_and_is_done_after_it(held: Story) -> None:
    rig, number = held.rig, held.issue()
    assert "Everything is on hold" in operate(rig, "hold")
    comment = held.say(number, ANSWER)
    on_hold(held, number)
    held.until("the command to be acknowledged", lambda: held.reactions(comment) == [(BOT, "eyes")])
    held.say(number, "/amp status")
    held.until("the status", lambda: len(held.from_bot(number)) == 2)
    assert cap_messages.on_hold() in held.from_bot(number)[1]
    assert httpx.get(f"{rig.bot.url}/readyz").json() == {"ok": True, "on_hold": "everything"}
    rig.bot.kill()
    rig.bot.start()
    assert held.states() == ["queued"]
    assert "Resumed" in operate(rig, "resume")
    held.settle()
    assert held.states() == ["answered"]
    answer, _ = held.from_bot(number)
    assert "### 💬 Answered" in answer
    assert cap_messages.on_hold() not in answer
    assert httpx.get(f"{rig.bot.url}/readyz").json() == {"ok": True}


def test_what_runs_goes_on_and_what_waits_for_a_place_is_held_and_done_once(held: Story) -> None:
    """The second run has left our queue for the engine's when the hold comes."""
    rig, first, second = held.rig, held.issue(), held.issue()
    held.say(first, f"/amp first\n\n- {HELD}\n- answer: One.\n")
    held.until("the first to work", lambda: held.states() == ["working"])
    held.say(second, ANSWER)
    held.until("the second to be enqueued", lambda: all(row["queued_in_engine_at"] for row in held.runs()[1:2]))
    held.until("its comment", lambda: held.from_bot(second))
    operate(rig, "hold", "--repository", held.repo.full_name)
    (sandbox,) = rig.e2b.sandboxes.values()
    (sandbox.home / "go").touch()
    held.until("the first to end", lambda: held.states()[0] == "answered")
    on_hold(held, second)
    assert held.states() == ["answered", "queued"]
    assert held.runs()[1]["started_at"] is None
    rig.bot.kill()
    rig.bot.start()
    operate(rig, "resume", "--repository", held.repo.full_name)
    held.settle()
    assert held.states() == ["answered", "answered"]
    assert [len(held.from_bot(number)) for number in (first, second)] == [1, 1]
    assert "Because." in held.only_answer(second)
    mine = [box for box in rig.e2b.records if box.options.metadata["repository"] == str(held.repo.id)]
    assert len(mine) == 2, "one sandbox for each run"


def test_another_repository_is_not_held(held: Story) -> None:
    other = Story.begin(held.rig)
    operate(held.rig, "hold", "--repository", str(held.repo.id))
    number, elsewhere = held.issue(), other.issue()
    held.say(number, ANSWER)
    other.say(elsewhere, ANSWER)
    other.until("the other to be answered", lambda: other.states() == ["answered"])
    on_hold(held, number)
    assert held.states() == ["queued"]


def test_a_file_is_a_switch(held: Story) -> None:
    rig, number = held.rig, held.issue()
    switch = rig.folder / "ampbot.hold"
    switch.touch()
    held.until("the switch to be seen", lambda: rig.query("SELECT 1 FROM marks WHERE name = 'hold:file'"))
    held.say(number, ANSWER)
    on_hold(held, number)
    assert held.states() == ["queued"]
    switch.unlink()
    held.settle()
    assert held.states() == ["answered"]
