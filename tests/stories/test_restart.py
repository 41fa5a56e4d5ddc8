"""Amp works on while the bot is killed, stopped and started again: it is found by its sandbox, and read on from where
the transcript ends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from bot.rig.contract.contract import Contract
from bot.rig.e2b.state import Sandbox
from bot.rig.http.faults import Side
from bot.rig.rig import PATIENCE, Rig
from bot.sandbox.scripts import script
from tests.stories.conftest import LITTLE_LAG
from tests.stories.stopping import Gate, asked, assert_stopped, sandboxes, taken
from tests.stories.story import Story

STARTS = script("start")
PARTS, STEPS = 4, 5
# Amp speaks in parts, and begins each but the first when it is let: no test depends on how fast anybody is.
REQUEST = "/amp make the answer right\n\n- run: echo started >> ~/started\n" + "".join(
    f"- run: until [ -e ~/part{part} ]; do sleep 0.1; done\n"
    + "".join(f"- say: Step {part}.{step}.\n- wait 0.1\n" for step in range(STEPS))
    for part in range(PARTS)
)
REQUEST += '- replace app.py: "41" -> "42"\n- title: Answer 42\n'
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot these stories may end."""
    with Rig(tmp_path_factory.mktemp("restarted"), LITTLE_LAG | {"AMPBOT_PROGRESS_SECONDS": "10"}) as rig:
        rig.serve()
        yield rig


@pytest.fixture
def mortal(lonely: Rig) -> Iterator[Story]:
    mark = len(lonely.github.server.request_log.entries)
    yield Story.begin(lonely)
    lonely.wait_idle()
    contract = Contract.load()
    entries = lonely.github.server.request_log.since(mark)
    assert [found for entry in entries for found in contract.check(entry)] == []
    assert dict(lonely.e2b.sandboxes) == {}, "a sandbox outlived its run"


def lines(story: Story) -> list[str]:
    """The transcript of the one run, with its numbers in order."""
    rows = story.rig.query(
        "SELECT t.sequence, t.line FROM transcript t JOIN runs r ON r.id = t.run WHERE r.repository = :id "
        "ORDER BY t.sequence",
        id=story.repo.id,
    )
    assert [row["sequence"] for row in rows] == list(range(len(rows)))
    return [row["line"] for row in rows]


def sandbox_at_work(story: Story, number: int) -> Sandbox:
    """The sandbox of the one run, once the first part of what its agent says is in the transcript."""
    story.say(number, REQUEST)
    story.until("the agent to be started", lambda: story.states() == ["working"])
    (sandbox,) = story.rig.e2b.sandboxes.values()
    let(sandbox, 0)
    story.until("the first part in the transcript", lambda: any(said(0) in line for line in lines(story)))
    return sandbox


def let(sandbox: Sandbox, *parts: int) -> None:
    for part in parts:
        (sandbox.home / f"part{part}").touch()


def said(part: int) -> str:
    """The last words of a part."""
    return f"Step {part}.{STEPS - 1}."


def in_transcript(story: Story, part: int) -> None:
    story.until(f"part {part} in the transcript", lambda: any(said(part) in line for line in lines(story)))


