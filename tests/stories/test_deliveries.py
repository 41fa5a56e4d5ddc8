"""Deliveries come twice, out of order, or while nobody is at home; the bot is stopped and killed. Each request is
run once, and ends as if nothing had been."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from bot.rig.contract.contract import Contract
from bot.rig.github.webhooks import Handling, signature
from bot.rig.http.faults import Fault, Request, Side
from bot.rig.rig import PATIENCE, Rig
from tests.stories.conftest import LITTLE_LAG
from tests.stories.redelivering import deliveries_of, redeliver
from tests.stories.story import BOT, HELD, MAINTAINER, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n'
FIXED = {"app.py": ("100644", b"def answer():\n    return 42\n")}


def assert_done_once(story: Story, number: int, agents: int = 1) -> None:
    assert story.change() == FIXED
    assert story.states() == ["published"]
    assert sorted(story.branches()) == sorted(["main", story.only_pull().head_ref])
    assert "### ✅ Done" in story.only_answer(number)
    sandboxes = [
        sandbox for sandbox in story.rig.e2b.records if sandbox.options.metadata["repository"] == str(story.repo.id)
    ]
    assert len(sandboxes) == agents


def test_a_redelivery_after_the_end_does_nothing(story: Story) -> None:
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    assert_done_once(story, number)
    mark = story.mark()
    (first,) = deliveries_of(story, FIX)
    for _ in range(2):
        redeliver(story.rig, first)
    story.settle()
    assert [(each.redelivery, each.status_code) for each in deliveries_of(story, FIX)] == [
        (False, 202),
        (True, 202),
        (True, 202),
    ]
    assert story.requests(mark) == []
    assert_done_once(story, number)


def test_the_same_body_under_another_guid_does_nothing(story: Story) -> None:
    """Neither header is signed: whoever saw one delivery can send it again."""
    number = story.issue()
    story.say(number, FIX)
    story.settle()
    mark = story.mark()
    (first,) = deliveries_of(story, FIX)
    again = {
        **first.request_headers,
        "X-GitHub-Delivery": "11111111-2222-3333-4444-555555555555",
        "X-Hub-Signature-256": signature(story.rig.secret, first.body),
    }
    answer = httpx.post(f"{story.rig.bot.url}/webhook", content=first.body, headers=again, trust_env=False)
    assert (answer.status_code, answer.json()["stored"]) == (202, False)
    story.settle()
    assert story.requests(mark) == []
    assert_done_once(story, number)


def test_what_was_asked_longer_ago_than_ids_are_kept_is_answered_and_not_run(story: Story) -> None:
    """Its run may have been forgotten; a signed delivery does not say when it was signed."""
    number = story.issue()
    story.say(number, "Good morning.")
    story.settle()
    (first,) = deliveries_of(story, "Good morning.")
    for days, states in ((91, []), (89, ["published"])):
        told = json.loads(first.body)
        then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))
        told["comment"] |= {"body": FIX, "created_at": then, "updated_at": then}
        body = json.dumps(told).encode()
        headers = {
            **first.request_headers,
            "X-GitHub-Delivery": f"11111111-2222-3333-4444-5555555555{days}",
            "X-Hub-Signature-256": signature(story.rig.secret, body),
        }
        assert httpx.post(f"{story.rig.bot.url}/webhook", content=body, headers=headers, trust_env=False).is_success
        story.settle()
        assert story.states() == states
        assert "This request is more than 90 days old, so I have not taken it up." in story.from_bot(number)[0]
    assert len(story.from_bot(number)) == 2
    assert len(story.pulls()) == 1


def test_deliveries_that_come_many_times_at_once_count_once(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(copies=10))
    comment = story.say(number, FIX)
    story.settle()
    story.rig.github.handle_deliveries(Handling())
    assert [each.status_code for each in deliveries_of(story, FIX)] == [202] * 10
    assert_done_once(story, number)
    assert story.reactions(comment) == [(BOT, "eyes")]


def test_deliveries_out_of_order_are_all_answered(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(hold=True))
    for name in ("one", "two", "three"):
        story.say(number, f"/amp write {name}\n\n- answer: This is {name}.\n")
    story.rig.github.handle_deliveries(Handling())
    assert story.rig.github.release_deliveries(reverse=True) == 3
    story.settle()
    assert story.states() == ["answered"] * 3
    answers = "\n".join(story.from_bot(number))
    assert [answers.count(f"\nThis is {name}.\n") for name in ("one", "two", "three")] == [1, 1, 1]


def test_an_edit_that_overtakes_its_comment_does_not_run_it_twice(story: Story) -> None:
    number = story.issue()
    story.rig.github.handle_deliveries(Handling(hold=True))
    comment = story.say(number, FIX)
    story.rig.github.edit_comment(comment, MAINTAINER, f"Good morning.\n\n{FIX}")
    story.rig.github.handle_deliveries(Handling())
    assert story.rig.github.release_deliveries(reverse=True) == 2
    story.settle()
    assert_done_once(story, number)


# --- the bot is stopped, killed, down -------------------------------------------------------------


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig whose bot these stories may end."""
    with Rig(tmp_path_factory.mktemp("lonely"), LITTLE_LAG) as rig:
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


