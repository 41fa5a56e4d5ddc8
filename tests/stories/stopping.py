"""What stories of stopping are told with: a long run, and a gate that holds a request where the story wants it."""

from __future__ import annotations

from threading import Event

from bot.rig.e2b.state import Sandbox
from bot.rig.github.records import Comment
from bot.rig.http.faults import Fault, Request, Side
from bot.rig.rig import PATIENCE
from tests.stories.story import BOT, ENDLESS, MAINTAINER, Story

LONG = f"/amp count to a hundred\n\n- create new.txt: new\n- {ENDLESS}\n- answer: Done.\n"
NOTHING = "Nothing is running here."


def sandboxes(story: Story) -> list[Sandbox]:
    return [
        sandbox for sandbox in story.rig.e2b.records if sandbox.options.metadata["repository"] == str(story.repo.id)
    ]


def taken(story: Story, comment: Comment) -> bool:
    return (BOT, "+1") in story.reactions(comment)


def asked(story: Story, number: int, text: str = LONG, state: str = "working") -> None:
    story.say(number, text)
    story.until(f"the run to be {state}", lambda: story.states()[-1:] == [state])


def changed(story: Story) -> None:
    """Until the agent has made its change."""
    query, run = "SELECT line FROM transcript WHERE run = :run", story.runs()[-1]["id"]
    story.until(
        "the agent's first change", lambda: any("tool_result" in row["line"] for row in story.rig.query(query, run=run))
    )


def assert_stopped(story: Story, number: int, says: str, stop: Comment | None = None) -> None:
    assert story.states() == ["stopped"]
    answer = story.only_answer(number)
    assert "### ⏹️ Stopped" in answer
    assert f"Stopped by {MAINTAINER}" in answer
    assert says in answer
    assert (story.pulls(), sorted(story.branches())) == ([], ["main"])
    if stop is not None:
        assert story.reactions(stop) == [(BOT, "+1"), (BOT, "eyes")]


class Gate:
    """Holds the request it strikes until it is opened."""

    def __init__(self) -> None:
        self.reached, self._open = Event(), Event()

    def __call__(self, _request: Request) -> None:
        self.hold()

    def hold(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE)

    def open(self) -> None:
        self._open.set()

    def fault(self, method: str, path: str, side: Side = Side.BEFORE) -> Fault:
        return Fault("call", side, method=method, path=path, call=self)
