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

P = ParamSpec("P")
T = TypeVar("T")

_READER = ThreadPoolExecutor(1, thread_name_prefix="ampbot-reader")


async def off_loop(read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `read(…)` in the reader's thread, and return or raise what it does."""
    return await asyncio.get_running_loop().run_in_executor(_READER, partial(read, *args, **kwargs))
