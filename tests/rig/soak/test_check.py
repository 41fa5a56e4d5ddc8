"""The checker finds every broken guarantee in doctored evidence, and nothing in correct evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.rig.soak.check import RULES, check
from bot.rig.soak.evidence import (
    BotComment,
    Evidence,
    Expect,
    PermissionCheck,
    Publication,
    RunRow,
    SandboxRow,
    Sent,
    UserAction,
    Write,
)

RUN, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
RETRY = "33333333-3333-4333-8333-333333333333"
DONE = f"<!-- ampbot:run:{RUN} -->\n\n### ✅ Done\n\n> **mona:** s1 fix it\n\nOpened #2.\n\n<sub>4 s</sub>"
WAITING = DONE.replace("✅ Done", "⏳ Queued")
HELP = "<!-- ampbot:reply:issue:7:abc -->\nWhat you can ask"
NOTHING = "<!-- ampbot:stop:issue:8:2026 -->\nNothing is running here."
NO_RETRY = "<!-- ampbot:retry:issue:9 -->\nNothing has ended here."
AGAIN = DONE.replace(RUN, RETRY)
DENIAL = "<!-- ampbot:denied:1:3 -->\nSorry eve"

ROW = RunRow(RUN, 1, 1, "mona", "published", "", publishing_at=20.0, ended_at=30.0, agents=1)
RETRIED = replace(ROW, id=RETRY, number=6, publishing_at=31.0, ended_at=40.0, asked_in=9)
WRITE = Write(9, 1, 25.0, "POST /repos/octo/pages/git/trees", "")
ASKED = PermissionCheck(8, 1, "mona", 22.0, 22.5)
SANDBOX = SandboxRow("a", RUN, live=False, agent=True)
SENT = Sent("guid", "issue_comment", accepted=True, stored=True)
MADE = (Publication("pull", 1, "2", RUN), Publication("commit", 1, "abc", RUN), Publication("commit", 1, "first", ""))

KEPT = Evidence(
    actions=(
        UserAction(1, 1, "mona", Expect.RUN, "s1", "/amp s1 fix it"),
        UserAction(1, 2, "mona", Expect.REPLY, "<!-- ampbot:reply:issue:7:", "/amp help"),
        UserAction(1, 3, "eve", Expect.DENIAL, "", "/amp s2"),
        UserAction(1, 3, "eve", Expect.DENIAL, "", "/amp s3"),
        UserAction(1, 4, "robo[bot]", Expect.NOTHING, "", "/amp s4"),
        UserAction(1, 5, "mona", Expect.STOP, "<!-- ampbot:stop:issue:8:", "/amp stop", 8),
        UserAction(1, 6, "mona", Expect.RETRY, "<!-- ampbot:retry:issue:9 ", "/amp retry", 9),
    ),
    comments=(
        BotComment(1, 1, 5, DONE),
        BotComment(1, 2, 6, HELP),
        BotComment(1, 3, 7, DENIAL),
        BotComment(1, 6, 8, AGAIN),
    ),
    made=MADE,
    writes=(WRITE,),
    permissions=(ASKED,),
    sandboxes=(SANDBOX,),
    runs=(ROW, RETRIED),
    thumbed=frozenset({8}),
    sent=(SENT,),
    starts=(1.0,),
)


def comments(*bodies: str, number: int = 1) -> tuple[BotComment, ...]:
    """The comments of KEPT, with these on one issue."""
    others = [each for each in KEPT.comments if each.number != number]
    return (*others, *(BotComment(1, number, 50 + index, body) for index, body in enumerate(bodies)))


ANSWER = "every command has exactly one answer"
DENIED = "strangers get one denial a conversation"
STOPPED = "every stop is answered"
WHY = "nothing is stopped unasked"
RETRIES = "every retry is one run or one reply"
UNASKED = "nothing is said unasked"
ONCE = "a run publishes once"
MAY = "nothing is published without asking who may"
SANDBOXES = "no sandbox outlives its run"
AGENT = "one run has one agent"
IN = "every delivery gets in and is closed"
ENDS = "every run ends"

# A change of the evidence -> the rules that it breaks.
BROKEN: dict[str, tuple[Evidence, set[str]]] = {
    "no answer": (replace(KEPT, comments=comments()), {ANSWER}),
    "two answers of two runs": (replace(KEPT, comments=comments(DONE, DONE.replace(RUN, OTHER))), {ANSWER, UNASKED}),
    "the same comment twice": (replace(KEPT, comments=comments(DONE, DONE)), {ANSWER, UNASKED}),
    "an answer without an end": (replace(KEPT, comments=comments(WAITING)), {ANSWER}),
    "a head without its price": (replace(KEPT, comments=comments(DONE.split("<sub>", maxsplit=1)[0])), {ANSWER}),
    "somebody else's answer": (replace(KEPT, comments=comments(DONE.replace("s1", "s9"))), {ANSWER}),
    "no help": (replace(KEPT, comments=comments(number=2)), {ANSWER}),
    "help twice": (replace(KEPT, comments=comments(HELP, HELP, number=2)), {ANSWER, UNASKED}),
    "a run where help was asked for": (replace(KEPT, comments=comments(DONE, number=2)), {ANSWER}),
    "no denial": (replace(KEPT, comments=comments(number=3)), {DENIED}),
    "two denials": (replace(KEPT, comments=comments(DENIAL, DENIAL, number=3)), {DENIED, UNASKED}),
    "an answer to a machine": (replace(KEPT, comments=comments(DONE, number=4) + KEPT.comments[:0]), {UNASKED}),
    "a denial of a machine": (replace(KEPT, comments=comments(DENIAL, number=4)), {DENIED, UNASKED}),
    "an answer where nobody asked": (replace(KEPT, comments=comments(DONE, number=9)), {UNASKED}),
    "a stop without an answer": (replace(KEPT, thumbed=frozenset()), {STOPPED}),
    "two replies to a stop": (replace(KEPT, comments=comments(NOTHING, NOTHING, number=5)), {STOPPED, UNASKED}),
    "a run that nobody stopped": (replace(KEPT, runs=(replace(ROW, state="stopped"), RETRIED)), {WHY}),
    "a retry without an answer": (replace(KEPT, runs=(ROW,), comments=comments(number=6)), {RETRIES}),
    "a retry that is not shown": (replace(KEPT, comments=comments(number=6)), {RETRIES}),
    "a retry shown without an end": (
        replace(KEPT, comments=comments(WAITING.replace(RUN, RETRY), number=6)),
        {RETRIES},
    ),
    "a retry and a reply": (replace(KEPT, comments=comments(AGAIN, NO_RETRY, number=6)), {RETRIES, UNASKED}),
    "two runs of one retry": (replace(KEPT, runs=(ROW, RETRIED, replace(RETRIED, id=OTHER))), {RETRIES}),
    "two pull requests": (replace(KEPT, made=(*MADE, Publication("pull", 1, "3", RUN))), {ONCE}),
    "two commits": (replace(KEPT, made=(*MADE, Publication("commit", 1, "def", RUN))), {ONCE}),
    "two reviews": (
        replace(KEPT, made=(Publication("review", 1, "1", RUN), Publication("review", 1, "2", RUN))),
        {ONCE},
    ),
    "a pull request of no run": (replace(KEPT, made=(Publication("pull", 1, "2", OTHER),)), {ONCE}),
    "nobody asked who may": (replace(KEPT, permissions=()), {MAY}),
    "asked about another": (replace(KEPT, permissions=(replace(ASKED, actor="eve"),)), {MAY}),
    "asked elsewhere": (replace(KEPT, permissions=(replace(ASKED, repository=2),)), {MAY}),
    "asked before the work": (replace(KEPT, permissions=(replace(ASKED, at=19.0),)), {MAY}),
    "answered after the write": (replace(KEPT, permissions=(replace(ASKED, answered_at=25.5),)), {MAY}),
    "asked before a restart": (replace(KEPT, starts=(1.0, 23.0)), {MAY}),
    "written by another run": (replace(KEPT, writes=(replace(WRITE, run=OTHER),)), {MAY}),
    "written before it was to be": (replace(KEPT, writes=(replace(WRITE, at=19.0),)), {MAY}),
    "written after the end": (replace(KEPT, writes=(replace(WRITE, at=31.0),)), {MAY}),
    "a sandbox that lives on": (replace(KEPT, sandboxes=(replace(SANDBOX, live=True),)), {SANDBOXES}),
    "a sandbox of nobody": (
        replace(KEPT, sandboxes=(SANDBOX, SandboxRow("b", OTHER, live=True, agent=False))),
        {SANDBOXES},
    ),
    "agents in two sandboxes": (replace(KEPT, sandboxes=(SANDBOX, replace(SANDBOX, id="b"))), {AGENT}),
    "two agents in one": (replace(KEPT, runs=(replace(ROW, agents=2), RETRIED)), {AGENT}),
    "a delivery that never got in": (replace(KEPT, sent=(replace(SENT, accepted=False),)), {IN}),
    "one that may ask never got in, and nobody looked after it": (
        replace(KEPT, sent=(replace(SENT, accepted=False, stored=False),), operator=False),
        {IN},
    ),
    "a 202 and no row": (replace(KEPT, sent=(replace(SENT, stored=False),)), {IN}),
    "a row left open": (replace(KEPT, open_deliveries=("guid",)), {IN}),
    "a run without an end": (replace(KEPT, runs=(replace(ROW, ended_at=None), RETRIED)), {ENDS}),
    "a workflow without an end": (replace(KEPT, unfinished=("run",)), {ENDS}),
    "a secret in the log": (replace(KEPT, leaks=("amp key in the log",)), {"no secret is seen"}),
    "a stand-in that raised": (replace(KEPT, broken=("KeyError()",)), {"nothing of ours breaks"}),
}


def test_kept_promises_pass_in_silence() -> None:
    assert check(KEPT) == ()
    assert check(Evidence()) == ()


@pytest.mark.parametrize(("evidence", "rules"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_promise_is_named(evidence: Evidence, rules: set[str]) -> None:
    assert {violation.rule for violation in check(evidence)} == rules


def test_a_stop_may_be_answered_with_words_or_with_both() -> None:
    words = replace(KEPT, thumbed=frozenset(), comments=comments(NOTHING, number=5))
    assert check(words) == ()
    assert check(replace(words, thumbed=KEPT.thumbed)) == ()
    late = replace(KEPT, runs=(ROW,), comments=comments(NO_RETRY, number=6))
    assert check(late) == (), "a retry too"


def test_what_asks_nothing_is_missed_by_nobody_but_an_operator() -> None:
    lost = replace(KEPT, sent=(replace(SENT, accepted=False, asks=False),))
    assert {violation.rule for violation in check(lost)} == {IN}
    assert check(replace(lost, operator=False)) == ()


def test_what_is_stored_needs_no_202_but_from_an_operator() -> None:
    """Killed between commit and answer: the bot has stored the delivery, but GitHub's log shows a failure."""
    cut = replace(KEPT, sent=(replace(SENT, accepted=False),))
    assert {violation.rule for violation in check(cut)} == {IN}
    assert check(replace(cut, operator=False)) == ()


def test_every_rule_can_be_broken() -> None:
    reachable = {rule for _, rules in BROKEN.values() for rule in rules}
    assert reachable == {rule.__name__.replace("_", " ") for rule in RULES}


def test_a_sandbox_may_live_while_its_run_does() -> None:
    live = replace(KEPT, sandboxes=(replace(SANDBOX, live=True),), runs=(replace(ROW, ended_at=None), RETRIED))
    assert {violation.rule for violation in check(live)} == {ENDS}


def test_each_violation_says_where_to_look() -> None:
    (violation,) = check(replace(KEPT, comments=comments()))
    assert str(violation) == f"{ANSWER}: repository 1, number 1: 0 answers, not 1, to '/amp s1 fix it'"
