"""Work that kills its process is attempted five times, and then ends where its author sees it; what waits goes on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.http.faults import Fault, Request
from bot.rig.rig import Rig
from tests.stories.conftest import LITTLE_LAG
from tests.stories.dying import idle, install_poison, restart_until
from tests.stories.redelivering import deliveries_of, redeliver
from tests.stories.story import BOT, HELD, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
NEXT = "/amp say hello\n\n- answer: Hello.\n"
COMMANDS = "/process.Process/Start$"  # in sandboxes
GAVE_UP = "I failed 5 times to take this up, so I have stopped trying. Nothing was started."


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot dies of some commands."""
    folder = tmp_path_factory.mktemp("deadly")
    with Rig(folder, LITTLE_LAG | {"PYTHONPATH": install_poison(folder)}) as rig:
        rig.serve()
        yield rig


@pytest.fixture
def story(deadly: Rig) -> Iterator[Story]:
    mark = len(deadly.github.server.request_log.entries)
    yield Story.begin(deadly)
    deadly.github.server.faults.clear()
    (deadly.folder / "poison").unlink(missing_ok=True)
    (deadly.folder / "attempts").unlink(missing_ok=True)
    restart_until(deadly, lambda: idle(deadly))
    contract = Contract.load()
    entries = deadly.github.server.request_log.since(mark)
    assert [found for entry in entries for found in contract.check(entry)] == []
    assert dict(deadly.e2b.sandboxes) == {}, "a sandbox outlived its run"
    assert deadly.query("SELECT key FROM attempts") == []


def attempts(story: Story) -> int:
    file: Path = story.rig.folder / "attempts"
    return len(file.read_text()) if file.exists() else 0


def kill_at(story: Story, method: str, path: str) -> list[str]:
    """From now on each such request to GitHub about this repository, or to E2B until its run
    has failed, kills the bot. Returns their paths."""
    struck: list[str] = []
    life = threading.Lock()  # of requests that come at once, the first kills

    def kill(request: Request) -> None:
        with life:
            ours = story.repo.full_name in request.path or (path == COMMANDS and story.states()[:1] != ["failed"])
            if ours and story.rig.bot.running:
                struck.append(request.path)
                pid = story.rig.bot.pid
                os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):  # it was started again already
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    server = story.rig.e2b.server if path == COMMANDS else story.rig.github.server
    killing = Fault("call", method=method, path=path, times=0, call=kill)
    server.faults.add(killing)
    if path != COMMANDS:  # the request itself has no effect: else it would be found done
        here = f"/{re.escape(story.repo.full_name)}.*{path}"
        server.faults.add(replace(killing, kind="timeout", path=here, call=None, seconds=0.01))
    return struck


# --- runs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "doing"),
    [
        ("POST", COMMANDS, "preparing it"),
        ("POST", "/git/refs$", "publishing"),
    ],
)
def test_a_run_that_kills_the_bot_is_ended_and_the_next_goes_on(
    story: Story, method: str, path: str, doing: str
) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    struck = kill_at(story, method, path)
    story.say(number, FIX)
    rig.github.wait_deliveries()
    story.say(number, NEXT)
    restart_until(rig, lambda: story.states()[:1] == ["failed"])
    rig.github.server.faults.clear()
    rig.e2b.server.faults.clear()
    restart_until(rig, lambda: idle(rig))
    # It may come further than the attempt before twice: once it knows its commit, and once its sandbox.
    assert 5 <= len(struck) <= 7
    assert story.states() == ["failed", "answered"]
    # A first comment that GitHub refuses for now is made up for at the end.
    failed, answered = sorted(story.from_bot(number), key=lambda body: "Hello." in body)
    assert f"ampbot's process ended 5 times while it was {doing}, so this run was given up." in failed
    assert "Hello." in answered
    assert story.pulls() == []


