"""Each declared way to ask, whatever becomes of its delivery: in the end there is one run, and one comment on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bot.events import triggers
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.webhooks import Handling, signature
from bot.rig.rig import Rig
from handlers import HANDLERS
from tests.stories.other_triggers import HANDLER
from tests.stories.package import install
from tests.stories.story import FILES, MAINTAINER, Story
from tests.stories.test_missed import sleep, wake

ROOT = Path(__file__).parents[2]
# A request in text, and what the agent is told where there is none.
TEXT, SCRIPT = "/amp tell me\n\n- answer: By text.\n", "- answer: Without text.\n"
ALL = (*HANDLERS, HANDLER)
USER, TEAM = "amp-reviewer", "reviewers"


# --- what people do -------------------------------------------------------------------------------


def pull(story: Story, body: str = "What it does.") -> int:
    branch = f"feature-{len(story.repo.pulls)}"
    story.rig.github.push_commit(story.repo, branch, {"new.py": f"{branch} = 1\n"}, MAINTAINER)
    return story.rig.github.open_pull(story.repo, MAINTAINER, branch, "A feature", body).number


def write_comment(story: Story) -> int:
    number = story.issue()
    story.say(number, TEXT)
    return number


def write_line(story: Story) -> int:
    number = pull(story)
    story.rig.github.review_comment(story.repo, number, MAINTAINER, DraftComment("new.py", TEXT, 1))
    return number


def write_review(story: Story) -> int:
    number = pull(story)
    story.rig.github.submit_review(story.repo, number, MAINTAINER, TEXT)
    return number


# By the trigger's name: write the text, and say where.
WRITE: Mapping[str, Callable[[Story], int]] = {
    "issue": write_comment,
    "body": lambda story: story.issue(body=TEXT),
    "pull": lambda story: pull(story, TEXT),
    "line": write_line,
    "review": write_review,
}

Deed = Callable[[Story, int, str], None]

# By the subject's field: put it there, and take it back.
DO: Mapping[str, tuple[Deed, Deed]] = {
    "label": (
        lambda story, number, name: story.rig.github.label(story.repo, number, MAINTAINER, name),
        lambda story, number, name: story.rig.github.unlabel(story.repo, number, MAINTAINER, name),
    ),
    "requested_reviewer": (
        lambda story, number, name: story.rig.github.request_review(story.repo, number, MAINTAINER, name),
        lambda story, number, name: story.rig.github.withdraw_review_request(story.repo, number, MAINTAINER, name),
    ),
    "requested_team": (
        lambda story, number, name: story.rig.github.request_review(story.repo, number, MAINTAINER, name),
        lambda story, number, name: story.rig.github.withdraw_review_request(story.repo, number, MAINTAINER, name),
    ),
    "assignee": (
        lambda story, number, name: story.rig.github.assign(story.repo, number, MAINTAINER, name),
        lambda story, number, name: story.rig.github.unassign(story.repo, number, MAINTAINER, name),
    ),
}


# --- the cases, from the declarations ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """One way to ask; `ask` does it and returns the number of the issue or pull request, `withdraw` takes it back."""

    name: str
    ask: Callable[[Story], int]
    withdraw: Callable[[Story, int], None] | None = None


def by_issue_event(field: str, name: str, pulls: bool) -> Case:
    do, undo = DO[field]

    def ask(story: Story) -> int:
        number = pull(story) if pulls else story.issue()
        do(story, number, name)
        return number

    return Case(f"{field}: {name}", ask, lambda story, number: undo(story, number, name))


def declared() -> Iterator[Case]:
    for text in triggers.TEXTS:
        yield Case(text.name, WRITE[text.name])
    for on in [on for handler in ALL for on in handler.on]:
        for subject in on.trigger.subjects:
            yield by_issue_event(
                subject.field, on.subject or (TEAM if subject.field == "requested_team" else USER), on.pulls
            )


CASES = tuple(declared())


def test_the_cases_are_all_that_people_can_do() -> None:
    """Were a declaration taken away, its deed would be left."""
    assert {text.name for text in triggers.TEXTS} == set(WRITE)
    assert {subject.field for trigger in triggers.ISSUE_EVENTS for subject in trigger.subjects} == set(DO)
    assert {on.trigger for handler in ALL for on in handler.on} == set(triggers.ISSUE_EVENTS)


# --- what comes of them -----------------------------------------------------------------------------

# (name of the case, what became of the delivery) -> (runs, comments of the bot)
Came = dict[tuple[str, str], tuple[int, int]]

DELIVERED, REDELIVERED, DOUBLED = "delivered", "redelivered", "delivered under another GUID too"
FOUND, LATE, WITHDRAWN = "missed and found", "found and delivered afterwards", "missed and withdrawn"


def begin(rig: Rig) -> Story:
    story = Story.begin(rig, {**FILES, "AMP-SCRIPT.md": SCRIPT})
    if rig.github.state.account(USER) is None:
        rig.github.create_user(USER)
    rig.github.set_permission(story.repo, USER, "write")
    rig.github.create_team(story.repo.owner.login, TEAM)
    return story


def look(came: Came, story: Story, asked: Mapping[str, int], fate: str) -> None:
    runs = [json.loads(row["request"])["place"]["number"] for row in story.runs()]
    for name, number in asked.items():
        came[name, fate] = (runs.count(number), len(story.from_bot(number)))


def redeliver(rig: Rig, story: Story) -> None:
    for each in rig.github.deliveries:
        if each.repository == story.repo.id:
            rig.github.state.outbox.redeliver(each)
    rig.wait_idle(120)


def deliver_again(rig: Rig, story: Story) -> None:
    """Every body once more under a GUID of its own, signed."""
    bodies = {each.guid: each for each in rig.github.deliveries if each.repository == story.repo.id}
    for number, each in enumerate(bodies.values()):
        headers = {
            **each.request_headers,
            "X-GitHub-Delivery": f"11111111-2222-3333-4444-{number:012}",
            "X-Hub-Signature-256": signature(rig.secret, each.body),
        }
        answer = httpx.post(f"{rig.bot.url}/webhook", content=each.body, headers=headers, trust_env=False)
        assert answer.status_code == 202
    rig.wait_idle(120)


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> Came:
    """Everything, on one rig."""
    found: Came = {}
    site = tmp_path_factory.mktemp("others") / "site"
    install(site, "ampbot-others", {"others": "tests.stories.other_triggers:HANDLER"}, {})
    settings = {"AMPBOT_REVIEWERS": f"{USER},{TEAM}", "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    with Rig(tmp_path_factory.mktemp("triggers"), settings) as rig:
        rig.serve()
        story = begin(rig)
        asked = {case.name: case.ask(story) for case in CASES}
        rig.wait_idle(120)
        look(found, story, asked, DELIVERED)
        redeliver(rig, story)
        look(found, story, asked, REDELIVERED)
        deliver_again(rig, story)
        look(found, story, asked, DOUBLED)

        missed, withdrawn = begin(rig), begin(rig)
        sleep(rig)
        rig.github.handle_deliveries(Handling(drop=True))
        numbers = {case.name: case.ask(withdrawn) for case in CASES if case.withdraw is not None}
        for case in CASES:
            if case.withdraw is not None:
                case.withdraw(withdrawn, numbers[case.name])
        rig.github.handle_deliveries(Handling(hold=True))
        asked = {case.name: case.ask(missed) for case in CASES}
        wake(rig)
        look(found, missed, asked, FOUND)
        look(found, withdrawn, numbers, WITHDRAWN)
        rig.github.handle_deliveries(Handling())
        assert rig.github.release_deliveries() >= len(CASES)
        rig.wait_idle(120)
        look(found, missed, asked, LATE)
    return found


@pytest.mark.parametrize("fate", [DELIVERED, REDELIVERED, DOUBLED, FOUND, LATE])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_answered_once(came: Came, case: Case, fate: str) -> None:
    assert came[case.name, fate] == (1, 1)


@pytest.mark.parametrize("case", [case for case in CASES if case.withdraw is not None], ids=lambda case: case.name)
def test_what_was_missed_and_withdrawn_is_not_answered(came: Came, case: Case) -> None:
    assert came[case.name, WITHDRAWN] == (0, 0)