def test_a_command_that_came_while_the_bot_was_down_is_run_when_it_is_delivered_again(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    rig.github.wait_deliveries()
    rig.bot.stop()
    mortal.say(number, FIX)
    assert rig.github.wait_deliveries()
    (failed,) = deliveries_of(mortal, FIX)
    assert (failed.status_code, failed.status) == (502, "failed to connect to host")
    rig.bot.start()
    redeliver(rig, failed)
    redelivered = "the bot's own request for it, or none when the owner's was earlier"
    mortal.settle()
    assert [each.status_code for each in deliveries_of(mortal, FIX)] in ([502, 202], [502, 202, 202]), redelivered
    assert_done_once(mortal, number)


def test_a_request_survives_a_kill_right_after_its_202(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    mortal.settle()
    mortal.say(number, FIX)
    mortal.until("the 202", lambda: [each.status_code for each in deliveries_of(mortal, FIX)] == [202])
    rig.bot.kill()
    rig.bot.start()
    mortal.settle()
    assert_done_once(mortal, number)


def test_a_run_survives_kills_between_an_effect_and_its_answer(mortal: Story) -> None:
    """After the comment, after the branch, after the pull request: GitHub has done it, and the bot never hears."""
    rig, number = mortal.rig, mortal.issue()
    mortal.settle()
    killed: list[str] = []

    life = threading.Lock()  # nothing is killed while it is being started

    def kill(request: Request) -> None:
        with life:
            rig.bot.kill()
        killed.append(request.path.removeprefix(f"/api/v3/repos/{mortal.repo.full_name}"))

    places = (r"/issues/\d+/comments$", "/git/refs$", "/pulls$")
    rig.github.server.faults.add(*(Fault("call", Side.AFTER, method="POST", path=path, call=kill) for path in places))
    mortal.say(number, FIX)
    for deaths in (1, 2, 3):
        deadline = time.monotonic() + PATIENCE
        while len(killed) < deaths:
            assert time.monotonic() < deadline, f"killed at {killed} only; {rig.bot.log[-5:]}"
            time.sleep(0.02)
        with life:
            rig.bot.start()
    mortal.settle()
    assert killed == [f"/issues/{number}/comments", "/git/refs", "/pulls"]
    assert_done_once(mortal, number)


def test_a_stop_while_the_agent_works_is_not_noticed_by_the_agent(mortal: Story) -> None:
    rig, number = mortal.rig, mortal.issue()
    steps = "\n".join(f"- say: Step {step}." for step in range(20))
    mortal.say(number, f"{FIX}- run: echo started >> ~/started\n{steps}\n- {HELD}\n- say: After the stop.\n")
    mortal.until("the agent to work", lambda: mortal.states() == ["working"])
    (sandbox,) = rig.e2b.sandboxes.values()
    mortal.until("the agent's first action", (sandbox.home / "started").exists)
    rig.bot.stop()
    (sandbox.home / "go").touch()
    deadline = time.monotonic() + PATIENCE
    while not (sandbox.home / ".ampbot" / "agent" / "exit").exists():
        assert time.monotonic() < deadline, "the agent goes on without us"
        time.sleep(0.05)
    assert (sandbox.home / "started").read_text() == "started\n"
    output = (sandbox.home / ".ampbot" / "agent" / "out").read_text()
    assert "After the stop." in output
    rig.bot.start()
    mortal.settle()
    assert_done_once(mortal, number)
    (run,) = mortal.runs()
    lines = rig.query("SELECT sequence, line FROM transcript WHERE run = :run ORDER BY sequence", run=run["id"])
    assert [row["line"] for row in lines] == output.splitlines(), "no line is lost or doubled"
    assert [row["sequence"] for row in lines] == list(range(len(lines)))
