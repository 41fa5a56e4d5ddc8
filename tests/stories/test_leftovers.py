"""What an agent leaves running in its sandbox: it holds nothing up, and nothing of it writes into the pull request."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

import pytest

from bot.rig.e2b.server import E2B
from bot.rig.http.faults import Fault, Request, Side
from bot.rig.rig import Rig
from bot.sandbox.scripts import script
from tests.stories.conftest import RigWith
from tests.stories.stopping import asked, changed
from tests.stories.story import HELD, Story


@dataclass
class AtCollecting:
    """The processes in the sandbox when the change set is read, as far as their command lines hold `mark`."""

    e2b: E2B
    mark: str
    alive: list[str] = field(default_factory=list)
    looked: int = 0

    def __call__(self, _request: Request) -> None:
        self.looked += 1
        seen = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        self.alive += [line for line in seen.splitlines() if self.mark in line]


def watch(rig: Rig, mark: str) -> AtCollecting:
    look = AtCollecting(rig.e2b, mark)
    # The names of the base's files are read first, and the archive when the script that made it has ended.
    rig.e2b.server.faults.add(Fault("call", Side.BEFORE, method="GET", path="/files", call=look, skip=1))
    return look


def published(story: Story) -> dict[str, tuple[str, bytes]]:
    assert story.states() == ["published"], story.endings()
    return story.change()


@pytest.mark.parametrize("file", [".profile", ".bash_profile"])
def test_a_background_process_in_a_profile_file_holds_nothing_up(story: Story, file: str) -> None:
    mark = f"900.{time.time_ns()}"
    look = watch(story.rig, mark)
    number = story.issue()
    story.say(
        number, f"/amp do it\n\n- run: rm -f ~/.bash_profile; echo 'sleep {mark} &' > ~/{file}\n- create a.txt: a\n"
    )
    story.settle()
    assert published(story) == {"a.txt": ("100644", b"a\n")}
    assert (look.looked, look.alive) == (1, [])
    assert [command.status for command in story.rig.e2b.records[-1].commands if script("follow") in command.text]


@pytest.mark.parametrize(
    "start",
    [
        "bash -c '{loop}' &",
        "setsid bash -c \"trap '' TERM HUP INT; {loop}\" > /dev/null 2>&1 &",
        "(setsid setsid bash -c '{loop}' &)",
        "env -i setsid bash -c '{loop}' &",
        "setsid bash -c 'while :; do bash -c \"{loop}\" & sleep 0.01; kill $!; done' > /dev/null 2>&1 &",
    ],
    ids=["child", "deaf", "orphan", "bare", "respawned"],
)
def test_a_process_that_goes_on_writing_puts_nothing_half_into_the_pull_request(story: Story, start: str) -> None:
    mark = f"mark-{time.time_ns()}"
    look = watch(story.rig, mark)
    command = start.format(loop=f"while :; do echo {mark} >> half.txt; done")
    number = story.issue()
    story.say(number, f"/amp do it\n\n- run:\n\n```\n{command}\nuntil [ -s half.txt ]; do sleep 0.01; done\n```\n")
    story.settle()
    found = published(story)
    assert (look.looked, look.alive) == (1, [])
    lines = found["half.txt"][1].decode().split("\n")
    assert set(lines) == {mark, ""}
    assert lines.count("") == 1


def test_an_amp_that_does_not_exit_after_its_result_is_ended(story: Story) -> None:
    number = story.issue()
    story.say(number, "/amp do it\n\n- create a.txt: a\n- linger\n- answer: All done.\n")
    story.settle()
    assert published(story) == {"a.txt": ("100644", b"a\n")}
    assert "All done." in (story.only_pull().issue.body or "")


def test_a_bot_killed_in_mid_run_goes_on_though_every_shell_is_held(rig_with: RigWith) -> None:
    rig = rig_with.mortal()
    story = Story.begin(rig)
    number = story.issue()
    hold = "run: echo 'sleep 900 &' >> ~/.bash_profile"
    asked(story, number, f"/amp do it\n\n- {hold}\n- create new.txt: new\n- {HELD}\n")
    changed(story)
    rig.bot.kill()
    rig.bot.start()
    story.settle()
    assert published(story) == {"new.txt": ("100644", b"new\n")}
    assert len(story.runs()) == 1
