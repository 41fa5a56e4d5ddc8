"""GitHub and E2B in trouble: where patience helps, the end is that of a run without trouble, and nothing is doubled.

A fault that names a repository strikes its story alone, so that many stories are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from bot.rig.e2b.state import Sandbox
from bot.rig.http.faults import Fault, Side
from bot.rig.rig import Rig
from bot.sandbox.scripts import script
from tests.stories.story import BOT, ENDLESS, HELD, Story

FIX = '/amp make the answer right\n\n- replace app.py: "41" -> "42"\n- title: Answer 42\n- answer: It is 42.\n'
SLOW = f"{FIX}- {HELD}\n"
AFTER = Side.AFTER


@dataclass(frozen=True, slots=True)
class End:
    """How a story ended, for everybody to see; the default is how it ends without trouble."""

    states: tuple[str, ...] = ("published",)
    change: dict[str, tuple[str, bytes]] = field(
        default_factory=lambda: {"app.py": ("100644", b"def answer():\n    return 42\n")}
    )
    pulls: tuple[str, ...] = ("Answer 42",)
    branches: int = 2
    comments: tuple[str, ...] = ("### ✅ Done",)
    reactions: tuple[tuple[str, str], ...] = ((BOT, "eyes"),)
    sandboxes: int = 1
    agents: int = 1


def end(story: Story, number: int) -> End:
    (comment,) = [each for each in story.comments(number) if each.author.account.login != BOT]
    sandboxes = sandboxes_of(story)
    return End(
        states=tuple(story.states()),
        change=story.change() if len(story.pulls()) == 1 else {},
        pulls=tuple(pull.issue.title for pull in story.pulls()),
        branches=len(story.branches()),
        comments=tuple(body.split("\n")[2] for body in story.from_bot(number)),
        reactions=tuple(story.reactions(comment)),
        sandboxes=len(sandboxes),
        agents=sum(script("start") in command.text for sandbox in sandboxes for command in sandbox.commands),
    )


def sandboxes_of(story: Story) -> list[Sandbox]:
    return [
        sandbox for sandbox in story.rig.e2b.records if sandbox.options.metadata["repository"] == str(story.repo.id)
    ]


def begun(rig: Rig) -> tuple[Story, int]:
    """A story with an issue, and nothing asked yet."""
    story = Story.begin(rig)
    return story, story.issue()


def only_in(story: Story, fault: Fault) -> Fault:
    """The fault, so that it strikes this story's repository and installation alone."""
    places = {"REPO": f"^/api/v3/repos/{story.repo.full_name}", "GIT": f"^/{story.repo.full_name}.git"}
    path = fault.path.replace("INSTALLATION", f"/installations/{story.installation.id}/")
    for name, issue in places.items():
        path = path.replace(name, re.escape(issue).replace(r"\^", "^"))
    return replace(fault, path=path)


COMMENTS, EDIT = r"REPO/issues/\d+/comments$", r"REPO/issues/comments/\d+$"
TREES, REFS, PULLS = "REPO/git/trees$", "REPO/git/refs$", "REPO/pulls$"

GITHUB = {
    "nothing at all": Fault("delay", path="REPO/nowhere"),
    # What GitHub would do twice.
    "502 before the comment": Fault("error", method="POST", path=COMMENTS),
    "502 after the comment": Fault("error", AFTER, method="POST", path=COMMENTS),
    "an answer to the comment that is no JSON": Fault("wrong_json", AFTER, method="POST", path=COMMENTS),
    "502 before the branch": Fault("error", method="POST", path=REFS),
    "502 after the branch": Fault("error", AFTER, method="POST", path=REFS),
    "502 before the pull request": Fault("error", method="POST", path=PULLS),
    "502 after the pull request": Fault("error", AFTER, method="POST", path=PULLS),
    "half an answer to the pull request": Fault("cut", method="POST", path=PULLS),
    # What GitHub refuses now, and not later.
    "a comment that is forbidden at first": Fault("error", status=403, method="POST", path=COMMENTS),
    "a comment that is not valid at first": Fault("error", status=422, method="POST", path=COMMENTS),
    # What may be repeated.
    "502 for a token": Fault("error", path="INSTALLATIONaccess_tokens$"),
    "500 for the permission": Fault("error", status=500, path="REPO/collaborators/mona/permission$"),
    "502 as a page, after the reaction": Fault("error", AFTER, plain=True, method="POST", path="REPO/.*/reactions$"),
    "half an answer to the tree": Fault("cut", method="POST", path=TREES),
    "silence, then nothing, after the commit": Fault("timeout", AFTER, path="REPO/git/commits$", seconds=0.5),
    "a tree's answer, drop by drop": Fault("drip", method="POST", path=TREES, seconds=2),
    "503 for the last word": Fault("error", status=503, method="PATCH", path=EDIT),
    # Limits.
    "a secondary limit on the comment": Fault("secondary_limit", method="POST", path=COMMENTS, seconds=1),
    "a secondary limit on the pull request": Fault("secondary_limit", path=PULLS, seconds=1, status=429),
    "the primary limit on the tree": Fault("primary_limit", path=TREES, seconds=2),
    # What the sandbox asks for.
    "500 for git": Fault("error", status=500, plain=True, path="GIT/git-upload-pack$"),
}
# GraphQL's address names no repository: these strike some story.
GRAPHQL = (
    Fault("error", path="^/api/graphql$"),
    Fault("wrong_json", path="^/api/graphql$"),
    Fault("primary_limit", path="^/api/graphql$", seconds=1),
)


