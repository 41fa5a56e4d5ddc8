"""What each thing people can ask for comes to, and that everything on offer is described."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from bot.events import commands
from bot.events.effects import Action, React, RemoveLabel, Reply, RetryRun, ShowStatus, StartRun, StopRuns
from bot.events.handler import Handler, HandlerContext, Invocation, reply, verbs
from bot.model import (
    Actor,
    ActorKind,
    AssignEvent,
    CloseEvent,
    Command,
    CommentEvent,
    CommentKind,
    CommentRef,
    Event,
    IssueRef,
    LabelEvent,
    ReviewRequestEvent,
    RunKind,
    RunRequest,
)
from bot.text import command_messages
from handlers import HANDLERS, label, retry, review, run, status, stop
from tests.events.deliveries import ACTOR, PLACE, PULL_PLACE
from tests.factory import run_request

AT = "2026-01-02T03:04:05Z"
NAMES = frozenset({"ampbot", "ampbot[bot]", "amp-team", "amp-user"})
SAID = CommentEvent(PLACE, ACTOR, "/amp fix it", CommentKind.ISSUE, 400, AT)
ON_A_LINE = CommentEvent(PULL_PLACE, ACTOR, "/amp fix it", CommentKind.LINE, 500, AT, path="a/b.py", line=3)
RUN, REVIEW, HELP = Command("run", "fix it", 0), Command("review", "", 0), Command("help", "", 0)

STATUS, RETRY = Command("status", "", 0), Command("retry", "", 0)
STOP, KEEP = Command("stop", "", 0), Command("stop", "keep", 0)


def labelled(name: str, issue: IssueRef = PLACE) -> LabelEvent:
    return LabelEvent(issue, ACTOR, name, AT)


def requested(user: str | None = None, team: str | None = None, issue: IssueRef = PULL_PLACE) -> ReviewRequestEvent:
    return ReviewRequestEvent(issue, ACTOR, user, team, AT)


HELP_HANDLER = HANDLERS[-1]

WANTED: list[tuple[Event, Command | None, Handler | None]] = [
    (SAID, RUN, run.HANDLER),
    (SAID, REVIEW, review.HANDLER),
    (SAID, HELP, HELP_HANDLER),
    (ON_A_LINE, RUN, run.HANDLER),
    (SAID, STATUS, status.HANDLER),
    (SAID, RETRY, retry.HANDLER),
    (SAID, STOP, stop.HANDLER),
    (ON_A_LINE, KEEP, stop.HANDLER),
    (SAID, Command("nothing of ours", "", 0), None),
    (SAID, None, None),
    (labelled("amp"), None, label.HANDLER),
    (labelled("AMP"), None, label.HANDLER),
    (labelled("amp", PULL_PLACE), None, None),
    (labelled("amplify"), None, None),
    (labelled("amp:review"), None, review.HANDLER),
    (labelled("Amp:Review", PULL_PLACE), None, review.HANDLER),
    (requested(user="ampbot[bot]"), None, review.HANDLER),
    (requested(user="AMP-User"), None, review.HANDLER),
    (requested(team="amp-team"), None, review.HANDLER),
    (requested(user="bob"), None, None),
    (requested(team="others"), None, None),
    (requested(), None, None),
    (AssignEvent(PLACE, ACTOR, "ampbot[bot]", AT), None, None),
    (CloseEvent(PLACE, ACTOR, merged=True, at=AT), None, None),
]


@pytest.mark.parametrize(("event", "command", "wanted"), WANTED)
def test_each_thing_asked_for_is_one_handlers(event: Event, command: Command | None, wanted: Handler | None) -> None:
    ask = Invocation(event, command, NAMES)
    assert [handler.name for handler in HANDLERS if handler.matches(ask)] == ([wanted.name] if wanted else [])


def plan(
    handler: Handler, event: Event, command: Command | None = None, event_key: str = "issue:400"
) -> tuple[Action, ...]:
    return handler.plan(HandlerContext(Invocation(event, command, NAMES), event_key))


def the_run(effects: tuple[Action, ...]) -> RunRequest:
    [request] = [effect.request for effect in effects if isinstance(effect, StartRun)]
    return request


def expected(made: RunRequest, event: Event, kind: RunKind, trigger: CommentRef, text: str = "") -> RunRequest:
    assert str(uuid.UUID(made.id)) == made.id
    request = run_request(made.id, kind=kind, issue=event.issue, trigger=trigger, text=text, at=AT)
    return replace(request, path=event.path, line=event.line) if isinstance(event, CommentEvent) else request


@pytest.mark.parametrize("event", [SAID, ON_A_LINE, replace(SAID, kind=CommentKind.REVIEW)])
def test_a_request_starts_a_run_and_shows_that_it_was_taken(event: CommentEvent) -> None:
    effects = plan(run.HANDLER, event, RUN)
    trigger = CommentRef(event.kind, event.comment)
    request = expected(the_run(effects), event, RunKind.WORK, trigger, "fix it")
    assert effects == (StartRun(request), React(event.issue, trigger, "eyes"))


def test_the_label_starts_a_run_without_words_and_is_taken_off() -> None:
    event, body = labelled("Amp"), CommentRef(CommentKind.BODY, 0)
    effects = plan(label.HANDLER, event)
    request = expected(the_run(effects), event, RunKind.WORK, body)
    assert effects == (StartRun(request), React(PLACE, body, "eyes"), RemoveLabel(PLACE, "amp"))


@pytest.mark.parametrize(
    ("event", "command", "off"),
    [
        (replace(SAID, issue=PULL_PLACE), REVIEW, ()),
        (requested(team="amp-team"), None, ()),
        (labelled("amp:review", PULL_PLACE), None, (RemoveLabel(PULL_PLACE, "amp:review"),)),
    ],
)
def test_a_review_starts_a_run_that_only_reads(event: Event, command: Command | None, off: tuple[Action, ...]) -> None:
    effects = plan(review.HANDLER, event, command)
    trigger = CommentRef(CommentKind.ISSUE, 400) if isinstance(event, CommentEvent) else CommentRef(CommentKind.BODY, 0)
    request = expected(the_run(effects), event, RunKind.REVIEW, trigger)
    assert effects == (StartRun(request), React(PULL_PLACE, trigger, "eyes"), *off)


@pytest.mark.parametrize(
    ("event", "command", "off"),
    [(SAID, REVIEW, ()), (labelled("amp:review"), None, (RemoveLabel(PLACE, "amp:review"),))],
)
def test_a_review_of_an_issue_is_answered_with_a_sentence(
    event: Event, command: Command | None, off: tuple[Action, ...]
) -> None:
    assert plan(review.HANDLER, event, command) == (reply(event, "issue:400", command_messages.not_a_pull()), *off)


def test_what_a_review_is_to_look_at_is_the_text_of_its_request() -> None:
    event = replace(SAID, issue=PULL_PLACE)
    request = the_run(plan(review.HANDLER, event, replace(REVIEW, text="the error handling")))
    trigger = CommentRef(CommentKind.ISSUE, 400)
    assert request == expected(request, event, RunKind.REVIEW, trigger, "the error handling")
    assert request.id != the_run(plan(review.HANDLER, event, REVIEW)).id


def test_on_an_issue_the_reply_says_how_to_ask_for_what_was_to_be_looked_at() -> None:
    [answer] = plan(review.HANDLER, SAID, replace(REVIEW, text="the error handling"))
    assert answer == reply(SAID, "issue:400", command_messages.not_a_pull(asked=True))
    assert "`/amp work`" in command_messages.not_a_pull(asked=True)


@pytest.mark.parametrize(("command", "keep"), [(STOP, False), (KEEP, True)])
@pytest.mark.parametrize("event", [SAID, ON_A_LINE])
def test_a_stop_names_who_said_so_and_when(event: CommentEvent, command: Command, keep: bool) -> None:
    trigger = CommentRef(event.kind, event.comment)
    stopping = StopRuns(event.issue, "issue:400", trigger, ACTOR, AT, keep)
    assert plan(stop.HANDLER, event, command) == (stopping, React(event.issue, trigger, "eyes"))


def test_a_retry_is_a_run_of_its_own_and_of_whoever_asks_for_it() -> None:
    trigger = CommentRef(CommentKind.ISSUE, 400)
    action, taken = plan(retry.HANDLER, SAID, RETRY)
    assert isinstance(action, RetryRun)
    assert action == RetryRun(expected(action.request, SAID, RunKind.WORK, trigger), "issue:400")
    assert taken == React(PLACE, trigger, "eyes")
    assert action.request.id != the_run(plan(run.HANDLER, SAID, RUN)).id


def test_a_look_at_the_state_is_answered_once_for_each_gesture() -> None:
    trigger = CommentRef(CommentKind.ISSUE, 400)
    assert plan(status.HANDLER, SAID, STATUS) == (ShowStatus(PLACE, "issue:400", AT), React(PLACE, trigger, "eyes"))


def test_help_tells_of_everything_and_commands_nothing() -> None:
    [answer] = plan(HELP_HANDLER, SAID, HELP)
    assert isinstance(answer, Reply)
    assert (answer.issue, answer.at) == (PLACE, AT)
    for handler in HANDLERS:
        assert f"**: {handler.summary}" in answer.text
        assert handler.usage in answer.text
    assert commands.parse(answer.text, names=("ampbot",), verbs=verbs(HANDLERS)) == ()


def test_one_gesture_makes_one_run_whoever_finds_it() -> None:
    first = the_run(plan(run.HANDLER, SAID, RUN))
    later = replace(SAID, issue=replace(PLACE, title="Renamed", repo=replace(PLACE.repo, name="new")), at="later")
    assert the_run(plan(run.HANDLER, later, RUN)).id == first.id


def test_different_gestures_make_different_runs() -> None:
    elsewhere = replace(SAID, issue=replace(PLACE, repo=replace(PLACE.repo, id=11)))
    ids = [
        the_run(plan(run.HANDLER, SAID, RUN)).id,
        the_run(plan(run.HANDLER, SAID, RUN, event_key="line:400")).id,
        the_run(plan(run.HANDLER, SAID, replace(RUN, index=1))).id,
        the_run(plan(run.HANDLER, SAID, replace(RUN, text="fix that"))).id,
        the_run(plan(run.HANDLER, elsewhere, RUN)).id,
        the_run(plan(label.HANDLER, labelled("amp"))).id,
        the_run(plan(review.HANDLER, labelled("amp:review", PULL_PLACE))).id,
        the_run(plan(review.HANDLER, replace(SAID, issue=PULL_PLACE), REVIEW)).id,
    ]
    assert len(set(ids)) == len(ids)


def test_run_ids_are_what_they_were_when_the_first_version_was_released() -> None:
    assert the_run(plan(run.HANDLER, SAID, RUN)).id == "a1a21326-1d4e-5e8f-99f2-1e3f0e4a5047"
    for text in ("/amp fix it", "/amp work fix it", "@ampbot, work: fix it"):
        [command] = commands.parse(text, names=("ampbot",), verbs=verbs(HANDLERS))
        assert isinstance(command, Command)
        assert the_run(plan(run.HANDLER, SAID, command)).id == "a1a21326-1d4e-5e8f-99f2-1e3f0e4a5047", text
    assert (
        the_run(plan(label.HANDLER, labelled("amp"), event_key="event:1")).id == "48b01311-73ee-5185-86d0-62f1dbf193f9"
    )


def test_the_same_answer_is_given_once_and_another_again() -> None:
    one, same = reply(SAID, "issue:400", "a"), reply(replace(SAID, text="edited"), "issue:400", "a")
    assert one.key == same.key
    assert len({one.key, reply(SAID, "issue:400", "b").key, reply(SAID, "issue:401", "a").key}) == 3
    assert len(reply(SAID, "delivery:" + "x" * 64, "a").key) <= 200  # the key's column


def test_everything_on_offer_is_described() -> None:
    names = [handler.name for handler in HANDLERS]
    assert len(set(names)) == len(names)
    for handler in HANDLERS:
        assert handler.usage.strip()
        assert handler.summary.endswith(".")
        for example in handler.examples:
            [command] = commands.parse(example, names=(), verbs=verbs(HANDLERS))
            assert isinstance(command, Command)
            assert handler.matches(Invocation(SAID, command, NAMES)), example


def test_nobodys_kind_matters_to_a_handler() -> None:
    """Who may ask is decided before: policy, not handlers."""
    machine = replace(SAID, actor=Actor(9, "x[bot]", ActorKind.BOT))
    assert run.HANDLER.matches(Invocation(machine, RUN, NAMES))
