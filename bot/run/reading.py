"""Reads what came out of a sandbox: off the event loop, and one at a time in this process.

While Python code runs in another thread, the event loop waits up to 5 ms for its turn, as often as it wakes up
(https://docs.python.org/3/library/sys.html#sys.setswitchinterval). With several such threads it would wait for each of
them. One thread also means that only one archive is being unpacked, however many runs end together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from bot.changes import changeset, left_out
from bot.changes.archive import read_names
from bot.changes.changeset import ChangeSet, Violation
from bot.changes.left_out import Rules
from bot.changes.limits import Limits
from bot.context import Context
from bot.model import Problem
from bot.run.prepare import BASE_PATHS
from bot.settings import Settings
from bot.store import runs
from bot.store.kept import CHANGES

P = ParamSpec("P")
T = TypeVar("T")

# The name of the artifact with the id of the commit that Amp says it merged.
MERGE = "merge"

_READER = ThreadPoolExecutor(1, thread_name_prefix="ampbot-reader")


async def left_out_rules(context: Context, run: str, request: str) -> Rules:
    """What is left out of the run's change set. `request`: its text."""
    return await off_loop(_rules, context, run, request)


def _rules(context: Context, run: str, request: str) -> Rules:
    with context.database.view() as connection:
        base_paths = read_names(runs.artifact_pieces(connection, run, BASE_PATHS))
        return left_out.rules(context.settings.left_out, request, base_paths)


async def off_loop(read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `read(…)` in the reader's thread, and return or raise what it does."""
    return await asyncio.get_running_loop().run_in_executor(_READER, partial(read, *args, **kwargs))


def limits(settings: Settings) -> Limits:
    return Limits(files=settings.max_files, total_bytes=settings.max_change_mb * 1_000_000)


async def read_changes(context: Context, run: str, base_tree: str) -> ChangeSet | Problem:
    """The change set that was collected from the run's sandbox."""

    def read() -> ChangeSet | Problem:
        with context.database.view() as connection:
            archive = runs.artifact_pieces(connection, run, CHANGES)
            return changeset.read(archive, base_tree=base_tree, limits=limits(context.settings))

    return await off_loop(read)


async def check_changes(
    context: Context, run: str, change_set: ChangeSet, request: str = "", theirs: AbstractSet[str] = frozenset()
) -> tuple[Violation, ...]:
    """Why the run's change set may not be published; empty if it may. `request`: its text; `theirs`: as in `check`."""

    def check() -> tuple[Violation, ...]:
        with context.database.view() as connection:
            return changeset.check(
                change_set,
                base_paths=read_names(runs.artifact_pieces(connection, run, BASE_PATHS)),
                symlinks=context.settings.symlinks,
                limits=limits(context.settings),
                leaks=context.redact.leaks,
                left_out=_rules(context, run, request),
                theirs=theirs,
            )

    return await off_loop(check)
