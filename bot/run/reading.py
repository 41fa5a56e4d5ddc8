"""Reads what came out of a sandbox: off the event loop, and one at a time in this process.

While Python code runs in another thread, the event loop waits up to 5 ms for its turn, as often as it wakes up
(https://docs.python.org/3/library/sys.html#sys.setswitchinterval). With several such threads it would wait for each of
them. One thread also means that only one archive is being unpacked, however many runs end together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from bot.changes import changeset
from bot.changes.archive import read_names
from bot.changes.changeset import ChangeSet, Violation
from bot.context import Context
from bot.model import Problem
from bot.run.collect import CHANGES, limits
from bot.run.prepare import BASE_PATHS
from bot.store import runs

P = ParamSpec("P")
T = TypeVar("T")

_READER = ThreadPoolExecutor(1, thread_name_prefix="ampbot-reader")


async def off_loop(read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `read(…)` in the reader's thread, and return or raise what it does."""
    return await asyncio.get_running_loop().run_in_executor(_READER, partial(read, *args, **kwargs))


async def read_changes(context: Context, run: str, base_tree: str) -> ChangeSet | Problem:
    """The change set that was collected from the run's sandbox."""

    def read() -> ChangeSet | Problem:
        with context.database.view() as connection:
            archive = runs.artifact_pieces(connection, run, CHANGES)
            return changeset.read(archive, base_tree=base_tree, limits=limits(context.settings))

    return await off_loop(read)


async def check_changes(context: Context, run: str, change_set: ChangeSet) -> tuple[Violation, ...]:
    """Why the run's change set may not be published; empty if it may."""

    def check() -> tuple[Violation, ...]:
        with context.database.view() as connection:
            return changeset.check(
                change_set,
                base_paths=read_names(runs.artifact_pieces(connection, run, BASE_PATHS)),
                symlinks=context.settings.symlinks,
                limits=limits(context.settings),
                leaks=context.redact.leaks,
            )

    return await off_loop(check)
