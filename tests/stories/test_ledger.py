"""The ledger is what Amp's stream told, however often the bot was killed meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bot.agent.stream import Stream
from bot.rig.rig import Rig
from tests.stories.conftest import LITTLE_LAG
from tests.stories.story import Story

KILLS = 5
REQUEST = "/amp work on it\n\n" + "".join(
    f"- say: Part {part}.\n- run: until [ -e ~/part{part} ]; do sleep 0.1; done\n" for part in range(KILLS)
)


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot this story may end."""
    with Rig(tmp_path_factory.mktemp("ledger"), LITTLE_LAG) as rig:
        rig.serve()
        yield rig


def costs(rig: Rig, by: str) -> list[dict[str, object]]:
    """What `ampbot costs` prints as JSON."""
    command, environment = [sys.executable, "-m", "bot", "costs", "--json", "--by", by], os.environ | rig.environment
    done = subprocess.run(command, cwd=rig.folder, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def transcript(story: Story) -> list[str]:
    rows = story.rig.query(
        "SELECT t.line FROM transcript t JOIN runs r ON r.id = t.run WHERE r.repository = :id ORDER BY t.sequence",
        id=story.repo.id,
    )
    return [row["line"] for row in rows]


def test_killed_again_and_again_it_is_the_sum_of_the_stream(lonely: Rig) -> None:
    story = Story.begin(lonely)
    number = story.issue()
    story.say(number, REQUEST)
    for part in range(KILLS):
        text = f"Part {part}."
        story.until(f"part {part}", lambda text=text: any(text in line for line in transcript(story)[2:]))  # type: ignore[misc]
        lonely.bot.kill()
        (sandbox,) = lonely.e2b.sandboxes.values()
        (sandbox.home / f"part{part}").touch()
        lonely.bot.start()
    story.settle()
    assert story.states() == ["answered"]
    stream = Stream()
    for line in transcript(story):
        stream.feed(f"{line}\n".encode())
    assert stream.usage.total > 0
    wanted = {
        "id": str(story.repo.id),
        "repository": story.repo.full_name,
        "runs": 1,
        "turns": stream.turns,
        "input_tokens": stream.usage.input_tokens,
        "output_tokens": stream.usage.output_tokens,
        "cache_read_tokens": stream.usage.cache_read,
        "cache_creation_tokens": stream.usage.cache_creation,
    }
    assert costs(lonely, "repository") == [wanted]
    (person,) = costs(lonely, "person")
    assert (person["person"], person["output_tokens"]) == ("mona", stream.usage.output_tokens)
    read = stream.usage.total - stream.usage.output_tokens
    assert f"{read:,} tokens in, {stream.usage.output_tokens:,} out" in story.only_answer(number)