def test_trouble_at_github_leaves_no_trace(rig: Rig) -> None:
    """Although GitHub's lists show what was made only two seconds later."""
    stories = {name: begun(rig) for name in GITHUB}
    rig.github.server.faults.add(*GRAPHQL, *(only_in(story, GITHUB[name]) for name, (story, _) in stories.items()))
    rig.github.settings.list_lag_seconds = 2.0
    try:
        for story, number in stories.values():
            story.say(number, FIX)
        rig.wait_idle()
    finally:
        rig.github.settings.list_lag_seconds = 0.0
    assert {name: end(*told) for name, told in stories.items()} == dict.fromkeys(GITHUB, End())
    assert len(rig.github.server.faults.faults) == 1, "each has struck but the one that never does"


def test_a_redirect_to_another_host_is_not_followed(rig: Rig) -> None:
    """The token stays at home. What GitHub does not do is left; the run itself goes on."""
    elsewhere = rig.e2b.url.replace("127.0.0.1", "localhost")
    (asked, number), (told, other) = begun(rig), begun(rig)
    fault = Fault("redirect", message=elsewhere, times=0)
    rig.github.server.faults.add(
        only_in(asked, replace(fault, path="REPO/collaborators/")), only_in(told, replace(fault, path=COMMENTS))
    )
    asked.say(number, FIX)
    told.say(other, FIX)
    rig.wait_idle()
    nothing = End(states=(), change={}, pulls=(), branches=1, comments=(), reactions=(), sandboxes=0, agents=0)
    assert end(asked, number) == nothing, "an unknown permission is none"
    assert end(told, other) == replace(End(), comments=())
    seen = [entry.path for entry in rig.e2b.server.request_log.entries if entry.path.startswith("/api/")]
    assert seen == []


def test_tokens_that_run_out_while_the_agent_works_are_renewed(rig: Rig) -> None:
    story, number = begun(rig)
    story.say(number, SLOW)
    story.until("the agent to work", lambda: story.states() == ["working"])
    assert rig.github.expire_tokens() > 0
    story.settle()
    assert end(story, number) == End()
    refused = [request for request in story.rig.github.server.request_log.entries if request.status == 401]
    assert refused, "the one that ran out was tried"


CREATE = "^/v2/sandboxes$"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("error", method="POST", path=CREATE, status=503, times=2), id="503"),
        pytest.param(Fault("error", method="POST", path=CREATE, status=504, times=2, plain=True), id="504 as a page"),
        pytest.param(
            Fault("error", method="POST", path=CREATE, status=500, message="Failed to place sandbox"), id="500"
        ),
        pytest.param(
            Fault("error", method="POST", path=CREATE, status=409, message="A request with this Idempotency-Key is…"),
            id="409, the first try is still under way",
        ),
        pytest.param(Fault("timeout", AFTER, method="POST", path=CREATE, seconds=0.5), id="silence after the effect"),
        pytest.param(Fault("cut", method="POST", path=CREATE), id="half an answer"),
        pytest.param(Fault("error", path="/process.Process/Start$", plain=True), id="502 for a command"),
        pytest.param(Fault("cut", path="/process.Process/Start$"), id="half a command"),
        pytest.param(Fault("cut", path="/process.Process/Start$", skip=2), id="half a command, the checkout"),
        pytest.param(Fault("stop", path="/process.Process/Start$", skip=5), id="a look that ends without its end"),
        pytest.param(Fault("error", status=503, path="^/files$"), id="503 for a file"),
    ],
)
def test_trouble_at_e2b_leaves_no_trace(rig: Rig, fault: Fault) -> None:
    story, number = begun(rig)
    rig.e2b.server.faults.add(fault)
    story.say(number, FIX)
    story.settle()
    assert end(story, number) == End()
    assert rig.e2b.server.faults.faults == (), "it has struck"


