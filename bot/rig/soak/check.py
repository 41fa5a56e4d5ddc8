"""The guarantees, each as a rule over the evidence. Tests break every rule with doctored evidence."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.rig.soak.evidence import Evidence, Expect, RunRow, UserAction, Write

RUN_MARK = "<!-- ampbot:run:"
DENIAL_MARK = "<!-- ampbot:denied:"

Where = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def check(evidence: Evidence) -> tuple[Violation, ...]:
    """Every broken guarantee, with what is needed to look it up."""
    return tuple(Violation(rule.__name__.replace("_", " "), what) for rule in RULES for what in rule(evidence))


def ended(body: str) -> bool:
    """Whether a run's comment shows its end: a heading without the hourglass, and the line with its cost."""
    head = next((line for line in body.splitlines() if line.startswith("### ")), "### ⏳")
    return not head.startswith("### ⏳") and "<sub>" in body


# --- answers --------------------------------------------------------------------------------------


def every_command_has_exactly_one_answer(evidence: Evidence) -> Iterator[str]:
    said = defaultdict(list)
    again = _retries(evidence).keys()
    for comment in evidence.comments:
        if _run_of(comment.body) not in again:  # a retry's answer names the same request
            said[comment.repository, comment.number].append(comment.body)
    for (where, needle), actions in _by_needle(evidence, Expect.RUN, Expect.REPLY).items():
        is_run = actions[0].expect is Expect.RUN
        answers = [body for body in said[where] if needle in body and (RUN_MARK in body) == is_run]
        if len(answers) != len(actions):
            yield f"{_place(where)}: {len(answers)} answers, not {len(actions)}, to {actions[0].text!r}"
        if is_run:
            yield from (f"{_place(where)}: no end in {body!r}" for body in answers if not ended(body))


def every_stop_is_answered(evidence: Evidence) -> Iterator[str]:
    for stop in _those(evidence, Expect.STOP):
        replies, done = _replies(evidence, stop), stop.comment in evidence.thumbed
        if replies > 1 or not (replies or done):
            thumb = "a" if done else "no"
            yield f"{_place((stop.repository, stop.number))}: {replies} replies and {thumb} thumb to {stop.text!r}"


def nothing_is_stopped_unasked(evidence: Evidence) -> Iterator[str]:
    asked = {(stop.repository, stop.number) for stop in _those(evidence, Expect.STOP)}
    for run in evidence.runs:
        if run.state == "stopped" and (run.repository, run.number) not in asked:
            yield f"run {run.id} was stopped"


def every_retry_is_one_run_or_one_reply(evidence: Evidence) -> Iterator[str]:
    retries = _retries(evidence)
    for retry in _those(evidence, Expect.RETRY):
        runs = [run for run, comment in retries.items() if comment == retry.comment]
        shown = [each.body for each in evidence.comments if _run_of(each.body) in runs]
        place = _place((retry.repository, retry.number))
        if len(runs) + _replies(evidence, retry) != 1 or len(shown) != len(runs):
            replies = _replies(evidence, retry)
            yield f"{place}: {len(runs)} runs, {len(shown)} shown, and {replies} replies to {retry.text!r}"
        yield from (f"{place}: no end in {body!r}" for body in shown if not ended(body))


def strangers_get_one_denial_a_conversation(evidence: Evidence) -> Iterator[str]:
    wanted = {(g.repository, g.number) for g in evidence.actions if g.expect is Expect.DENIAL}
    found = Counter((c.repository, c.number) for c in evidence.comments if DENIAL_MARK in c.body)
    for where in sorted(wanted | found.keys()):
        expected = int(where in wanted)
        if found[where] != expected:
            yield f"{_place(where)}: {found[where]} denials, not {expected}"


def nothing_is_said_unasked(evidence: Evidence) -> Iterator[str]:
    """There are no more comments than expected answers, and no two comments share a marker."""
    answered = (Expect.RUN, Expect.REPLY, Expect.STOP, Expect.RETRY)
    wanted = Counter((g.repository, g.number) for g in evidence.actions if g.expect in answered)
    wanted.update({(g.repository, g.number) for g in evidence.actions if g.expect is Expect.DENIAL})
    found = Counter((c.repository, c.number) for c in evidence.comments)
    for where in sorted(found):
        if found[where] > wanted[where]:
            yield f"{_place(where)}: {found[where]} comments of the bot where {wanted[where]} were due"
    marks = Counter((c.repository, c.number, c.body.split("\n", 1)[0]) for c in evidence.comments)
    yield from (f"{_place(key[:2])}: {times} comments begin {key[2]!r}" for key, times in marks.items() if times > 1)


def _those(evidence: Evidence, expect: Expect) -> list[UserAction]:
    return [action for action in evidence.actions if action.expect is expect]


def _replies(evidence: Evidence, action: UserAction) -> int:
    where = action.repository, action.number
    return sum(action.needle in each.body for each in evidence.comments if (each.repository, each.number) == where)


