"""Light sandboxes answer ampbot's own scripts, so that a whole run works with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Sandbox
from bot.rig.rig import Rig
from tests.stories.story import Story


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder: Path = tmp_path_factory.mktemp("light")
    with Rig(folder, e2b=E2B(light=True)) as rig:
        rig.serve()
        yield rig
    assert [*rig.github.server.errors, *rig.e2b.server.errors] == []


def transcript(story: Story) -> list[str]:
    return [row["line"] for row in story.rig.query("SELECT line FROM transcript ORDER BY sequence")]


def test_a_run_in_a_light_sandbox_goes_from_comment_to_answer_over_a_kill(rig: Rig) -> None:
    story = Story.begin(rig)
    number = story.issue()
    story.say(number, "/amp look through it")
    story.until("some of the transcript", lambda: len(transcript(story)) >= 3)
    (record,) = rig.e2b.sandboxes.values()
    assert isinstance(record, Sandbox)
    rig.bot.kill()
    rig.bot.start()
    known = len(transcript(story))
    story.until("the transcript to go on", lambda: len(transcript(story)) > known)
    rig.e2b.settings.agents_end = True
    story.settle()
    assert story.states() == ["answered"]
    assert "Nothing to change." in story.only_answer(number)
    events = [json.loads(line) for line in transcript(story)]
    assert [event["type"] for event in events] == ["system", *["assistant"] * (len(events) - 2), "result"]
    steps = [event["message"]["content"][1]["id"] for event in events[1:-1]]
    assert steps == [f"toolu_{index:012d}" for index in range(len(steps))], "no line is lost or doubled"
    assert dict(rig.e2b.sandboxes) == {}