def until(what: str, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """For when there is no bot to be asked for its last words."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def output(sandbox: Sandbox) -> str:
    return (sandbox.home / ".ampbot" / "agent" / "out").read_text()


def finish(story: Story, sandbox: Sandbox, *parts: int) -> tuple[str, str]:
    """Let the agent say the rest. All it said, and how often it was started: read before its sandbox can be deleted."""
    gate = Gate()
    story.rig.e2b.server.faults.add(gate.fault("DELETE", rf"^/sandboxes/{sandbox.id}$"))
    try:
        let(sandbox, *parts)
        until("the agent's end", (sandbox.home / ".ampbot" / "agent" / "exit").exists)
        return output(sandbox), (sandbox.home / "started").read_text()
    finally:
        gate.open()


def assert_undisturbed(story: Story, number: int, sandbox: Sandbox, output: str) -> None:
    """One sandbox, one agent, one pull request, one comment, and the whole transcript."""
    assert lines(story) == output.splitlines(), "no line is lost or doubled"
    spoken = [
        block["text"]
        for event in map(json.loads, output.splitlines())
        if event["type"] == "assistant"
        for block in event["message"]["content"]
        if block["type"] == "text" and block["text"].startswith("Step")
    ]
    assert spoken == [f"Step {part}.{step}." for part in range(PARTS) for step in range(STEPS)]
    list_own = [each.id for each in story.rig.e2b.records if each.options.metadata["repository"] == str(story.repo.id)]
    assert list_own == [sandbox.id]
    assert story.states() == ["published"]
    assert story.change() == FIXED
    assert sorted(story.branches()) == sorted(["main", story.only_pull().head_ref])
    assert "### ✅ Done" in story.only_answer(number)


def agents(sandbox: Sandbox) -> list[str]:
    """How each attempt to start the agent ended; a second one finds the first at work."""
    return [command.status for command in sandbox.commands if STARTS in command.text]


def test_killed_while_amp_works_the_bot_reattaches_and_amp_notices_nothing(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    sandbox = sandbox_at_work(mortal, number)
    rig.bot.kill()
    before = lines(mortal)
    let(sandbox, 1)
    until("Amp to go on without us", lambda: said(1) in output(sandbox))
    rig.bot.start()
    in_transcript(mortal, 1)
    assert lines(mortal)[: len(before)] == before
    let(sandbox, 2)
    in_transcript(mortal, 2)
    assert mortal.states() == ["working"]
    whole, times = finish(mortal, sandbox, 3)
    mortal.settle()
    assert times == "started\n", "no second agent was started"
    assert len(agents(sandbox)) == 2, "before the kill and after it the agent was asked for"
    assert_undisturbed(mortal, number, sandbox, whole)


def test_killed_again_and_again_while_amp_works(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    sandbox = sandbox_at_work(mortal, number)
    for part in (1, 2, 3):
        rig.bot.kill()
        rig.bot.start()
        if part < 3:
            let(sandbox, part)
            in_transcript(mortal, part)
    whole, times = finish(mortal, sandbox, 3)
    mortal.settle()
    assert times == "started\n", "no second agent was started"
    assert_undisturbed(mortal, number, sandbox, whole)


def test_the_progress_comment_goes_on_after_a_kill(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    sandbox = sandbox_at_work(mortal, number)
    rig.bot.kill()
    let(sandbox, 1)
    rig.bot.start()
    mortal.until("what was said meanwhile in the comment", lambda: said(1) in mortal.only_answer(number))
    let(sandbox, 2)
    mortal.until("what is said now in the comment", lambda: said(2) in mortal.only_answer(number))
    assert mortal.states() == ["working"]
    whole, _ = finish(mortal, sandbox, 3)
    mortal.settle()
    assert_undisturbed(mortal, number, sandbox, whole)


def test_stopped_in_order_while_amp_works_it_restarts_into_it(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    sandbox = sandbox_at_work(mortal, number)
    rig.bot.stop()
    assert rig.e2b.sandboxes == {sandbox.id: sandbox}, "a live agent is left running"
    assert mortal.states() == ["working"]
    let(sandbox, 1)
    until("Amp to go on without us", lambda: said(1) in output(sandbox))
    rig.bot.start()
    in_transcript(mortal, 1)
    whole, times = finish(mortal, sandbox, 2, 3)
    mortal.settle()
    assert times == "started\n", "no second agent was started"
    assert_undisturbed(mortal, number, sandbox, whole)


def test_killed_while_its_sandbox_is_made_and_stopped_meanwhile_leaves_none(mortal: Story) -> None:
    """Nobody was told the sandbox's id: it is found by its run."""
    rig, number, gate = mortal.rig, mortal.issue(), Gate()
    rig.e2b.server.faults.add(gate.fault("POST", "^/v2/sandboxes$", Side.AFTER))
    asked(mortal, number, state="preparing")
    until("the sandbox to be made", gate.reached.is_set)
    stop = mortal.say(number, "/amp stop")
    mortal.until("the stop to be taken", lambda: taken(mortal, stop))
    rig.bot.kill()
    gate.open()
    rig.bot.start()
    mortal.settle()
    assert_stopped(mortal, number, "", stop)
    assert dict(rig.e2b.sandboxes) == {}
    assert [agents(made) for made in sandboxes(mortal)] == [[]]


@pytest.mark.parametrize("idempotent", [True, False], ids=["keys are known", "keys are ignored"])
def test_killed_while_its_sandbox_is_made_it_goes_on_in_the_same(
    mortal: Story, monkeypatch: pytest.MonkeyPatch, *, idempotent: bool
) -> None:
    """What an earlier attempt made is looked for."""
    rig, number, gate = mortal.rig, mortal.issue(), Gate()
    monkeypatch.setattr(rig.e2b.settings, "idempotent", idempotent)
    requests = rig.e2b.server.request_log
    mark = len(requests.entries)
    rig.e2b.server.faults.add(gate.fault("POST", "^/v2/sandboxes$", Side.AFTER))
    asked(mortal, number, '/amp fix it\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n', state="preparing")
    until("the sandbox to be made", gate.reached.is_set)
    rig.bot.kill()
    gate.open()
    rig.bot.start()
    mortal.settle()
    assert (mortal.states(), mortal.change()) == (["published"], FIXED)
    created = [entry for entry in requests.since(mark) if (entry.method, entry.path) == ("POST", "/v2/sandboxes")]
    assert (len(created), len(sandboxes(mortal))) == (1, 1)


def test_a_delivery_that_never_ends_does_not_hold_the_stop_up(mortal: Story) -> None:
    rig = mortal.rig
    address = urlsplit(rig.bot.url)
    assert address.port is not None
    with socket.create_connection(("127.0.0.1", address.port)) as slow:
        slow.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        rig.bot.stop()
    rig.bot.start()
