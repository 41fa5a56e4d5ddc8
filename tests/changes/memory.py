"""How much memory Python takes for something: the same on every machine, busy or not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def peak(work: Callable[[], T]) -> tuple[T, int]:
    """The result, and the most bytes that were taken at once while it was made."""
    tracemalloc.start()
    try:
        done = work()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return done, most