@pytest.fixture(params=["keys are ignored", "outcomes are unknown"])
def forgetful(request: pytest.FixtureRequest, rig: Rig) -> Iterator[Rig]:
    """An E2B with which a second request with the same idempotency key does not give the first one's sandbox."""
    rig.e2b.settings.idempotent = request.param != "keys are ignored"
    rig.e2b.settings.outcomes_unknown = request.param == "outcomes are unknown"
    yield rig
    rig.e2b.settings.idempotent, rig.e2b.settings.outcomes_unknown = True, False


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("timeout", AFTER, method="POST", path=CREATE, seconds=0.5), id="silence"),
        pytest.param(Fault("cut", method="POST", path=CREATE), id="half an answer"),
        pytest.param(Fault("error", AFTER, method="POST", path=CREATE, status=500), id="500"),
        # The SDK would try again by itself, and so make another one.
        pytest.param(Fault("error", AFTER, method="POST", path=CREATE, status=504), id="504"),
    ],
)
def test_a_sandbox_whose_creation_was_not_answered_is_found_by_its_run(forgetful: Rig, fault: Fault) -> None:
    story, number = begun(forgetful)
    forgetful.e2b.server.faults.add(fault)
    story.say(number, FIX)
    story.settle()
    assert end(story, number) == End()
    assert forgetful.e2b.server.faults.faults == (), "it has struck"


def test_e2b_that_has_no_room_yet_is_asked_again(rig: Rig) -> None:
    """429 with Retry-After: as many sandboxes as the account may have are running."""
    rig.e2b.settings.max_concurrent = 1
    stories = [begun(rig) for _ in range(2)]
    try:
        for story, number in stories:
            story.say(number, FIX)
        rig.wait_idle()
    finally:
        rig.e2b.settings.max_concurrent = 100
    assert [end(*told) for told in stories] == [End(), End()]
    refused = [entry for entry in rig.e2b.server.request_log.entries if entry.status == 429]
    assert refused, "one of the two was told to wait"


def test_a_stream_that_breaks_while_the_agent_works_is_taken_up_again(rig: Rig) -> None:
    story, number = begun(rig)
    story.say(number, SLOW)
    story.until("the agent to work", lambda: story.states() == ["working"])
    (sandbox,) = sandboxes_of(story)
    story.until("a look", lambda: any(script("follow") in command.text for command in sandbox.commands))
    rig.e2b.cut(sandbox.id)
    story.settle()
    assert end(story, number) == End()


def test_a_sandbox_that_vanishes_while_the_agent_works_is_said_and_the_transcript_kept(rig: Rig) -> None:
    story, number = begun(rig)
    story.say(number, f"/amp try\n\n- say: So far so good.\n- {ENDLESS}\n- append README.md: more\n")
    lines = "SELECT line FROM transcript WHERE run IN (SELECT id FROM runs WHERE repository = :id)"
    story.until(
        "a line of the transcript",
        lambda: any("So far so good." in row["line"] for row in rig.query(lines, id=story.repo.id)),
    )
    (sandbox,) = sandboxes_of(story)
    rig.e2b.vanish(sandbox.id)
    story.settle()
    failed = End(states=("failed",), change={}, pulls=(), branches=1, comments=("### ⚠️ It did not work out",))
    assert end(story, number) == failed
    assert (
        "The sandbox ended before the work was done, and what was in it is lost. The transcript up to then is kept."
    ) in story.only_answer(number)
    kept = rig.query(lines, id=story.repo.id)
    assert any("So far so good." in row["line"] for row in kept)


def test_an_e2b_that_refuses_for_good_is_said_at_once(rig: Rig) -> None:
    story, number = begun(rig)
    refusal = Fault("error", method="POST", path=CREATE, status=400, message="Timeout cannot be greater than 1 hours")
    rig.e2b.server.faults.add(refusal)
    story.say(number, FIX)
    story.settle()
    failed = End(states=("failed",), change={}, pulls=(), branches=1, comments=("### ⚠️ It did not work out",))
    assert end(story, number) == replace(failed, sandboxes=0, agents=0)
    answer = story.only_answer(number)
    assert "E2B would not start a sandbox from the template `amp`:" in answer
    assert "Timeout cannot be greater than 1 hours" in answer
