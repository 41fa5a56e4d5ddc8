"""The script that follows the agent's output: what it prints, and when it stops waiting."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from bot.sandbox.scripts import script


class Agent:
    """The agent's folder as the sandbox has it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / ".ampbot" / "agent"
        self.folder.mkdir(parents=True)
        (self.folder / "pid").write_text(f"{os.getpid()}\n")

    def begin(self, *, offset: int = 0, wait: int = 0, gather: int = 0, most: int = 1000) -> subprocess.Popen[str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AMPBOT_OFFSET": str(offset),
            "AMPBOT_WAIT": str(wait),
            "AMPBOT_GATHER": str(gather),
            "AMPBOT_MOST": str(most),
        }
        return subprocess.Popen(["bash", "-c", script("follow")], env=env, stdout=subprocess.PIPE, text=True)

    def say(self, text: str) -> None:
        with (self.folder / "out").open("a") as out:
            out.write(text)

    def end(self, code: int) -> None:
        (self.folder / "exit").write_text(f"{code}\n")


def told(following: subprocess.Popen[str]) -> tuple[str, int, str]:
    """(state, size, output); waits for the script's end, which must come long before what it may wait for."""
    said, _ = following.communicate(timeout=60)
    found = re.fullmatch(r"([a-z0-9 ]+)\n(\d+)\n([A-Za-z0-9+/=]*)", said)
    assert found is not None, said
    return found[1], int(found[2]), base64.b64decode(found[3]).decode()


@pytest.fixture
def spoken(tmp_path: Path) -> Agent:
    agent = Agent(tmp_path)
    agent.say("one\ntwo\n")
    return agent


def test_it_prints_what_follows_the_offset_and_no_more_than_asked(spoken: Agent) -> None:
    assert told(spoken.begin(offset=4)) == ("running", 8, "two\n")
    assert told(spoken.begin(offset=4, most=2)) == ("running", 8, "tw")
    assert told(spoken.begin(offset=8)) == ("running", 8, "")


def test_what_is_said_while_it_gathers_comes_along(spoken: Agent) -> None:
    following = spoken.begin(gather=3000)
    time.sleep(0.5)
    spoken.say("three\n")
    assert told(following) == ("running", 14, "one\ntwo\nthree\n")


def test_it_waits_for_something_new(spoken: Agent) -> None:
    following = spoken.begin(offset=8, wait=600)
    time.sleep(0.5)
    assert following.poll() is None
    spoken.say("three\n")
    assert told(following) == ("running", 14, "three\n")


@pytest.mark.parametrize("waiting", [{"offset": 8, "wait": 600}, {"gather": 600_000}], ids=["waiting", "gathering"])
def test_the_end_is_told_at_once(spoken: Agent, waiting: dict[str, int]) -> None:
    following = spoken.begin(**waiting)
    time.sleep(0.5)
    assert following.poll() is None
    spoken.end(3)
    assert told(following)[0] == "exit 3"


@pytest.mark.parametrize("waiting", [{"offset": 8, "wait": 600}, {"gather": 600_000}], ids=["waiting", "gathering"])
def test_an_agent_that_is_gone_without_an_end_is_lost(spoken: Agent, waiting: dict[str, int]) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (spoken.folder / "pid").write_text(f"{gone.pid}\n")
    assert told(spoken.begin(**waiting))[0] == "lost"


def test_where_no_agent_was_started_it_is_lost(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.folder.rename(tmp_path / "elsewhere")
    assert told(agent.begin()) == ("lost", 0, "")