def test_a_healthy_run_survives_beside_a_deadly_one(story: Story) -> None:
    """Both are at work at once, and each death of the bot is the death of both."""
    rig, number = story.rig, story.issue()
    story.say(number, f"{FIX}- {HELD}\n")
    story.until("the agent to work", lambda: story.states() == ["working"])
    other = Story.begin(rig)
    struck = kill_at(other, "POST", "/git/refs$")
    other_number = other.issue()
    other.say(other_number, FIX)
    restart_until(rig, lambda: other.states() == ["failed"])
    for _ in range(3):
        rig.bot.kill()
        rig.bot.start()
    assert story.states() == ["working"]
    (sandbox,) = rig.e2b.sandboxes.values()
    (sandbox.home / "go").touch()
    restart_until(rig, lambda: idle(rig))
    assert (len(struck), story.states(), len(story.pulls())) == (5, ["published"], 1)


def test_where_not_even_the_end_can_be_shown_the_run_ends_all_the_same(story: Story) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    struck = kill_at(story, "PATCH", r"/issues/comments/\d+$")
    comment = story.say(number, NEXT)
    restart_until(rig, lambda: len(struck) >= 5 and idle(rig))
    assert len(struck) == 5
    assert story.states() == ["answered"]
    assert story.reactions(comment) == [(BOT, "confused"), (BOT, "eyes")]


# --- deliveries -------------------------------------------------------------------------------------


def test_a_delivery_that_kills_the_bot_is_answered_and_a_redelivery_begins_anew(story: Story) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    (rig.folder / "poison").touch()
    comment = story.say(number, "/amp explode")
    story_behind = Story.begin(rig)
    restart_until(rig, lambda: idle(rig))
    assert attempts(story) == 5
    assert GAVE_UP in story.only_answer(number)
    (first,) = deliveries_of(story, "/amp explode")
    (row,) = rig.query("SELECT * FROM deliveries WHERE guid = :guid", guid=first.guid)
    assert (row["outcome"], row["given_up_at"] is None, row["closed_at"] is None) == ("given up", False, False)

    # What comes after it is handled.
    behind = story_behind.issue()
    story_behind.say(behind, NEXT)
    restart_until(rig, lambda: idle(rig))
    assert story_behind.states() == ["answered"]

    # Nobody brings it again by himself: neither a restart nor the sweep.
    for _ in range(2):
        rig.bot.kill()
        rig.bot.start()
    restart_until(rig, lambda: idle(rig))
    assert (attempts(story), len(story.from_bot(number))) == (5, 1)

    # By hand it begins anew.
    (rig.folder / "poison").unlink()
    redeliver(rig, first)
    restart_until(rig, lambda: idle(rig))
    assert attempts(story) == 5
    assert "Nothing exploded." in story.from_bot(number)[-1]
    assert len(story.from_bot(number)) == 2

    # It is handled now: another redelivery does nothing.
    mark = story.mark()
    redeliver(rig, first)
    story.settle()
    assert story.requests(mark) == []
    assert story.reactions(comment) == []


def test_a_delivery_that_always_fails_is_answered(story: Story) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    (rig.folder / "poison").touch()
    story.say(number, "/amp stumble")
    story.settle()
    assert attempts(story) == 5
    assert GAVE_UP in story.only_answer(number)
    (first,) = deliveries_of(story, "/amp stumble")
    (rig.folder / "poison").unlink()
    redeliver(rig, first)
    story.settle()
    assert "Nobody stumbled." in story.from_bot(number)[-1]
    assert len(story.from_bot(number)) == 2


def test_a_reply_that_kills_the_bot_becomes_a_reaction(story: Story) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    struck = kill_at(story, "POST", rf"/issues/{number}/comments$")
    comment = story.say(number, "/amp help")
    restart_until(rig, lambda: len(struck) >= 5 and idle(rig))
    assert len(struck) == 5
    assert story.from_bot(number) == []
    assert story.reactions(comment) == [(BOT, "confused")]
    rig.github.server.faults.clear()
    (first,) = deliveries_of(story, "/amp help")
    redeliver(rig, first)
    story.settle()
    assert "/amp status" in story.only_answer(number)


def test_a_run_whose_comment_kills_the_bot_is_run_and_shown_at_its_end(story: Story) -> None:
    rig, number = story.rig, story.issue()
    story.settle()
    kill_at(story, "POST", rf"/issues/{number}/comments$")
    story.say(number, NEXT)
    restart_until(rig, lambda: [row["comment"] for row in story.runs()] == [0])
    rig.github.server.faults.clear()
    restart_until(rig, lambda: idle(rig))
    assert story.states() == ["answered"]
    assert "Hello." in story.only_answer(number)