def _retries(evidence: Evidence) -> dict[str, int]:
    """The runs started by a retry, with the id of the retry's comment."""
    comments = {retry.comment for retry in _those(evidence, Expect.RETRY)}
    return {run.id: run.asked_in for run in evidence.runs if run.asked_in in comments}


def _run_of(body: str) -> str:
    return body.partition(RUN_MARK)[2].partition(" ")[0]


def _by_needle(evidence: Evidence, *expected: Expect) -> dict[tuple[Where, str], list[UserAction]]:
    found: dict[tuple[Where, str], list[UserAction]] = defaultdict(list)
    for action in evidence.actions:
        if action.expect in expected:
            found[(action.repository, action.number), action.needle].append(action)
    return found


# --- what is published ----------------------------------------------------------------------------


def a_run_publishes_once(evidence: Evidence) -> Iterator[str]:
    by_run = defaultdict(set)
    for made in evidence.made:
        if made.run:
            by_run[made.kind, made.run].add((made.repository, made.name))
    for (kind, run), things in by_run.items():
        if len(things) > 1:
            yield f"run {run}: {len(things)} of {kind}: {sorted(name for _, name in things)}"
    known = {run.id for run in evidence.runs}
    unknown = [made for made in evidence.made if made.run and made.run not in known]
    yield from (f"{made.kind} {made.name} names run {made.run}, which is not there" for made in unknown)


def nothing_is_published_without_asking_who_may(evidence: Evidence) -> Iterator[str]:
    """The permission check came after the run began to publish and the bot last started, and before the write."""
    by_place = defaultdict(list)
    for run in evidence.runs:
        by_place[run.repository].append(run)
    asked = defaultdict(list)
    for permission in evidence.permissions:
        asked[permission.repository, permission.actor.lower()].append(permission)
    starts = sorted(evidence.starts)
    for write in evidence.writes:
        born = starts[max(bisect_right(starts, write.at) - 1, 0)] if starts else 0.0
        could = [run for run in by_place[write.repository] if _publishing(run, write)]
        if not any(
            max(born, run.publishing_at or 0.0) <= asking.at and asking.answered_at <= write.at
            for run in could
            for asking in asked[run.repository, run.actor.lower()]
        ):
            yield f"request {write.request}: {write.what}, run {write.run or 'unknown'}"


def _publishing(run: RunRow, write: Write) -> bool:
    """Whether this run may have made that write."""
    if write.run and write.run != run.id:
        return False
    return run.publishing_at is not None and run.publishing_at <= write.at <= (run.ended_at or write.at)


# --- sandboxes ------------------------------------------------------------------------------------


def no_sandbox_outlives_its_run(evidence: Evidence) -> Iterator[str]:
    ends = {run.id: run.ended_at for run in evidence.runs}
    for sandbox in evidence.sandboxes:
        if sandbox.live and ends.get(sandbox.run, 0.0) is not None:
            yield f"sandbox {sandbox.id} lives; its run {sandbox.run} is over or unknown"


def one_run_has_one_agent(evidence: Evidence) -> Iterator[str]:
    with_agent = Counter(sandbox.run for sandbox in evidence.sandboxes if sandbox.agent)
    yield from (f"run {run}: agents in {sandboxes} sandboxes" for run, sandboxes in with_agent.items() if sandboxes > 1)
    yield from (f"run {run.id}: its agent began {run.agents} times" for run in evidence.runs if run.agents > 1)


# --- accepted deliveries are handled ---------------------------------------------------------------


def every_delivery_gets_in_and_is_closed(evidence: Evidence) -> Iterator[str]:
    for sent in evidence.sent:
        if sent.accepted and not sent.stored:
            yield f"{sent.event} {sent.guid} was answered 202 and is not in the table"
        elif evidence.operator and not sent.accepted:
            yield f"{sent.event} {sent.guid} was never answered 202"
        elif sent.asks and not sent.stored:  # stored, though its 202 was cut off: no redelivery needed
            yield f"{sent.event} {sent.guid} never got in"
    yield from (f"{guid} is not closed" for guid in evidence.open_deliveries)


def every_run_ends(evidence: Evidence) -> Iterator[str]:
    yield from (f"run {run.id} is {run.state} for ever" for run in evidence.runs if run.ended_at is None)
    yield from (f"workflow {workflow} has not ended" for workflow in evidence.unfinished)


def no_secret_is_seen(evidence: Evidence) -> Iterator[str]:
    yield from evidence.leaks


def nothing_of_ours_breaks(evidence: Evidence) -> Iterator[str]:
    yield from evidence.broken


def _place(where: Where) -> str:
    return f"repository {where[0]}, number {where[1]}"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    every_command_has_exactly_one_answer,
    every_stop_is_answered,
    nothing_is_stopped_unasked,
    every_retry_is_one_run_or_one_reply,
    strangers_get_one_denial_a_conversation,
    nothing_is_said_unasked,
    a_run_publishes_once,
    nothing_is_published_without_asking_who_may,
    no_sandbox_outlives_its_run,
    one_run_has_one_agent,
    every_delivery_gets_in_and_is_closed,
    every_run_ends,
    no_secret_is_seen,
    nothing_of_ours_breaks,
)
