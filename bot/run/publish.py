"""The stage that publishes: checks what Amp left, and how that ends where there is nothing to push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.agent.answer import Answer, split_answer
from bot.changes.changeset import ChangeSet
from bot.changes.left_out import IGNORED, is_by_product
from bot.changes.paths import printable
from bot.context import Context
from bot.model import Ending, PinnedBase, Problem, RunState
from bot.run import merge, perform_publication
from bot.run.perform_publication import Work
from bot.run.reading import check_changes, left_out_rules, off_loop, read_changes
from bot.run.review import review
from bot.store import runs, stops
from bot.store.kept import CHANGES
from bot.store.runs import Run
from bot.text import cap_messages, left_out_messages, messages, stop_messages
from bot.text.left_out_messages import LeftOut

log = structlog.get_logger()


async def publish(context: Context, run: Run) -> Ending | None:
    """Publish the run's work. Return how the run ends."""
    outcome, pinned = run.outcome, run.pinned
    assert outcome is not None  # noqa: S101 - set by work()
    assert pinned is not None  # noqa: S101 - set by prepare()
    # From here on the run cannot be stopped, so `stopped_by` is final.
    if not await context.database.write(runs.set_state, run.id, RunState.PUBLISHING):
        return None
    stopped_by = await context.database.read(stops.stopped_by, run.id)
    collected = await context.database.read(runs.has_artifact, run.id, CHANGES)
    if stopped_by and not collected:
        return stop_messages.stopped_uncollected(stopped_by)
    cap = "" if outcome.ok or stopped_by else cap_messages.reached(outcome.failure, context.settings.caps)
    if cap:
        return await _at_cap(context, run, pinned, cap)
    if not outcome.ok and not stopped_by:
        return messages.agent_failed(outcome, kept=collected and await _changed(context, run, pinned))
    answer = await off_loop(split_answer, outcome.answer)
    rules = run.request.kind.rules
    if rules.reviews:
        return await review(context, run, answer)
    if not rules.publishes:
        return messages.answered(answer.text)
    assert collected  # noqa: S101 - by collect()
    change_set = await read_changes(context, run.id, pinned.measured or pinned.base_tree)
    if isinstance(change_set, Problem):
        log.warning("change set refused", run=run.id, why=change_set.detail)
        return messages.refused_change(change_set.message)
    named = await left_out(context, run, change_set)
    ending = await _publish(context, Work(run, pinned, change_set, answer, stopped_by), named)
    if not named:
        return ending
    note = left_out_messages.note(named, change_set.ignored_count)
    return replace(ending, message=f"{ending.message}\n\n{note}")


async def _at_cap(context: Context, run: Run, pinned: PinnedBase, cap: str) -> Ending:
    """What Amp had changed when it was ended at a cap is published as a draft, or kept. `cap`: what is said of it."""
    ending, kept = None, False
    collected = await context.database.read(runs.has_artifact, run.id, CHANGES)
    if collected:
        change_set = await read_changes(context, run.id, pinned.base_tree)
        kept = isinstance(change_set, Problem) or bool(change_set.changes)
        if context.settings.at_cap == "draft" and not isinstance(change_set, Problem) and kept:
            named = await left_out(context, run, change_set)
            ending = await _publish(context, Work(run, pinned, change_set, Answer(""), "", cap=cap), named)
            if named:
                note = left_out_messages.note(named, change_set.ignored_count)
                ending = replace(ending, message=f"{ending.message}\n\n{note}")
    if ending is None:
        missing = run.request.kind.rules.publishes and not collected
        ending = cap_messages.capped_unpublished(kept=kept, collected=not missing)
    return replace(ending, message=f"{cap}\n\n{ending.message}")


async def _publish(context: Context, work: Work, named: Sequence[LeftOut]) -> Ending:
    """`named`: what is left out of the change set."""
    run, pinned, change_set, answer = work.run, work.pinned, work.change_set, work.answer
    merged = await merge.find(context, run, pinned, change_set)
    if not change_set.changes and merged is None:
        if work.stopped_by:
            return stop_messages.stopped_unchanged(work.stopped_by, answer.text)
        missing = any(not item.by_product for item in named)
        return left_out_messages.only_left_out(answer.text) if missing else messages.answered(answer.text)
    if pinned.from_fork:
        return messages.fork_work()
    if pinned.closed:
        return messages.closed_pull()
    theirs = merged.theirs if merged is not None else frozenset[str]()
    violations = await check_changes(context, run.id, change_set, run.request.text, theirs)
    if violations:
        return messages.refused_paths(violations)
    return await perform_publication.publish(context, replace(work, merge=merged))


async def left_out(context: Context, run: Run, change_set: ChangeSet) -> tuple[LeftOut, ...]:
    """What is not part of the change set, with the reasons: first what somebody may miss."""
    if not change_set.ignored:
        return ()
    rules = await left_out_rules(context, run.id, run.request.text)
    found = [(path, rules.reason(path) or IGNORED) for path in change_set.ignored]
    named = [
        LeftOut(context.redact(printable(path, 100)), reason, is_by_product(path, reason)) for path, reason in found
    ]
    return tuple(sorted(named, key=lambda item: item.by_product))


async def _changed(context: Context, run: Run, pinned: PinnedBase) -> bool:
    change_set = await read_changes(context, run.id, pinned.base_tree)
    return isinstance(change_set, Problem) or bool(change_set.changes)
